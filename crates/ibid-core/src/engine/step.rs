//! The life of one step, from what was declared to how it went.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bring_back::{Brought, are_little, bring_back, up_to_date};
use super::context::Context;
use super::decide::{Decided, Usable, decide, decide_as_known, weigh};
use super::error::Error;
use super::event::{Event, Sink};
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

/// Cites the result of a prepared step if its outputs stand in place already. Else nothing is done,
/// and nothing is said but what is wrong in the store.
pub fn cite(prepared: &Prepared, cx: &Context<'_>) -> Option<StepOutcome> {
    let usable = match decide(prepared, cx) {
        Decided::UpToDate(usable) => Some(usable),
        _ => None,
    };
    cited(prepared, usable, cx)
}

/// The same where no output has to be read for it, so that it never takes long.
pub fn cite_as_known(prepared: &Prepared, cx: &Context<'_>) -> Option<StepOutcome> {
    cited(prepared, decide_as_known(prepared, cx), cx)
}

/// Brings the result of a step back where that is over at once: nothing has to be read to know what
/// it hangs on, and it is a few small files. Else nothing is done, and nothing is said but what is
/// wrong in the store.
pub fn bring_back_little(step: &Step, cx: &Context<'_>) -> Option<StepOutcome> {
    let at_once = AtOnce::default();
    let quiet = Context {
        sink: &at_once,
        ..*cx
    };
    let prepared = prepare(step, &quiet).ok()?;
    let decided = decide(&prepared, &quiet);
    let is_little = match (&decided, cx.readable()) {
        (Decided::Restorable(usable), Some(store)) => {
            are_little(&usable.result.outcome.outputs, store)
        }
        _ => false,
    };
    cx.tell_faults();
    if !is_little || at_once.has_more.load(Ordering::Relaxed) {
        return None;
    }
    begin(&prepared, cx);
    match bring_back(&prepared, decided, cx) {
        Ok(Brought::Done(outcome)) => Some(finish(&prepared, outcome, cx)),
        _ => None,
    }
}

/// Lets nothing be read, and notes whether there was more to tell.
#[derive(Debug, Default)]
struct AtOnce {
    has_more: AtomicBool,
}

impl Sink for AtOnce {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::WorkBegan { meter, .. } => meter.stop(),
            Event::WorkEnded => {}
            _ => self.has_more.store(true, Ordering::Relaxed),
        }
    }
}

fn cited(prepared: &Prepared, usable: Option<Usable>, cx: &Context<'_>) -> Option<StepOutcome> {
    cx.tell_faults();
    let usable = usable?;
    begin(prepared, cx);
    let outcome = up_to_date(prepared, usable, cx);
    Some(finish(prepared, outcome, cx))
}

fn begin(prepared: &Prepared, cx: &Context<'_>) {
    cx.emit(&Event::Prepared {
        label: &prepared.action.policy.label,
        key: prepared.key,
    });
}

fn finish(prepared: &Prepared, outcome: StepOutcome, cx: &Context<'_>) -> StepOutcome {
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
