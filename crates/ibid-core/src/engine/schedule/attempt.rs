//! One step of many on a worker: bound, tried, and tried again.
//!
//! Whatever happens here becomes a `Finished`; a panic does not leave it.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::supply::Supply;
use super::{Finished, Order, PipelineEvent, PipelineSink};
use crate::action::Step;
use crate::engine::context::{Access, Context};
use crate::engine::error::{Error, ErrorKind};
use crate::engine::event::{Event, Note, Sink};
use crate::engine::outcome::{Decision, StepOutcome};
use crate::engine::overlay::Overlay;
use crate::engine::prepare::{bind_over, not_counted};
use crate::engine::step::step as live;
use crate::pipeline::{Resources, StepId};

/// What all workers of a run share.
pub(super) struct Shared<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) cx: &'a Context<'a>,
    pub(super) sink: &'a dyn PipelineSink,
    /// What there is, for notes only.
    pub(super) supply: Supply<'a>,
    /// The resources of which was told that a step asks for more than there is.
    pub(super) told: Mutex<BTreeSet<String>>,
}

impl Shared<'_> {
    /// Does one step.
    pub(super) fn attempt(&self, id: StepId) -> Finished {
        // What a panic may have left half done is the step's own: the store and the stat cache
        // trust nothing that is not whole, and locks that were held are poisoned.
        let caught = catch_unwind(AssertUnwindSafe(|| self.attempt_unguarded(id)));
        caught.unwrap_or_else(|panic| {
            let message = message(panic.as_ref());
            Finished::Error(Error::Panicked { message })
        })
    }

    /// Returns what a step asks too much of, unless it was told of another step before.
    fn news(&self, needs: &Resources) -> Vec<Note> {
        let mut excess = self.supply.excess(needs);
        if !excess.is_empty() {
            // The set is whole at any moment, so a panic of another worker does not spoil it.
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            excess.retain(|note| match note {
                Note::RunsAlone { resource, .. } => told.insert(resource.clone()),
                _ => true,
            });
        }
        excess
    }

    fn attempt_unguarded(&self, id: StepId) -> Finished {
        let declared = self.order.pipeline.step(id);
        let cx = Context {
            clock: self.cx.clock.restarted(),
            access: Access {
                force: self.cx.access.force || self.order.is_forced(id),
                always: self.order.is_only_declared(id),
                ..self.cx.access
            },
            ..*self.cx
        };
        let step = match bind_over(declared, &Overlay::default(), &cx) {
            Ok(step) => step,
            Err(error) => return Finished::Error(error),
        };
        let heard = StepSink {
            id,
            step: &step,
            shared: self,
        };
        let cx = Context { sink: &heard, ..cx };
        self.attempts(id, &step, cx)
    }

    /// Tries until the command succeeds or was tried often enough.
    fn attempts(&self, id: StepId, step: &Step, mut cx: Context<'_>) -> Finished {
        let of = self.order.pipeline.step(id).retries.saturating_add(1);
        let mut last = None;
        for attempt in 1..=of {
            if attempt > 1 {
                self.sink.event(&PipelineEvent::Retrying {
                    step: id,
                    attempt,
                    of,
                });
                // A failure that was stored would be replayed.
                cx.access.force |= step.policy.cache_failures;
            }
            let outcome = match live(step, &cx) {
                Ok(outcome) => outcome,
                Err(error) => return not_tried(error, last),
            };
            if outcome.succeeded(&step.policy) {
                return Finished::Done(outcome);
            }
            if !has_run(&outcome) || cx.interrupt.signal().is_some() {
                return Finished::Failed(outcome);
            }
            last = Some(outcome);
        }
        Finished::Failed(last.expect("it was tried at least once"))
    }
}

/// A command that the user's signal kept from starting was not started; of one that had failed
/// before, that stays the news.
fn not_tried(error: Error, last: Option<StepOutcome>) -> Finished {
    match (error.kind(), last) {
        (ErrorKind::Interrupted(_), Some(failed)) => Finished::Failed(failed),
        (ErrorKind::Interrupted(_), None) => Finished::NotStarted,
        _ => Finished::Error(error),
    }
}

fn has_run(outcome: &StepOutcome) -> bool {
    matches!(outcome.decision, Decision::Ran { .. })
}

/// Returns what a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it does not say why".to_owned())
}

/// Tells a step's events with its id.
struct StepSink<'a> {
    id: StepId,
    /// The step as it is bound.
    step: &'a Step,
    shared: &'a Shared<'a>,
}

impl StepSink<'_> {
    fn tell(&self, event: &Event<'_>) {
        let step = self.id;
        self.shared.sink.event(&PipelineEvent::Step { step, event });
    }

    /// Tells what is worth telling only of a command that really runs.
    fn tell_of_run(&self) {
        let declared = self.shared.order.pipeline.step(self.id);
        for note in self.shared.news(&declared.resources) {
            self.tell(&Event::Note(note));
        }
        for warning in not_counted(&declared.settled, self.step, self.shared.cx) {
            self.tell(&Event::Warning(warning));
        }
    }
}

impl Sink for StepSink<'_> {
    fn event(&self, event: &Event<'_>) {
        if matches!(event, Event::Running { .. }) {
            self.tell_of_run();
        }
        self.tell(event);
    }
}
