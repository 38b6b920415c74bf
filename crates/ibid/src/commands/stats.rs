//! `ibid stats`: what history adds up to.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use ibid_core::action::{HumanDuration, parse_duration};
use ibid_core::store::{Access, LocalStore, RunEntry, RunOutcome};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::known::Known;
use super::{log, named};
use crate::args::StatsArgs;
use crate::context::{Context, now};
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{history, people};

/// So many steps are listed for people.
const LISTED: usize = 10;

pub(super) fn run(args: &StatsArgs, context: &Context) -> Result<Exit, Failure> {
    let since = args.since.as_deref().map(read_since).transpose()?;
    let known = Known::open(context, Access::ReadOnly)?;
    let mut entries = match &args.of {
        Some(word) => log::of_word(&known, word)?,
        None => known.store.entries(usize::MAX).map_err(named::unreadable)?,
    };
    entries.retain(|entry| since.is_none_or(|since| entry.time >= since));
    let stats = Stats::of(&entries);
    // What lies in the store belongs to no step alone.
    let stored = match &args.of {
        None => Some(stored(&known.store)?),
        Some(_) => None,
    };
    if context.console.is_json() {
        let mut answer = stats.as_json();
        answer["since"] = since.map(history::utc_time).into();
        answer["store"] = stored.map_or(
            serde_json::Value::Null,
            |(files, bytes)| json!({"files": files, "bytes": bytes}),
        );
        context.console.json_data(&answer)?;
        return Ok(Exit::OK);
    }
    let text = stats.as_text(stored);
    context.console.data(text.as_bytes())?;
    context
        .console
        .say("a step that was up to date leaves no entry in history, and is not counted");
    Ok(Exit::OK)
}

/// Reads how far back is looked, as a time.
fn read_since(text: &str) -> Result<u64, Failure> {
    let span = parse_duration(text.strip_suffix("ago").unwrap_or(text).trim_end());
    let span = span.map_err(|error| Failure::usage(format!("`--since`: {error}")))?;
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Ok(now().saturating_sub(nanos))
}

/// Returns how many files the store has of contents, and their bytes.
fn stored(store: &LocalStore) -> Result<(usize, u64), Failure> {
    let walk = store.walk().map_err(named::unreadable)?;
    let sizes = walk.map(|mut walk| walk.blobs(|_, facts| facts.signature.size));
    let sizes = sizes.unwrap_or_default();
    Ok((sizes.len(), sizes.into_iter().fold(0, u64::saturating_add)))
}

/// Numbers of runs and times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Runs that succeeded and whose result was stored.
    ran: usize,
    restored: usize,
    failed: usize,
    /// Runs that succeeded and whose result could not be stored.
    uncacheable: usize,
    /// Nanoseconds in commands.
    spent: u64,
    /// Nanoseconds that commands would have run longer.
    saved: u64,
}

impl Counts {
    fn add(&mut self, entry: &RunEntry) {
        match entry.outcome {
            RunOutcome::Hit => {
                self.restored += 1;
                self.saved = self.saved.saturating_add(entry.saved);
                return;
            }
            RunOutcome::Ran | RunOutcome::Refreshed => self.ran += 1,
            RunOutcome::Failed => self.failed += 1,
            RunOutcome::Uncacheable => self.uncacheable += 1,
        }
        self.spent = self.spent.saturating_add(entry.duration);
    }

    fn runs(&self) -> usize {
        self.ran + self.failed + self.uncacheable
    }
}

/// What entries of history add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stats {
    all: Counts,
    /// How often each trigger was a reason to run; a run may have several.
    triggers: BTreeMap<&'static str, usize>,
    /// Each label, those that took the most time first.
    steps: Vec<(String, Counts)>,
    /// When the earliest entry was written.
    from: Option<u64>,
}

impl Stats {
    fn of(entries: &[RunEntry]) -> Self {
        let mut all = Counts::default();
        let mut triggers = BTreeMap::new();
        let mut steps: BTreeMap<&str, Counts> = BTreeMap::new();
        for entry in entries {
            all.add(entry);
            steps.entry(&entry.label).or_default().add(entry);
            for trigger in &entry.triggers {
                *triggers.entry(trigger.word()).or_insert(0) += 1;
            }
        }
        let steps = steps.into_iter();
        let mut steps: Vec<_> = steps.map(|(label, it)| (label.to_owned(), it)).collect();
        steps.sort_by_key(|(_, counts)| Reverse(counts.spent));
        Self {
            all,
            triggers,
            steps,
            from: entries.iter().map(|entry| entry.time).min(),
        }
    }

    fn as_text(&self, stored: Option<(usize, u64)>) -> String {
        let mut text = String::new();
        let Counts {
            ran,
            restored,
            failed,
            uncacheable,
            spent,
            saved,
        } = &self.all;
        let _ = match self.from {
            Some(from) => writeln!(text, "since {}", history::local_time(from)),
            None => writeln!(text, "no run and no restored result is known of this time"),
        };
        let mut row = |name: &str, count: usize, more: String| {
            let _ = writeln!(text, "  {name:<12} {count:>7}{more}");
        };
        row("restored", *restored, format!("  {} saved", time(*saved)));
        row("ran", *ran, format!("  {} in all commands", time(*spent)));
        row("failed", *failed, String::new());
        row("not stored", *uncacheable, String::new());
        if !self.triggers.is_empty() {
            let mut triggers: Vec<_> = self.triggers.iter().collect();
            triggers.sort_by_key(|(_, count)| Reverse(**count));
            let triggers = triggers
                .iter()
                .map(|(word, count)| format!("{word} {count}"));
            let triggers: Vec<_> = triggers.collect();
            let _ = writeln!(text, "why it ran: {}", triggers.join(", "));
        }
        if let Some((files, bytes)) = stored {
            let files = people::count(files, "file");
            let _ = writeln!(text, "in the cache: {} in {files}", people::size(bytes));
        }
        let slow = self.steps.iter().filter(|(_, counts)| counts.runs() > 0);
        for (index, (label, counts)) in slow.take(LISTED).enumerate() {
            if index == 0 {
                text.push_str("most time\n");
            }
            let name = Escaped(label.as_bytes()).to_string();
            let runs = people::count(counts.runs(), "run");
            let _ = writeln!(text, "  {:>12}  {runs:>8}  {name}", time(counts.spent));
        }
        text
    }

    fn as_json(&self) -> serde_json::Value {
        let counts = |counts: &Counts| {
            json!({
                "ran": counts.ran,
                "restored": counts.restored,
                "failed": counts.failed,
                "uncacheable": counts.uncacheable,
                "spent_ns": counts.spent,
                "saved_ns": counts.saved,
            })
        };
        let steps = self.steps.iter().map(|(label, of_label)| {
            let mut json = counts(of_label);
            json["label"] = label.as_str().into();
            json
        });
        let steps: Vec<_> = steps.collect();
        let mut json = counts(&self.all);
        json["from"] = self.from.map(history::utc_time).into();
        json["triggers"] = json!(self.triggers);
        json["steps"] = steps.into();
        json
    }
}

fn time(nanos: u64) -> String {
    HumanDuration(Duration::from_nanos(nanos)).to_string()
}
