//! `Totals`: what a plan comes to, in steps and in time.

use std::fmt::Write as _;
use std::time::Duration;

use ibid_core::action::HumanDuration;
use ibid_core::engine::Forecast;
use ibid_core::engine::schedule::{Expected, PlannedStep};
use serde_json::{Value, json};

use super::super::people;

/// What a plan comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    steps: usize,
    up_to_date: usize,
    hits: usize,
    run: usize,
    unknown: usize,
    errors: usize,
    /// The time of commands that will run, and of those that perhaps will.
    pub(super) surely: Duration,
    pub(super) perhaps: Duration,
    /// Steps of either kind of which no time is known.
    pub(super) untimed: usize,
}

impl Totals {
    /// Adds up a plan.
    pub(super) fn of(planned: &[PlannedStep]) -> Self {
        let mut totals = Self {
            steps: planned.len(),
            ..Self::default()
        };
        for step in planned {
            totals.add(step);
        }
        totals
    }

    fn add(&mut self, step: &PlannedStep) {
        let sum = match &step.expected {
            Expected::Foreseen(foreseen) => match &foreseen.forecast {
                Forecast::UpToDate { .. } => return self.up_to_date += 1,
                Forecast::Restore { .. } => return self.hits += 1,
                Forecast::Run { .. } => {
                    self.run += 1;
                    &mut self.surely
                }
            },
            Expected::Unknown { .. } => {
                self.unknown += 1;
                &mut self.perhaps
            }
            Expected::Error(_) => return self.errors += 1,
        };
        match step.predicted {
            Some(time) => *sum += time,
            None => self.untimed += 1,
        }
    }

    /// Counts: `4 steps: 1 will run, 1 hit, 2 up to date`.
    pub(super) fn counts(&self) -> String {
        let steps = people::count(self.steps, "step");
        if self.up_to_date == self.steps && self.steps > 1 {
            return format!("{steps}: all up to date");
        }
        let parts = [
            (self.run, "will run"),
            (self.unknown, "unknown"),
            (self.hits, if self.hits == 1 { "hit" } else { "hits" }),
            (self.up_to_date, "up to date"),
            (self.errors, "cannot run"),
        ];
        format!("{steps}: {}", people::counts(&parts))
    }

    /// Says how long the commands are likely to run, one after the other.
    pub(super) fn time(&self) -> Option<String> {
        let timed = !(self.surely.is_zero() && self.perhaps.is_zero());
        if !timed {
            return None;
        }
        let all = HumanDuration(self.surely + self.perhaps);
        let mut text = match (self.surely.is_zero(), self.perhaps.is_zero()) {
            (_, true) => format!("commands: about {all}"),
            (true, false) => format!("commands: up to {all}, if those that are unknown run"),
            (false, false) => format!(
                "commands: about {}, or {all} if those that are unknown run, too",
                HumanDuration(self.surely)
            ),
        };
        if self.untimed > 0 {
            let _ = write!(
                text,
                "; not counted: {} of unknown time",
                people::count(self.untimed, "step")
            );
        }
        Some(text)
    }

    /// Returns the counts as JSON.
    pub(super) fn json(&self) -> Value {
        json!({
            "steps": self.steps,
            "up_to_date": self.up_to_date,
            "hit": self.hits,
            "run": self.run,
            "unknown": self.unknown,
            "error": self.errors,
        })
    }
}
