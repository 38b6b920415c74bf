//! How steps of a run and the whole run went, in the words of a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use ibid_core::action::HumanDuration;
use ibid_core::engine::schedule::{Finished, RunReport};
use ibid_core::engine::{self, Decision, ErrorKind, NotStored, StepOutcome};
use ibid_core::exec::Status;
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

/// Says that nothing was to be done.
pub(super) fn up_to_date() -> Telling {
    Telling {
        style: QUIET,
        word: "up to date".to_owned(),
        rest: String::new(),
    }
}

/// Says how a step went, where `interrupt` is the signal by which the user ends the run; nothing
/// of steps whose turn never came, which the end of a run lists.
pub(super) fn telling(finished: &Finished, interrupt: Option<i32>) -> Option<Telling> {
    Some(match finished {
        Finished::Failed(outcome) if ended_by(outcome, interrupt) => {
            let elapsed = HumanDuration(outcome.elapsed);
            Telling::of(BAD, &format!("interrupted after {elapsed}"))
        }
        Finished::Done(outcome) => match &outcome.decision {
            Decision::UpToDate { .. } => up_to_date(),
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

/// Says whether a command ended by the signal that interrupts the run, or as it made of it: a
/// shell may end well although what it waited for was ended.
pub(super) fn ended_by(outcome: &StepOutcome, interrupt: Option<i32>) -> bool {
    let while_running = matches!(
        &outcome.decision,
        Decision::Ran {
            not_stored: Some(NotStored::Signalled(_)),
            ..
        }
    );
    interrupt.is_some_and(|interrupt| match outcome.status {
        Status::Signalled { .. } => true,
        Status::Exited(code) => while_running || i32::from(code) == 128 + interrupt,
    })
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
    pub(super) interrupted: usize,
    pub(super) not_started: usize,
    /// How long the commands took whose results were cited.
    pub(super) saved: Duration,
}

/// How a step of a run went, once the whole run is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Ran,
    Restored(Duration),
    UpToDate(Duration),
    Failed,
    Skipped(StepId),
    /// The user's signal ended it.
    Interrupted,
    NotStarted,
}

impl Fate {
    fn of(finished: &Finished, report: &RunReport) -> Self {
        match finished {
            Finished::Done(outcome) => match outcome.decision {
                Decision::Ran { .. } => Self::Ran,
                Decision::UpToDate { saved } => Self::UpToDate(saved),
                Decision::Restored { saved, .. } => Self::Restored(saved),
            },
            Finished::Failed(outcome) if ended_by(outcome, report.interrupted) => Self::Interrupted,
            Finished::Error(error) if is_interrupt(error) => Self::Interrupted,
            Finished::Failed(_) | Finished::Error(_) => Self::Failed,
            Finished::Skipped { because } => match report.finished.get(because) {
                // It did not fail by itself, so neither do those that wait for it hang on a failure.
                Some(above @ (Finished::Failed(_) | Finished::Error(_)))
                    if Self::of(above, report) == Self::Interrupted =>
                {
                    Self::NotStarted
                }
                _ => Self::Skipped(*because),
            },
            Finished::NotStarted => Self::NotStarted,
        }
    }
}

impl Counts {
    /// Counts the steps of a report.
    pub(super) fn of(report: &RunReport) -> Self {
        let mut counts = Self {
            steps: report.finished.len(),
            ..Self::default()
        };
        for finished in report.finished.values() {
            match Fate::of(finished, report) {
                Fate::Ran => counts.ran += 1,
                Fate::Restored(saved) => {
                    counts.restored += 1;
                    counts.saved += saved;
                }
                Fate::UpToDate(saved) => {
                    counts.up_to_date += 1;
                    counts.saved += saved;
                }
                Fate::Failed => counts.failed += 1,
                Fate::Skipped(_) => counts.skipped += 1,
                Fate::Interrupted => counts.interrupted += 1,
                Fate::NotStarted => counts.not_started += 1,
            }
        }
        counts
    }
}

/// Says how a run went: `4 steps in 5.2 s: 1 ran, 1 restored, 2 up to date, saved 3.4 s`.
pub(super) fn summary(report: &RunReport) -> String {
    summary_of(&Counts::of(report), report.elapsed)
}

/// Says the same of counts.
pub(super) fn summary_of(counts: &Counts, elapsed: Duration) -> String {
    let mut text = format!(
        "{} in {}: ",
        people::count(counts.steps, "step"),
        HumanDuration(elapsed)
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
            (counts.interrupted, "interrupted"),
            (counts.not_started, "not started"),
        ];
        text.push_str(&people::counts(&parts));
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
    let mut left = Vec::new();
    for (step, finished) in &report.finished {
        let name = name(pipeline, *step);
        match Fate::of(finished, report) {
            Fate::Ran | Fate::Restored(_) | Fate::UpToDate(_) => {}
            Fate::Failed => failed.push(name),
            Fate::Skipped(because) => skipped.entry(because).or_default().push(name),
            Fate::Interrupted | Fate::NotStarted => left.push(name),
        }
    }
    let mut lines = Vec::new();
    if !failed.is_empty() {
        lines.push(format!("failed: {}", people::some_of(&failed, NAMED)));
    }
    for (because, names) in skipped {
        let because = self::name(pipeline, because);
        let names = people::some_of(&names, NAMED);
        lines.push(format!("skipped, since {because} failed: {names}"));
    }
    if !left.is_empty() {
        let names = people::some_of(&left, NAMED);
        lines.push(match report.interrupted {
            Some(_) => format!("interrupted; the same command goes on with: {names}"),
            None => format!(
                "not started after the failure: {names}; `--keep-going` starts what does not hang \
                 on it"
            ),
        });
    }
    lines
}
