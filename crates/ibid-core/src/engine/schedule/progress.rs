//! `Progress`: which steps of an order are over, and what that means for those below. Pure.

use std::collections::BTreeMap;

use super::{Finished, Order};
use crate::pipeline::StepId;

/// How far a run has come.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    order: &'a Order<'a>,
    /// Of each step of the pipeline, for how many steps of the order it still waits.
    waits_for: Vec<usize>,
    finished: BTreeMap<StepId, Finished>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(order: &'a Order<'a>) -> Self {
        let mut waits_for = vec![0; order.pipeline.steps.len()];
        for step in &order.steps {
            let upstream = order.pipeline.graph.upstream(*step).iter();
            waits_for[step.index()] = upstream.filter(|step| order.steps.contains(step)).count();
        }
        Self {
            order,
            waits_for,
            finished: BTreeMap::new(),
        }
    }

    /// Returns the steps that wait for nobody from the start.
    pub(super) fn first(&self) -> impl Iterator<Item = StepId> {
        let free = |step: &&StepId| self.waits_for[step.index()] == 0;
        self.order.steps.iter().filter(free).copied()
    }

    /// Notes that a step gave its outputs, and returns the steps that wait for nobody any more.
    pub(super) fn done(&mut self, step: StepId, finished: Finished) -> Vec<StepId> {
        self.finished.insert(step, finished);
        let order = self.order;
        let below = order.pipeline.graph.downstream(step).iter();
        let mut free = Vec::new();
        for next in below.filter(|next| order.steps.contains(next)) {
            self.waits_for[next.index()] -= 1;
            if self.waits_for[next.index()] == 0 {
                free.push(*next);
            }
        }
        free
    }

    /// Notes that a step gave no outputs, and returns the steps that hang on it, which are over
    /// as well; those that another failure took before are not among them.
    pub(super) fn failed(&mut self, step: StepId, finished: Finished) -> Vec<StepId> {
        self.finished.insert(step, finished);
        let mut skipped = Vec::new();
        let mut open = vec![step];
        while let Some(above) = open.pop() {
            for below in self.order.pipeline.graph.downstream(above) {
                if self.order.steps.contains(below) && !self.finished.contains_key(below) {
                    let because = Finished::Skipped { because: step };
                    self.finished.insert(*below, because);
                    open.push(*below);
                    skipped.push(*below);
                }
            }
        }
        skipped.sort_unstable();
        skipped
    }

    /// Notes how a step went that nothing follows from.
    pub(super) fn set(&mut self, step: StepId, finished: Finished) {
        self.finished.insert(step, finished);
    }

    /// Notes that all the rest is not started any more, and returns it.
    pub(super) fn abandon(&mut self) -> Vec<StepId> {
        let order = self.order.pipeline.graph.order().iter();
        let is_left =
            |step: &&StepId| self.order.steps.contains(step) && !self.finished.contains_key(step);
        let rest: Vec<StepId> = order.filter(is_left).copied().collect();
        for step in &rest {
            self.finished.insert(*step, Finished::NotStarted);
        }
        rest
    }

    /// Returns how a step that is over went.
    pub(super) fn of(&self, step: StepId) -> &Finished {
        &self.finished[&step]
    }

    pub(super) fn into_finished(self) -> BTreeMap<StepId, Finished> {
        self.finished
    }
}
