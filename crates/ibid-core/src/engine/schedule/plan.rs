//! Planning: what a run would do, step by step, without doing anything.
//!
//! A step is foreseen once everything that it waits for is known to stand or to be restored; what
//! is to be restored is laid over the disk for it. Whatever hangs on a command that has not run
//! is unknown, since the command may give the same outputs again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::Order;
use crate::digest::Key;
use crate::engine::context::Context;
use crate::engine::error::Error;
use crate::engine::forecast::{After, Forecast, Foreseen, look_ahead};
use crate::engine::overlay::Overlay;
use crate::engine::prepare::bind_over;
use crate::pipeline::StepId;
use crate::store::{RunEntry, RunOutcome};

/// As many earlier runs of a step are asked how long they took.
const ASKED: usize = 16;

/// From this many steps on, history is read as a whole: one listing for all of them.
const MANY: usize = 32;

/// What is to be expected of a step.
#[derive(Debug)]
pub struct PlannedStep {
    /// Which.
    pub step: StepId,
    /// What.
    pub expected: Expected,
    /// How long its command is likely to run, from earlier runs; `None` if there were none, or if
    /// it will not run.
    pub predicted: Option<Duration>,
}

/// What a run would do about a step.
#[derive(Debug)]
pub enum Expected {
    /// This.
    Foreseen(Foreseen),
    /// That hangs on what these steps will give.
    Unknown {
        /// Steps that come before it: those whose commands run or that are unknown themselves,
        /// or those to be restored where that cannot be looked at ahead. Where the store has lost
        /// what a restore needs, all whose commands run: equal bytes of theirs would do.
        until: Vec<StepId>,
    },
    /// It could not be tried.
    Error(Error),
}

/// Plans all steps of an order, in the order of the graph. Nothing is written but what `cx` allows:
/// the front door opens the store and the stat cache for reading.
pub fn plan(order: &Order<'_>, cx: &Context<'_>) -> Vec<PlannedStep> {
    let mut ahead = Ahead {
        order,
        cx,
        after: BTreeMap::new(),
        running: HashMap::new(),
    };
    let steps = order.pipeline.graph.order().iter();
    let steps = steps.filter(|step| order.steps.contains(step));
    let expected: Vec<_> = steps.map(|step| (*step, ahead.expect(*step))).collect();
    let may_run = |expected: &Expected| match expected {
        Expected::Foreseen(foreseen) => matches!(foreseen.forecast, Forecast::Run { .. }),
        Expected::Unknown { .. } => true,
        Expected::Error(_) => false,
    };
    let run = expected.iter().filter(|(_, expected)| may_run(expected));
    let predicted = predict(order, &run.map(|(step, _)| *step).collect(), cx);
    let planned = expected.into_iter().map(|(step, expected)| PlannedStep {
        step,
        expected,
        predicted: predicted.get(&step).copied(),
    });
    planned.collect()
}

/// What is known so far.
struct Ahead<'a> {
    order: &'a Order<'a>,
    cx: &'a Context<'a>,
    after: BTreeMap<StepId, After>,
    /// The steps that will compute these keys.
    running: HashMap<Key, StepId>,
}

impl Ahead<'_> {
    fn expect(&mut self, step: StepId) -> Expected {
        let (expected, after) = match self.open_upstream(step) {
            until if !until.is_empty() => (Expected::Unknown { until }, After::Open),
            _ => self.foresee(step),
        };
        self.after.insert(step, after);
        expected
    }

    /// Returns the steps that `step` waits for and whose outputs are not known yet.
    fn open_upstream(&self, step: StepId) -> Vec<StepId> {
        let is_open = |step: &StepId| {
            let after = self.after.get(step);
            matches!(after, Some(After::Open | After::Lost | After::Fails))
        };
        let upstream = self.order.pipeline.graph.upstream(step).iter();
        upstream.copied().filter(is_open).collect()
    }

    /// Returns the steps whose commands will run, or may.
    fn open(&self) -> Vec<StepId> {
        let is_open = |(_, after): &(&StepId, &After)| matches!(after, After::Open | After::Lost);
        let open = self.after.iter().filter(is_open);
        open.map(|(step, _)| *step).collect()
    }

    fn foresee(&mut self, step: StepId) -> (Expected, After) {
        let declared = self.order.pipeline.step(step);
        let mut cx = *self.cx;
        cx.access.force |= self.order.is_forced(step);
        cx.access.always = self.order.is_only_declared(step);
        let (overlay, restored) = self.overlay(step);
        let bound = bind_over(declared, &overlay, &cx);
        let (foreseen, after) = match bound.and_then(|bound| look_ahead(&bound, &overlay, &cx)) {
            Ok(found) => found,
            Err(error) if error.is_unforeseen() => {
                return (Expected::Unknown { until: restored }, After::Open);
            }
            Err(error) => return (Expected::Error(error), After::Open),
        };
        if matches!(after, After::Lost) && !self.open().is_empty() {
            let until = self.open();
            return (Expected::Unknown { until }, After::Open);
        }
        if matches!(foreseen.forecast, Forecast::Run { .. }) && !cx.access.force {
            // Equal keys are computed once, and the others take what that gives.
            if let Some(first) = self.running.get(&foreseen.key) {
                let until = vec![*first];
                return (Expected::Unknown { until }, After::Open);
            }
            self.running.insert(foreseen.key, step);
        }
        (Expected::Foreseen(foreseen), after)
    }

    /// Returns what the steps that `step` waits for will leave, and those that are restored.
    fn overlay(&self, step: StepId) -> (Overlay, Vec<StepId>) {
        let mut overlay = Overlay::default();
        let mut restored = Vec::new();
        for above in self.order.pipeline.graph.upstream(step) {
            if let Some(After::Leaves(leaves)) = self.after.get(above) {
                overlay.add(self.cx.root, leaves);
                restored.push(*above);
            }
        }
        (overlay, restored)
    }
}

/// Returns how long the last successful run of each of these steps took.
fn predict(
    order: &Order<'_>,
    steps: &BTreeSet<StepId>,
    cx: &Context<'_>,
) -> BTreeMap<StepId, Duration> {
    let Some(store) = cx.store else {
        return BTreeMap::new();
    };
    let label = |step: &StepId| order.pipeline.label(*step);
    // A history that cannot be listed predicts nothing; it is no reason to fail.
    let took: HashMap<String, u64> = if steps.len() < MANY {
        let of = |step| store.entries_of(label(step), ASKED).unwrap_or_default();
        newest(steps.iter().flat_map(of))
    } else {
        newest(store.entries(usize::MAX).unwrap_or_default().into_iter())
    };
    let known = steps.iter().filter_map(|step| {
        let nanos = took.get(label(step))?;
        Some((*step, Duration::from_nanos(*nanos)))
    });
    known.collect()
}

/// Returns the duration of the first successful run of each label; the newest come first.
fn newest(entries: impl Iterator<Item = RunEntry>) -> HashMap<String, u64> {
    let mut took = HashMap::new();
    for entry in entries {
        let ran = match entry.outcome {
            RunOutcome::Ran | RunOutcome::Refreshed | RunOutcome::Uncacheable => true,
            RunOutcome::Hit | RunOutcome::Failed => false,
        };
        if ran {
            took.entry(entry.label).or_insert(entry.duration);
        }
    }
    took
}
