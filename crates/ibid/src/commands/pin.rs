//! `ibid pin`: results that stay.

use ibid_core::digest::{BlobId, Key};
use ibid_core::store::{Access, Lookup, Pin, RunEntry};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::collecting::{refuse_unwritable, store_failed};
use super::known::Known;
use super::named::{self, unreadable};
use crate::args::PinArgs;
use crate::context::{Context, now};
use crate::error::Failure;
use crate::exit::{self, Exit};

pub(super) fn run(args: &PinArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadWrite)?;
    let mut pins = pins(
        &known,
        &args.of,
        args.because.as_deref().unwrap_or_default(),
    )?;
    refuse_unwritable(&known)?;
    for (pin, stood) in &mut pins {
        if args.because.is_none() {
            // A reason that was given once stays until another one is given.
            pin.why = reason_of(&known, pin)?;
        }
        let stands = known.store.pin(pin).map_err(|error| store_failed(&error))?;
        if *stood && !stands {
            // It was evicted between the look and the pin, which protects nothing.
            known
                .store
                .unpin(&pin.key)
                .map_err(|error| store_failed(&error))?;
            return Err(nothing_stands(&pin.key.to_string()));
        }
        context.console.say(&format!(
            "pinned the result of `{}`, key {}",
            Escaped(known.name_of(&pin.label).as_bytes()),
            pin.key.short()
        ));
    }
    if context.console.is_json() {
        let keys: Vec<_> = pins.iter().map(|(pin, _)| as_json(pin)).collect();
        context.console.json_data(&json!({ "pinned": keys }))?;
    }
    Ok(Exit::OK)
}

/// Returns why a result is pinned already; nothing if it is not.
fn reason_of(known: &Known<'_>, pin: &Pin) -> Result<String, Failure> {
    let (pins, _) = known.store.pins().map_err(unreadable)?;
    let same = pins.into_iter().find(|it| it.key == pin.key);
    Ok(same.map(|it| it.why).unwrap_or_default())
}

pub(super) fn as_json(pin: &Pin) -> serde_json::Value {
    json!({
        "key": pin.key.to_string(),
        "result": pin.result.map(|result| result.to_string()),
        "label": pin.label,
        "when": crate::report::history::utc_time(pin.when),
        "because": pin.why,
    })
}

/// Returns the pins that are meant: of a step the result that stands for its newest key, of a
/// matrix those of all points that have one. Each comes with whether its key's result stands.
fn pins(known: &Known<'_>, word: &str, why: &str) -> Result<Vec<(Pin, bool)>, Failure> {
    let Some(labels) = named::labels(known, word)? else {
        let named = named::find(known, word)?;
        let label = named.entry.map(|entry| entry.label);
        let asked = (named.key, named.result, label);
        return pin_of(known, asked, why)
            .map(|pin| vec![pin])
            .ok_or_else(|| nothing_stands(word));
    };
    let mut pins = Vec::new();
    for label in labels {
        let entries = known.store.entries_of(&label, usize::MAX);
        let entries = entries.map_err(unreadable)?;
        let newest = entries.iter().find(|entry| entry.result.is_some());
        let key = newest.map(|entry: &RunEntry| entry.key);
        // A step that was only ever up to date here is known by its manifest.
        let in_manifest = || known.manifest_key(known.step_of(&label)?);
        let Some(key) = key.or_else(in_manifest) else {
            continue;
        };
        pins.extend(pin_of(known, (key, None, Some(label)), why));
    }
    if pins.is_empty() {
        return Err(nothing_stands(word));
    }
    Ok(pins)
}

/// Makes the pin of a key, if there is a result for it.
fn pin_of(
    known: &Known<'_>,
    (key, asked, label): (Key, Option<BlobId>, Option<String>),
    why: &str,
) -> Option<(Pin, bool)> {
    let found = match known.store.look_up(&key) {
        Lookup::Found(found) => Some(found),
        Lookup::Tombstone(_) | Lookup::Absent(_) => None,
    };
    let standing = found.as_ref().map(|found| BlobId::of(&found.encode()));
    let is_there = |blob: &BlobId| known.store.seems_present(blob, None);
    let result = asked.filter(is_there).or(standing)?;
    let label = label.or_else(|| found.map(|found| found.run.label));
    let pin = Pin {
        key,
        result: Some(result),
        label: label.unwrap_or_default(),
        when: now(),
        why: why.to_owned(),
    };
    Some((pin, standing.is_some()))
}

fn nothing_stands(word: &str) -> Failure {
    let word = Escaped(word.as_bytes());
    Failure::new(
        exit::STEP_FAILED,
        format!("no result of `{word}` is stored: there is nothing to pin"),
    )
    .hint("`ibid run` makes and stores it, with `--force` also where it is up to date")
}
