//! `ibid invalidate`: stored results count no longer.

use std::collections::BTreeSet;

use ibid_core::digest::Key;
use ibid_core::pipeline::StepId;
use ibid_core::store::{Access, Lookup};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::known::Known;
use super::named::{self, unreadable};
use crate::args::InvalidateArgs;
use crate::context::{Context, now};
use crate::error::Failure;
use crate::exit::{self, Exit};

/// A key that shall count no longer, and the step it belongs to, if one was named.
struct Target {
    key: Key,
    step: Option<String>,
}

pub(super) fn run(args: &InvalidateArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadWrite)?;
    let targets = targets(&known, args)?;
    let why = args.because.as_deref().unwrap_or("by hand");
    let mut done = Vec::new();
    for target in &targets {
        let already = matches!(known.store.look_up(&target.key), Lookup::Tombstone(_));
        if !already {
            known
                .store
                .invalidate(&target.key, now(), why)
                .map_err(|error| {
                    Failure::of(exit::IBID_FAILED, &error)
                        .hint("`ibid dirs` says where the cache lies")
                })?;
        }
        context.console.say(&told(target, already));
        done.push(json!({
            "key": target.key.to_string(),
            "step": target.step,
            "already": already,
        }));
    }
    if context.console.is_json() {
        let first = targets.first().map(|target| target.key.to_string());
        context
            .console
            .json_data(&json!({ "invalidated": first, "keys": done }))?;
    }
    Ok(Exit::OK)
}

fn told(Target { key, step }: &Target, already: bool) -> String {
    let whose = match step {
        Some(step) => format!(" of the step `{}`", Escaped(step.as_bytes())),
        None => String::new(),
    };
    match (already, step) {
        (true, None) => "the result is invalidated already".to_owned(),
        (true, Some(_)) => format!("the result{whose} is invalidated already"),
        (false, _) => format!(
            "the result{whose} of the key {} counts no longer",
            key.short()
        ),
    }
}

/// Finds the keys that are meant: at least one.
fn targets(known: &Known<'_>, args: &InvalidateArgs) -> Result<Vec<Target>, Failure> {
    let word = args.of.as_str();
    let steps = steps(known, args)?;
    if steps.is_empty() {
        let named = named::find(known, word)?;
        let key = match &named.entry {
            Some(entry) if named.result.is_none() => standing(known, &entry.label)?,
            _ => None,
        };
        return Ok(vec![Target {
            key: key.unwrap_or(named.key),
            step: None,
        }]);
    }
    let pipeline = known.pipeline().expect("steps of it were found");
    let mut targets = Vec::new();
    for id in steps {
        let in_manifest = known.manifest_key(id);
        known.forget_manifest(id).map_err(unreadable)?;
        let keys = standing(known, pipeline.label(id))?.into_iter();
        // Of a step that went on in another cache, the manifest may know another key.
        let keys: BTreeSet<Key> = keys.chain(in_manifest).collect();
        targets.extend(keys.into_iter().map(|key| Target {
            key,
            step: Some(pipeline.step(id).name.clone()),
        }));
    }
    if targets.is_empty() {
        return Err(named::never_ran(word));
    }
    Ok(targets)
}

/// Returns the key of the newest run of a label that gave a result.
fn standing(known: &Known<'_>, label: &str) -> Result<Option<Key>, Failure> {
    let entries = known.store.entries_of(label, usize::MAX);
    let entries = entries.map_err(unreadable)?;
    let with_result = entries.iter().find(|entry| entry.result.is_some());
    Ok(with_result.map(|entry| entry.key))
}

/// Returns the steps that are named, in the order in which data flows through them; none where a
/// label or a key is named.
fn steps(known: &Known<'_>, args: &InvalidateArgs) -> Result<Vec<StepId>, Failure> {
    let word = args.of.as_str();
    if !args.downstream {
        let is_known = match known.store.entries_of(word, 1) {
            Ok(newest) => !newest.is_empty(),
            Err(error) => return Err(unreadable(error)),
        };
        // Keys and labels are understood without the file of steps.
        if is_known || word.parse::<Key>().is_ok() {
            return Ok(Vec::new());
        }
        return Ok(known.steps(word));
    }
    let mut named: BTreeSet<StepId> = known.steps(word).into_iter().collect();
    named.extend(known.step_of(word));
    let Some(pipeline) = known.pipeline().filter(|_| !named.is_empty()) else {
        return Err(Failure::usage(format!(
            "`{}` is no step of this project",
            Escaped(word.as_bytes())
        ))
        .hint("`--downstream` follows the steps of `ibid.toml`"));
    };
    let all = pipeline.graph.with_downstream(&named);
    let order = pipeline.graph.order().iter().copied();
    Ok(order.filter(|step| all.contains(step)).collect())
}
