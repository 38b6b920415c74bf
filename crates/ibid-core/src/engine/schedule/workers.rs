//! `Workers`: threads that do one step after the other and answer through a channel.
//!
//! A thread is started when a step is to be done and all that there are have one; so there are
//! never more than steps at once, and a run whose steps are all up to date starts a few and not
//! one for each. They end when the loop that owns them lets go of their channels.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};

use super::Finished;
use super::attempt::Shared;
use crate::pipeline::StepId;

/// What a worker says when it is done with a step.
pub(super) struct Answer {
    pub(super) step: StepId,
    pub(super) finished: Finished,
    /// `None` if the step was done without a thread of its own.
    worker: Option<usize>,
}

/// The threads of one run.
pub(super) struct Workers<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    shared: &'env Shared<'env>,
    /// Where each worker takes its steps from.
    steps: Vec<Sender<StepId>>,
    /// Those that wait for one.
    idle: Vec<usize>,
    answer: Sender<Answer>,
    answers: Receiver<Answer>,
}

impl<'scope, 'env> Workers<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, shared: &'env Shared<'env>) -> Self {
        let (answer, answers) = channel();
        Self {
            scope,
            shared,
            steps: Vec::new(),
            idle: Vec::new(),
            answer,
            answers,
        }
    }

    /// Hands a step to a worker. Where the system gives no further thread, it is done here.
    pub(super) fn hand(&mut self, step: StepId) {
        if let Some(worker) = self.idle.pop().or_else(|| self.start()) {
            let handed = self.steps[worker].send(step);
            return handed.expect("a worker lives as long as its channel");
        }
        let finished = self.shared.attempt(step);
        let worker = None;
        let answer = Answer {
            step,
            finished,
            worker,
        };
        self.answer.send(answer).expect("the other end is here");
    }

    /// Waits until some step is over.
    pub(super) fn wait(&mut self) -> Answer {
        let answer = self.answers.recv().expect("the other end is here");
        self.idle.extend(answer.worker);
        answer
    }

    fn start(&mut self) -> Option<usize> {
        let (to_worker, steps) = channel();
        let (shared, answer) = (self.shared, self.answer.clone());
        let worker = self.steps.len();
        let work = move || {
            for step in steps {
                let finished = shared.attempt(step);
                let worker = Some(worker);
                if answer
                    .send(Answer {
                        step,
                        finished,
                        worker,
                    })
                    .is_err()
                {
                    return;
                }
            }
        };
        let named = thread::Builder::new().name(format!("ibid-step-{worker}"));
        named.spawn_scoped(self.scope, work).ok()?;
        self.steps.push(to_worker);
        Some(worker)
    }
}
