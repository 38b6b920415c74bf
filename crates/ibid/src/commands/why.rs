//! `ibid why`: what made a step run, against the closest earlier run, and what made that.

use std::fmt::Write as _;

use ibid_core::action::{Change, Trigger, diff};
use ibid_core::engine::chain::{self, Cause};
use ibid_core::store::{Access, LocalStore, RunEntry, RunOutcome};
use ibid_core::tree::Escaped;

use super::known::Known;
use super::named::{self, unreadable};
use super::{causes, changed, show};
use crate::args::WhyArgs;
use crate::context::Context;
use crate::door::Answer;
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::history;

pub(super) fn run(args: &WhyArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let told = Told::find(&known, args.of.as_deref())?;
    if context.console.is_json() {
        context.console.json_data(&told.as_json(&known))?;
        return Ok(Exit::OK);
    }
    context.console.data(told.as_text(&known).as_bytes())?;
    if let Some(step) = args
        .of
        .as_ref()
        .filter(|word| !known.steps(word).is_empty())
    {
        let step = Escaped(step.as_bytes());
        context
            .console
            .say(&format!("`ibid plan {step}` says what would be done now"));
    }
    Ok(Exit::OK)
}

/// Answers for a program that wants both forms.
pub(crate) fn answer(of: Option<&str>, context: &Context) -> Result<Answer, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let told = Told::find(&known, of)?;
    Ok(Answer {
        json: told.as_json(&known),
        text: told.as_text(&known),
    })
}

/// A run, and what made it.
struct Told {
    /// The latest entry, which may be a use of the result.
    newest: RunEntry,
    /// The run that has reasons.
    run: RunEntry,
    /// What changed in full, if it can still be read.
    changes: Option<Vec<Change>>,
    cause: Cause,
}

impl Told {
    /// Looks for the run that a word means; without one the latest.
    fn find(known: &Known<'_>, of: Option<&str>) -> Result<Self, Failure> {
        let store = &known.store;
        let entries = entries(known, of)?;
        let newest = &entries[0];
        // A use of a stored result has no reason; the run that made the result has.
        let mut runs = entries.iter().filter(|e| e.outcome != RunOutcome::Hit);
        let of_result = runs.clone().find(|entry| entry.key == newest.key);
        let run = of_result.or_else(|| runs.next()).unwrap_or(newest);
        let writers = |path: &_| known.writer_label(path, &run.root);
        Ok(Self {
            newest: newest.clone(),
            changes: changes(store, run),
            cause: chain::follow(store, run, &writers),
            run: run.clone(),
        })
    }

    fn as_json(&self, known: &Known<'_>) -> serde_json::Value {
        let mut answer = history::entry_json(&self.run);
        answer["latest"] = self.newest.outcome.word().into();
        if let Some(changes) = &self.changes {
            answer["changes"] = changed::as_json(known, changes);
        }
        answer["chain"] = causes::as_json(known, &self.cause);
        answer
    }

    fn as_text(&self, known: &Known<'_>) -> String {
        let changes = self.changes.as_deref();
        let changes = changes.map(|changes| changed::as_text(known, changes, "  "));
        let mut text = as_text(&self.newest, &self.run, changes.as_deref());
        if !self.cause.upstream.is_empty() {
            text.push_str(&causes::as_text(known, &self.cause));
        }
        text.push_str(&circumstances(&known.store, &self.run));
        text
    }
}

/// Returns the runs that a word names, the newest first and at least one.
fn entries(known: &Known<'_>, of: Option<&str>) -> Result<Vec<RunEntry>, Failure> {
    let store = &known.store;
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
    let named = named::find(known, word)?;
    let mut entries = match &named.entry {
        Some(entry) => store.entries_of(&entry.label, usize::MAX),
        None => store.entries_of_key(&named.key, usize::MAX),
    }
    .map_err(unreadable)?;
    // Of a run that was named itself, what came later does not count.
    if let Some(entry) = named.entry {
        entries.retain(|other| other.time <= entry.time);
    }
    if entries.is_empty() {
        return Err(nothing_ran(known, word));
    }
    Ok(entries)
}

/// A step that was found up to date, and of which history knows no run.
fn nothing_ran(known: &Known<'_>, word: &str) -> Failure {
    match known.steps(word).as_slice() {
        [] => named::unknown(word),
        _ => named::never_ran(word)
            .cause("its outputs stand as its manifest in `.ibid/manifests` says"),
    }
}

/// Returns what changed in full, if both records are still there.
fn changes(store: &LocalStore, entry: &RunEntry) -> Option<Vec<Change>> {
    let old = named::record(store, &entry.compared_to?).ok()?;
    let new = named::record(store, &entry.key).ok()?;
    Some(diff(&old, &new))
}

/// Says in a few words why a step ran.
fn reason(entry: &RunEntry) -> String {
    let words: Vec<_> = entry
        .triggers
        .iter()
        .map(|trigger| trigger.word())
        .collect();
    let words = words.join(", ");
    match history::found(entry) {
        _ if entry.compared_to.is_some() => format!("{words} changed"),
        Some(found) => format!("{words} ({found})"),
        None => {
            let reasons: Vec<_> = entry.triggers.iter().copied().map(in_words).collect();
            reasons.join(", ")
        }
    }
}

/// Says what a trigger means where no component changed.
pub(super) fn in_words(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::New => "no earlier run of it was known",
        Trigger::Ttl => "its result was older than its ttl",
        Trigger::Forced => "it was asked for, or its result had been invalidated",
        Trigger::Outputs => "nothing had changed, but no result of it could be used",
        other => other.word(),
    }
}

/// Names the command, and the run that this one was compared with.
fn circumstances(store: &LocalStore, told: &RunEntry) -> String {
    let mut text = String::new();
    if told.outcome == RunOutcome::Hit {
        return text;
    }
    let record = named::record(store, &told.key).ok();
    if let Some(command) = record.as_ref().and_then(show::command) {
        let _ = writeln!(text, "command: {command}");
    }
    if let Some(key) = &told.compared_to {
        let earlier = store.entries_of_key(key, 1).unwrap_or_default();
        let when = earlier.first().map_or_else(String::new, |entry| {
            format!(" at {}", history::local_time(entry.time))
        });
        let _ = writeln!(
            text,
            "compared with the closest earlier run{when}, key {}",
            key.short()
        );
    }
    text
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
    let ended = match (told.exit_code, told.signal) {
        (_, Some(signal)) => format!(" and was ended by signal {signal}"),
        (Some(0) | None, None) => String::new(),
        (Some(code), None) => format!(" and ended with exit code {code}"),
    };
    let _ = writeln!(
        text,
        "{label} ran at {}{ended}: {}",
        history::local_time(told.time),
        reason(told)
    );
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
