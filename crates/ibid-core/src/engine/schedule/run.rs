//! Running: the loop and its workers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Order, PipelineSink};
use crate::engine::context::Context;
use crate::engine::error::Error;
use crate::engine::outcome::StepOutcome;
use crate::pipeline::StepId;

/// How a step of a run went.
#[derive(Debug)]
pub enum Finished {
    /// It gave a result: its outputs stand.
    Done(StepOutcome),
    /// Its command failed, or was ended.
    Failed(StepOutcome),
    /// It could not be tried.
    Error(Error),
    /// A step that it waits for did not give its outputs.
    Skipped {
        /// That step.
        because: StepId,
    },
    /// The run was over before its turn: interrupted, or another step failed.
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
    let _ = (order, cx, sink);
    todo!("room E3")
}
