//! The life of one step, from what was declared to how it went.

use super::bring_back::{Brought, bring_back};
use super::context::Context;
use super::error::Error;
use super::event::Event;
use super::flight::{Flight, enter};
use super::lookup::{LookUp, look_up};
use super::outcome::StepOutcome;
use super::prepare::{Prepared, prepare};
use super::run::run_and_commit;
use crate::action::Step;

/// Decides a step and does what follows: leaves its outputs alone, restores them, or runs its
/// command. A command that fails is an outcome; an error means that it could not be tried.
pub fn step(step: &Step, cx: &Context<'_>) -> Result<StepOutcome, Error> {
    let prepared = prepare(step, cx)?;
    let label = &prepared.action.policy.label;
    cx.emit(&Event::Prepared {
        label,
        key: prepared.key,
    });
    let outcome = decide(&prepared, cx)?;
    cx.emit(&Event::Finished {
        label,
        outcome: &outcome,
    });
    Ok(outcome)
}

fn decide(prepared: &Prepared, cx: &Context<'_>) -> Result<StepOutcome, Error> {
    let mut miss = match (look_up(prepared, cx), cx.readable()) {
        (LookUp::Hit(result), Some(store)) => match bring_back(prepared, &result, store, cx)? {
            Brought::Done(outcome) => return Ok(outcome),
            // The entry is no good: nobody else's run of it will do either.
            Brought::Miss(miss) => {
                cx.tell_faults();
                return run_and_commit(prepared, &miss, cx);
            }
        },
        (LookUp::Hit(_), None) => unreachable!("a hit comes out of a store"),
        (LookUp::Miss(miss), _) => miss,
    };
    cx.tell_faults();
    let mut lease = None;
    match enter(prepared, miss.clone(), cx)? {
        Flight::Ours(ours, again) => (lease, miss) = (ours, again),
        Flight::Landed(result) => {
            if let Some(store) = cx.readable() {
                match bring_back(prepared, &result, store, cx)? {
                    Brought::Done(outcome) => return Ok(outcome),
                    Brought::Miss(again) => miss = again,
                }
            }
        }
    }
    let outcome = run_and_commit(prepared, &miss, cx);
    drop(lease);
    outcome
}
