//! `ibid log`: history, the latest first.

use std::cmp::Reverse;

use ibid_core::store::{Access, RunEntry};

use super::known::Known;
use super::named::{self, unreadable};
use crate::args::LogArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::history;

pub(super) fn run(args: &LogArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let entries = match &args.of {
        Some(word) => of_word(&known, word)?,
        None => known.store.entries(usize::MAX).map_err(unreadable)?,
    };
    if context.console.is_json() {
        let entries: Vec<_> = entries.iter().map(history::entry_json).collect();
        context
            .console
            .json_data(&serde_json::json!({ "runs": entries }))?;
    } else {
        let lines: String = entries.iter().map(history::entry_line).collect();
        context.console.data(lines.as_bytes())?;
    }
    Ok(Exit::OK)
}

/// Returns all runs of what a word names: of a matrix those of all points, of a key its own.
pub(super) fn of_word(known: &Known<'_>, word: &str) -> Result<Vec<RunEntry>, Failure> {
    let store = &known.store;
    let Some(labels) = named::labels(known, word)? else {
        let named = named::find(known, word)?;
        let entries = store.entries_of_key(&named.key, usize::MAX);
        let entries = entries.map_err(unreadable)?;
        return if entries.is_empty() {
            Err(named::unknown(word))
        } else {
            Ok(entries)
        };
    };
    let mut entries = Vec::new();
    for label in &labels {
        entries.extend(store.entries_of(label, usize::MAX).map_err(unreadable)?);
    }
    if entries.is_empty() {
        return Err(named::never_ran(word));
    }
    entries.sort_by_key(|entry| Reverse(entry.time));
    Ok(entries)
}
