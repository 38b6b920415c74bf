//! `PipelineEvent`: everything that a front door can hear about a run of many steps.

use super::{Finished, RunReport};
use crate::engine::event::Event;
use crate::pipeline::StepId;

/// Receives events, from any thread.
pub trait PipelineSink: Sync {
    /// Takes one event; must not block for long.
    fn event(&self, event: &PipelineEvent<'_>);
}

/// Something happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum PipelineEvent<'a> {
    /// A run of so many steps begins.
    Began {
        /// How many.
        steps: usize,
    },
    /// A worker took up a step.
    Started {
        /// Which.
        step: StepId,
    },
    /// Something happened to a step that a worker has.
    Step {
        /// Which.
        step: StepId,
        /// What.
        event: &'a Event<'a>,
    },
    /// A failed command is tried again.
    Retrying {
        /// Of which step.
        step: StepId,
        /// The number of the attempt that comes, from 2.
        attempt: u32,
        /// How many there may be.
        of: u32,
    },
    /// A step is over: the last that is heard of it.
    Finished {
        /// Which.
        step: StepId,
        /// How it went.
        finished: &'a Finished,
    },
    /// Everything is over.
    Ended {
        /// How it went.
        report: &'a RunReport,
    },
}
