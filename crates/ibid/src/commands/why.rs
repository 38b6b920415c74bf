//! `ibid why`: what made a step run, against the closest earlier run.

use std::fmt::Write as _;

use ibid_core::action::{Change, diff};
use ibid_core::store::{LocalStore, RunEntry, RunOutcome};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::changed;
use super::named::{self, unreadable};
use crate::args::WhyArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::history;

pub(super) fn run(args: &WhyArgs, context: &Context) -> Result<Exit, Failure> {
    let store = context.stored()?;
    let entries = entries(&store, args.of.as_deref())?;
    let newest = &entries[0];
    // A hit has no reason; the run that made its result has.
    let ran = entries
        .iter()
        .find(|entry| entry.outcome != RunOutcome::Hit);
    let told = ran.unwrap_or(newest);
    let changes = changes(&store, told);
    if context.console.is_json() {
        let mut answer = history::entry_json(told);
        answer["latest"] = newest.outcome.word().into();
        if let Some(changes) = &changes {
            answer["changes"] = changed::as_json(&store, changes);
        }
        context.console.json_data(&json!(answer))?;
    } else {
        let changes = changes.map(|changes| changed::as_text(&store, &changes, "  "));
        let text = as_text(newest, told, changes.as_deref());
        context.console.data(text.as_bytes())?;
    }
    Ok(Exit::OK)
}

/// Returns the runs that a word names, the newest first and at least one.
fn entries(store: &LocalStore, of: Option<&str>) -> Result<Vec<RunEntry>, Failure> {
    let Some(word) = of else {
        let newest = store.entries(1).map_err(unreadable)?;
        let newest = newest.into_iter().next();
        let newest = newest.ok_or_else(|| {
            Failure::new(exit::STEP_FAILED, "this cache knows of no run")
                .hint("`ibid dirs` says where the cache lies")
        })?;
        return store
            .entries_of(&newest.label, usize::MAX)
            .map_err(unreadable);
    };
    let named = named::find(store, word)?;
    let entries = match &named.entry {
        Some(entry) => store.entries_of(&entry.label, usize::MAX),
        None => store.entries_of_key(&named.key, usize::MAX),
    }
    .map_err(unreadable)?;
    if entries.is_empty() {
        return Err(named::unknown(word));
    }
    Ok(entries)
}

/// Returns what changed in full, if both records are still there.
fn changes(store: &LocalStore, entry: &RunEntry) -> Option<Vec<Change>> {
    let old = named::record(store, &entry.compared_to?).ok()?;
    let new = named::record(store, &entry.key).ok()?;
    Some(diff(&old, &new))
}

fn as_text(newest: &RunEntry, told: &RunEntry, changes: Option<&str>) -> String {
    let mut text = String::new();
    let label = Escaped(told.label.as_bytes());
    if newest.outcome == RunOutcome::Hit {
        let _ = writeln!(
            text,
            "{label} did not run at {}: its result was stored",
            history::local_time(newest.time)
        );
    }
    if told.outcome == RunOutcome::Hit {
        return text;
    }
    let triggers: Vec<_> = told.triggers.iter().map(|trigger| trigger.word()).collect();
    let _ = writeln!(
        text,
        "{label} ran at {} because of: {}{}",
        history::local_time(told.time),
        triggers.join(", "),
        history::found(told)
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default(),
    );
    let against = told.compared_to.map(|key| key.short());
    if let Some(key) = against {
        let _ = writeln!(text, "against the run with the key {key}:");
    }
    match changes {
        Some(changes) => text.push_str(changes),
        // The records are gone; their names are in history.
        None => {
            for title in &told.changed {
                let _ = writeln!(text, "  {}", Escaped(title.as_bytes()));
            }
        }
    }
    text
}
