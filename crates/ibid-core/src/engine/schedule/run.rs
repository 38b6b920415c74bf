//! Running: the loop that owns the state of a run.
//!
//! It starts what can be started, waits until some step is over, and notes what follows from it;
//! all events but those of a step's own life are told here, so they come in one order. It waits
//! for nothing but the steps that run: an interrupt ends those, and so it is seen.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::attempt::Shared;
use super::progress::Progress;
use super::queue::Queue;
use super::supply::Supply;
use super::workers::{Answer, Workers};
use super::{Order, PipelineEvent, PipelineSink};
use crate::engine::context::Context;
use crate::engine::error::Error;
use crate::engine::memo::Memo;
use crate::engine::outcome::StepOutcome;
use crate::pipeline::StepId;

/// How a step of a run went.
#[derive(Debug)]
pub enum Finished {
    /// It gave a result: its outputs stand.
    Done(StepOutcome),
    /// Its command failed or was ended, or did not write every output that it must; the outcome is
    /// that of the last attempt.
    Failed(StepOutcome),
    /// It could not be tried.
    Error(Error),
    /// A step that it waits for, directly or through others, did not give its outputs.
    Skipped {
        /// The step that failed, or the first of them.
        because: StepId,
    },
    /// The run was over before its command started: interrupted, or another step failed.
    NotStarted,
}

/// How a run went.
#[derive(Debug, Default)]
pub struct RunReport {
    /// Each step that was to be done.
    pub finished: BTreeMap<StepId, Finished>,
    /// How long it took.
    pub elapsed: Duration,
    /// The signal that interrupted it.
    pub interrupted: Option<i32>,
}

/// Does all steps of an order. What becomes of each is in the report; nothing here is an error.
/// The sink of `cx` is not heard; every event goes to `sink`.
pub fn run(order: &Order<'_>, cx: &Context<'_>, sink: &dyn PipelineSink) -> RunReport {
    let clock = cx.clock.restarted();
    let memo = Memo::default();
    let cx = &Context {
        memo: Some(&memo),
        ..*cx
    };
    sink.event(&PipelineEvent::Began {
        steps: order.steps.len(),
    });
    let shared = Shared {
        order,
        cx,
        sink,
        supply: Supply::new(order),
        told: Mutex::default(),
    };
    let report = RunReport {
        finished: thread::scope(|scope| Loop::new(&shared, Workers::new(scope, &shared)).run()),
        elapsed: clock.elapsed(),
        interrupted: cx.interrupt.signal(),
    };
    sink.event(&PipelineEvent::Ended { report: &report });
    report
}

/// The one owner of a run's state.
struct Loop<'scope, 'env> {
    shared: &'env Shared<'env>,
    progress: Progress<'env>,
    supply: Supply<'env>,
    queue: Queue,
    workers: Workers<'scope, 'env>,
    /// How many steps the workers have.
    running: usize,
    /// Whether a failure ends the run.
    failed: bool,
}

impl<'scope, 'env> Loop<'scope, 'env> {
    fn new(shared: &'env Shared<'env>, workers: Workers<'scope, 'env>) -> Self {
        let supply = shared.supply.clone();
        let progress = Progress::new(shared.order);
        let mut queue = Queue::new(shared.order, &supply);
        progress.first().for_each(|step| queue.add(step));
        Self {
            shared,
            progress,
            supply,
            queue,
            workers,
            running: 0,
            failed: false,
        }
    }

    fn run(mut self) -> BTreeMap<StepId, Finished> {
        loop {
            self.start();
            if self.running == 0 {
                break;
            }
            let Answer { step, finished, .. } = self.workers.wait();
            self.running -= 1;
            self.queue.give_back(step, &mut self.supply);
            self.take_in(step, finished);
        }
        for step in self.progress.abandon() {
            self.tell(step);
        }
        self.progress.into_finished()
    }

    /// Starts what can be started.
    fn start(&mut self) {
        while !self.is_closing()
            && let Some(step) = self.queue.take(&mut self.supply)
        {
            self.running += 1;
            self.shared.sink.event(&PipelineEvent::Started { step });
            self.workers.hand(step);
        }
    }

    /// Says whether nothing new is started any more.
    fn is_closing(&self) -> bool {
        self.failed || self.shared.cx.interrupt.signal().is_some()
    }

    /// Notes how a step went.
    fn take_in(&mut self, step: StepId, finished: Finished) {
        match finished {
            Finished::Done(_) => {
                let free = self.progress.done(step, finished);
                self.tell(step);
                for step in free {
                    self.queue.add(step);
                }
            }
            // The user's signal kept the command from starting: the run is closing.
            Finished::NotStarted => {
                self.progress.set(step, finished);
                self.tell(step);
            }
            finished => {
                self.failed |= !self.shared.order.keep_going;
                let skipped = self.progress.failed(step, finished);
                self.tell(step);
                for step in skipped {
                    self.tell(step);
                }
            }
        }
    }

    /// Tells how a step went.
    fn tell(&self, step: StepId) {
        let finished = self.progress.of(step);
        self.shared
            .sink
            .event(&PipelineEvent::Finished { step, finished });
    }
}
