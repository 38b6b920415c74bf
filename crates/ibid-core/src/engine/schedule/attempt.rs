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
use crate::engine::bind::bind;
use crate::engine::context::{Access, Context};
use crate::engine::error::{Error, ErrorKind};
use crate::engine::event::{Event, Note, Sink};
use crate::engine::outcome::{Decision, StepOutcome};
use crate::engine::step::step as live;
use crate::pipeline::{PipelineStep, StepId};

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

    fn attempt_unguarded(&self, id: StepId) -> Finished {
        let declared = self.order.pipeline.step(id);
        let heard = StepSink {
            id,
            declared,
            shared: self,
        };
        let cx = Context {
            clock: self.cx.clock.restarted(),
            sink: &heard,
            access: Access {
                force: self.cx.access.force || self.order.is_forced(id),
                ..self.cx.access
            },
            ..*self.cx
        };
        match bind(declared, &cx) {
            Ok(step) => self.attempts(id, &step, cx),
            Err(error) => Finished::Error(error),
        }
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
    declared: &'a PipelineStep,
    shared: &'a Shared<'a>,
}

impl StepSink<'_> {
    fn tell(&self, event: &Event<'_>) {
        let step = self.id;
        self.shared.sink.event(&PipelineEvent::Step { step, event });
    }

    /// Returns what the step asks too much of, unless it was told of another step before.
    fn news(&self) -> Vec<Note> {
        let mut excess = self.shared.supply.excess(&self.declared.resources);
        if !excess.is_empty() {
            // The set is whole at any moment, so a panic of another worker does not spoil it.
            let told = self.shared.told.lock();
            let mut told = told.unwrap_or_else(PoisonError::into_inner);
            excess.retain(|note| match note {
                Note::RunsAlone { resource, .. } => told.insert(resource.clone()),
                _ => true,
            });
        }
        excess
    }
}

impl Sink for StepSink<'_> {
    fn event(&self, event: &Event<'_>) {
        // Worth telling only of what really runs.
        if matches!(event, Event::Running { .. }) {
            self.news()
                .into_iter()
                .for_each(|note| self.tell(&Event::Note(note)));
        }
        self.tell(event);
    }
}
