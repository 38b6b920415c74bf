//! The life of one step, from what was declared to how it went.

use super::bring_back::{Brought, bring_back};
use super::context::Context;
use super::decide::{decide, weigh};
use super::error::Error;
use super::event::Event;
use super::flight::{Flight, enter};
use super::outcome::StepOutcome;
use super::prepare::{Prepared, prepare};
use super::run::run_and_commit;
use crate::action::Step;

/// Decides a step and does what follows: leaves its outputs alone, restores them, or runs its
/// command. A command that fails is an outcome; an error means that it could not be tried.
pub fn step(step: &Step, cx: &Context<'_>) -> Result<StepOutcome, Error> {
    fulfil(&prepare(step, cx)?, cx)
}

/// The same for a step that is prepared. Its root may be another than the one that it was prepared
/// in, if nothing of it lies there but its outputs.
pub fn fulfil(prepared: &Prepared, cx: &Context<'_>) -> Result<StepOutcome, Error> {
    begin(prepared, cx);
    let outcome = decide_and_do(prepared, cx)?;
    Ok(finish(prepared, outcome, cx))
}

pub(super) fn begin(prepared: &Prepared, cx: &Context<'_>) {
    cx.emit(&Event::Prepared {
        label: &prepared.action.policy.label,
        key: prepared.key,
    });
}

pub(super) fn finish(prepared: &Prepared, outcome: StepOutcome, cx: &Context<'_>) -> StepOutcome {
    cx.emit(&Event::Finished {
        label: &prepared.action.policy.label,
        outcome: &outcome,
    });
    outcome
}

fn decide_and_do(prepared: &Prepared, cx: &Context<'_>) -> Result<StepOutcome, Error> {
    let decided = decide(prepared, cx);
    cx.tell_faults();
    let miss = match bring_back(prepared, decided, cx)? {
        Brought::Done(outcome) => return Ok(outcome),
        Brought::Unusable(miss) => return run_and_commit(prepared, &miss, cx),
        Brought::Absent(miss) => miss,
    };
    match enter(prepared, miss, cx)? {
        Flight::Ours(_lease, miss) => run_and_commit(prepared, &miss, cx),
        Flight::Landed(result) => match bring_back(prepared, weigh(prepared, result, cx), cx)? {
            Brought::Done(outcome) => Ok(outcome),
            Brought::Absent(miss) | Brought::Unusable(miss) => run_and_commit(prepared, &miss, cx),
        },
    }
}
