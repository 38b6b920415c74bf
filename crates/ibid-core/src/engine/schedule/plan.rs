//! Planning: what a run would do, step by step, without doing anything.

use std::time::Duration;

use super::Order;
use crate::engine::context::Context;
use crate::engine::error::Error;
use crate::engine::forecast::Foreseen;
use crate::pipeline::StepId;

/// What is to be expected of a step.
#[derive(Debug)]
pub struct PlannedStep {
    /// Which.
    pub step: StepId,
    /// What.
    pub expected: Expected,
    /// How long its command is likely to run, from earlier runs; `None` if there were none.
    pub predicted: Option<Duration>,
}

/// What a run would do about a step.
#[derive(Debug)]
pub enum Expected {
    /// This.
    Foreseen(Foreseen),
    /// That hangs on what these steps will give.
    Unknown {
        /// The steps that run before it.
        until: Vec<StepId>,
    },
    /// It could not be tried.
    Error(Error),
}

/// Plans all steps of an order, in the order of the graph.
pub fn plan(order: &Order<'_>, cx: &Context<'_>) -> Vec<PlannedStep> {
    let _ = (order, cx);
    todo!("room E1")
}
