//! `ibid verify`: one result, or those of all points of a matrix, read and checked.

use std::fmt::Write as _;
use std::sync::Arc;

use ibid_core::digest::Key;
use ibid_core::fs::Meter;
use ibid_core::maintain::{Checked, verify, verify_result};
use ibid_core::store::{Access, KeySays, LocalStore, Unusable};
use serde_json::json;

use super::fsck::name_of;
use super::known::Known;
use super::named::{self, Named};
use crate::args::VerifyArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::{flaws, people};

/// What was found of one result.
struct Verified {
    key: Key,
    label: Option<String>,
    /// Why there is nothing to verify, if that is so.
    nothing: Option<&'static str>,
    checked: Checked,
}

pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open_doubtful(context, Access::ReadOnly)?;
    let targets = targets(&known, &args.of)?;
    let meter = Arc::new(Meter::new());
    context.console.begin("checking", &meter);
    let verified = targets.iter().map(|named| one(&known.store, named, &meter));
    let verified: Vec<_> = verified.collect();
    context.console.end();
    let bytes: u64 = verified.iter().map(|it| it.checked.bytes).sum();
    if context.console.is_json() {
        let results = verified.iter().map(|it| as_json(&known.store, it));
        let results: Vec<_> = results.collect();
        context
            .console
            .json_data(&json!({ "results": results, "bytes": bytes }))?;
    } else {
        for one in &verified {
            context.console.data(as_text(&known, one).as_bytes())?;
        }
        if verified.len() > 1 {
            let blobs = verified.iter().map(|it| it.checked.blobs).sum();
            let files = people::count(blobs, "file");
            let read = people::size(bytes);
            context.console.say(&format!("read {read} in {files}"));
        }
    }
    let flaws = verified.iter().flat_map(|it| &it.checked.flaws);
    let code = flaws::exit_code(flaws);
    let nothing = verified.iter().any(|it| it.nothing.is_some());
    Ok(Exit::Code(match code {
        exit::OK if nothing => exit::STEP_FAILED,
        code => code,
    }))
}

/// Finds what is meant: one run, one key, or the newest of each point of a matrix.
fn targets(known: &Known<'_>, word: &str) -> Result<Vec<Named>, Failure> {
    let is_key = word.parse::<Key>().is_ok();
    let points = match known.pipeline().filter(|_| !is_key) {
        Some(pipeline) => {
            let ids = known.steps(word);
            ids.iter()
                .map(|id| pipeline.label(*id).to_owned())
                .collect()
        }
        None => Vec::new(),
    };
    if points.len() < 2 {
        return named::find(known, word).map(|named| vec![named]);
    }
    let mut targets = Vec::new();
    let mut never = None;
    for label in &points {
        match named::find(known, label) {
            Ok(named) => targets.push(named),
            Err(failure) => never = Some(failure),
        }
    }
    match never {
        Some(failure) if targets.is_empty() => Err(failure),
        Some(_) => {
            let missing = people::count(points.len() - targets.len(), "point");
            known.context.console.note(&format!(
                "{missing} of `{word}` never ran, so there is nothing to verify"
            ));
            Ok(targets)
        }
        None => Ok(targets),
    }
}

fn one(store: &LocalStore, named: &Named, meter: &Meter) -> Verified {
    let key = named.key;
    let nothing = match &named.result {
        Some(result) => match store.peek_result(result) {
            Err(Unusable::Absent) => Some("the result of that run is not stored"),
            _ => None,
        },
        None => match store.peek_key(&key) {
            Ok(KeySays::Tombstone) => Some("the result is invalidated"),
            Err(Unusable::Absent) => Some("no result is stored"),
            Err(Unusable::Later) => Some("a later version of ibid stored it"),
            _ => None,
        },
    };
    let checked = match &named.result {
        _ if nothing.is_some() => Checked::default(),
        Some(result) => verify_result(store, &key, result, meter),
        None => verify(store, &key, meter),
    };
    let of_entry = named.entry.as_ref().map(|entry| entry.label.clone());
    Verified {
        key,
        label: of_entry,
        nothing,
        checked,
    }
}

fn as_text(known: &Known<'_>, verified: &Verified) -> String {
    let Verified {
        key,
        label,
        nothing,
        checked,
    } = verified;
    let name = match label {
        Some(label) => format!("{}  {}", known.name_of(label), key.short()),
        None => key.short(),
    };
    let name = ibid_core::tree::Escaped(name.as_bytes()).to_string();
    if let Some(nothing) = nothing {
        return format!("nothing  {name}: {nothing}\n");
    }
    let state = if checked.flaws.is_empty() {
        "ok     "
    } else {
        "flawed "
    };
    let mut text = format!("{state}  {name}: {}\n", flaws::read(checked));
    for flaw in &checked.flaws {
        let name = |key: &Key| name_of(known, checked, key);
        let line = flaws::line(flaw, known.store.dir(), &name);
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn as_json(store: &LocalStore, verified: &Verified) -> serde_json::Value {
    let checked = &verified.checked;
    let found = checked.flaws.iter();
    let found = found.map(|flaw| flaws::as_json(flaw, store.dir(), &checked.labels));
    json!({
        "key": verified.key.to_string(),
        "label": verified.label,
        "ok": verified.nothing.is_none() && checked.flaws.is_empty(),
        "nothing": verified.nothing,
        "blobs": checked.blobs,
        "bytes": checked.bytes,
        "flaws": found.collect::<Vec<_>>(),
    })
}
