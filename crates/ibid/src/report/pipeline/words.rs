//! How steps of a run and the whole run went, in the words of a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use ibid_core::action::HumanDuration;
use ibid_core::engine::schedule::{Finished, RunReport};
use ibid_core::engine::{self, Decision, ErrorKind, StepOutcome};
use ibid_core::pipeline::{Pipeline, StepId};
use ibid_core::tree::Escaped;

use super::super::human::{outcome_line, surprise};
use super::super::people;

const GOOD: Style = AnsiColor::Green.on_default();
const CITED: Style = AnsiColor::Cyan.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = Style::new().dimmed();

/// As many names stand in a line that lists steps.
const NAMED: usize = 10;

/// How a step went: the word that says it, its style, and the rest of the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) style: Style,
    pub(super) word: String,
    pub(super) rest: String,
}

impl Telling {
    fn of(style: Style, text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Self {
            style,
            word: word.to_owned(),
            rest: if rest.is_empty() {
                String::new()
            } else {
                format!(" {rest}")
            },
        }
    }
}

/// Returns a step's name without anything a terminal would interpret.
pub(in super::super) fn name(pipeline: &Pipeline, step: StepId) -> String {
    Escaped(pipeline.step(step).name.as_bytes()).to_string()
}

/// Says how a step went; nothing of steps whose turn never came, which the end of a run lists.
pub(super) fn telling(finished: &Finished) -> Option<Telling> {
    Some(match finished {
        Finished::Done(outcome) => match &outcome.decision {
            Decision::UpToDate { .. } => Telling {
                style: QUIET,
                word: "up to date".to_owned(),
                rest: String::new(),
            },
            Decision::Restored { .. } => Telling::of(CITED, &outcome_line(outcome)),
            Decision::Ran { .. } => Telling::of(GOOD, &outcome_line(outcome)),
        },
        Finished::Failed(outcome) => Telling::of(BAD, &failure_line(outcome)),
        Finished::Error(error) if is_interrupt(error) => Telling::of(BAD, "interrupted"),
        Finished::Error(error) => {
            let text = Escaped(engine::chain(error).as_bytes()).to_string();
            Telling::of(BAD, &format!("failed before it ran: {text}"))
        }
        Finished::Skipped { .. } | Finished::NotStarted => return None,
    })
}

/// Says whether a step was not tried because the user wanted an end.
pub(super) fn is_interrupt(error: &engine::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted(_))
}

/// A command may end well and not have made what it should.
fn failure_line(outcome: &StepOutcome) -> String {
    match (&outcome.decision, surprise(outcome)) {
        (Decision::Ran { took, .. }, Some(reason)) => {
            format!("failed after {}: {reason}", HumanDuration(*took))
        }
        _ => outcome_line(outcome),
    }
}

/// How many steps went how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) steps: usize,
    pub(super) ran: usize,
    pub(super) restored: usize,
    pub(super) up_to_date: usize,
    /// Failed, or could not be tried.
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) not_started: usize,
    /// How long the commands took whose results were cited.
    pub(super) saved: Duration,
}

impl Counts {
    /// Counts the steps of a report.
    pub(super) fn of(report: &RunReport) -> Self {
        let mut counts = Self {
            steps: report.finished.len(),
            ..Self::default()
        };
        for finished in report.finished.values() {
            counts.add(finished);
        }
        counts
    }

    fn add(&mut self, finished: &Finished) {
        match finished {
            Finished::Done(outcome) => match &outcome.decision {
                Decision::Ran { .. } => self.ran += 1,
                Decision::UpToDate { saved } => {
                    self.up_to_date += 1;
                    self.saved += *saved;
                }
                Decision::Restored { saved, .. } => {
                    self.restored += 1;
                    self.saved += *saved;
                }
            },
            Finished::Error(error) if is_interrupt(error) => self.not_started += 1,
            Finished::Failed(_) | Finished::Error(_) => self.failed += 1,
            Finished::Skipped { .. } => self.skipped += 1,
            Finished::NotStarted => self.not_started += 1,
        }
    }
}

/// Says how a run went: `4 steps in 5.2 s: 1 ran, 1 restored, 2 up to date, saved 3.4 s`.
pub(super) fn summary(report: &RunReport) -> String {
    let counts = Counts::of(report);
    let mut text = format!(
        "{} in {}: ",
        people::count(counts.steps, "step"),
        HumanDuration(report.elapsed)
    );
    if counts.up_to_date == counts.steps && counts.steps > 1 {
        text.push_str("all up to date");
    } else {
        let parts = [
            (counts.ran, "ran"),
            (counts.restored, "restored"),
            (counts.up_to_date, "up to date"),
            (counts.failed, "failed"),
            (counts.skipped, "skipped"),
            (counts.not_started, "not started"),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        text.push_str(&parts.join(", "));
    }
    if !counts.saved.is_zero() {
        let _ = write!(text, ", saved {}", HumanDuration(counts.saved));
    }
    text
}

/// Lists the steps that failed and those whose turn never came, a line for each reason.
pub(super) fn aftermath(report: &RunReport, pipeline: &Pipeline) -> Vec<String> {
    let mut failed = Vec::new();
    let mut skipped: BTreeMap<StepId, Vec<String>> = BTreeMap::new();
    let mut not_started = Vec::new();
    for (step, finished) in &report.finished {
        let name = name(pipeline, *step);
        match finished {
            Finished::Done(_) => {}
            Finished::Error(error) if is_interrupt(error) => not_started.push(name),
            Finished::Failed(_) | Finished::Error(_) => failed.push(name),
            Finished::Skipped { because } => skipped.entry(*because).or_default().push(name),
            Finished::NotStarted => not_started.push(name),
        }
    }
    let mut lines = Vec::new();
    if !failed.is_empty() {
        lines.push(format!("failed: {}", people::some_of(&failed, NAMED)));
    }
    for (because, names) in skipped {
        let because = self::name(pipeline, because);
        let names = people::some_of(&names, NAMED);
        lines.push(format!("skipped, since {because} gave nothing: {names}"));
    }
    if !not_started.is_empty() {
        let names = people::some_of(&not_started, NAMED);
        lines.push(match report.interrupted {
            Some(_) => format!("interrupted before: {names}; the same command goes on from here"),
            None => format!(
                "not started after the failure: {names}; `--keep-going` starts what does not hang \
                 on it"
            ),
        });
    }
    lines
}
