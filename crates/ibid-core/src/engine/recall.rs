//! Earlier results, for callers that choose where outputs stand: what is cited in place, and what
//! is brought back elsewhere. Nothing here runs a command, or waits for somebody who does.
//!
//! A step is decided where nothing stands first, so that the caller makes a place only for what can
//! be brought there. Invariant: whatever is not brought back whole is nothing, and the caller goes
//! on as if nobody had asked.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bring_back::{Brought, are_little, bring_back, up_to_date};
use super::context::Context;
use super::decide::{Decided, Usable, decide, decide_as_known};
use super::error::Error;
use super::event::{Event, Sink};
use super::outcome::StepOutcome;
use super::prepare::{Prepared, prepare};
use super::step::{begin, finish};
use crate::action::Step;

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

fn cited(prepared: &Prepared, usable: Option<Usable>, cx: &Context<'_>) -> Option<StepOutcome> {
    cx.tell_faults();
    let usable = usable?;
    begin(prepared, cx);
    let outcome = up_to_date(prepared, usable, cx);
    Some(finish(prepared, outcome, cx))
}

/// Prepares a step where nothing has to be read to know what it hangs on, so that it never takes
/// long. Else nothing is said.
pub fn prepare_as_known(step: &Step, cx: &Context<'_>) -> Option<Prepared> {
    let unread = Unread::default();
    let cx = Context {
        sink: &unread,
        ..*cx
    };
    let prepared = prepare(step, &cx).ok()?;
    let has_more = unread.has_more.load(Ordering::Relaxed);
    (!has_more).then_some(prepared)
}

/// Lets nothing be read, and notes whether there was more to tell.
#[derive(Debug, Default)]
struct Unread {
    has_more: AtomicBool,
}

impl Sink for Unread {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::WorkBegan { meter, .. } => meter.stop(),
            Event::WorkEnded => {}
            _ => self.has_more.store(true, Ordering::Relaxed),
        }
    }
}

/// A stored result whose outputs can be brought to a place where none of them stands.
#[expect(missing_debug_implementations, reason = "it holds an open log")]
pub struct Stored(Usable);

/// Returns the stored result of a prepared step. Nothing is done, and nothing is said but what is
/// wrong in the store.
pub fn stored(prepared: &Prepared, cx: &Context<'_>) -> Option<Stored> {
    let decided = decide(prepared, cx);
    cx.tell_faults();
    match decided {
        Decided::Restorable(usable) => Some(Stored(usable)),
        _ => None,
    }
}

impl Stored {
    /// Says whether it is a few small files, which are brought back at once.
    pub fn is_little(&self, cx: &Context<'_>) -> bool {
        let outputs = &self.0.result.outcome.outputs;
        cx.readable()
            .is_some_and(|store| are_little(outputs, store))
    }

    /// Brings its outputs to the root; nothing where the store turns out to have lost them.
    pub fn bring_back(
        self,
        prepared: &Prepared,
        cx: &Context<'_>,
    ) -> Result<Option<StepOutcome>, Error> {
        begin(prepared, cx);
        Ok(
            match bring_back(prepared, Decided::Restorable(self.0), cx)? {
                Brought::Done(outcome) => Some(finish(prepared, outcome, cx)),
                Brought::Absent(_) | Brought::Unusable(_) => None,
            },
        )
    }
}
