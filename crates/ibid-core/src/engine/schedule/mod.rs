//! Many steps: in the order of their graph, as many at once as resources allow.
//!
//! One loop owns the state of a run; workers run one step each and answer through a channel. A
//! step is handed to a worker once all that it waits for has given outputs; it is skipped if one
//! of them failed. Nothing is kept for the next run but what each step itself stores.

mod attempt;
mod event;
mod plan;
mod progress;
mod queue;
mod run;
mod supply;
#[cfg(test)]
mod tests;
mod workers;

pub use event::{PipelineEvent, PipelineSink};
pub use plan::{Expected, PlannedStep, plan};
pub use run::{Finished, RunReport, run};

use std::collections::BTreeSet;

use crate::pipeline::{Pipeline, StepId};

/// Which steps of a pipeline are to be done, and how.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// The steps to be done. What they wait for and is not among them is taken as it stands.
    pub steps: BTreeSet<StepId>,
    /// Those whose command runs even if a result is known.
    pub forced: BTreeSet<StepId>,
    /// How many processors may be occupied; at least one.
    pub cpus: u64,
    /// How many bytes of memory may be occupied, if that is known.
    pub memory: Option<u64>,
    /// How many files this process may have open, if that is limited.
    pub open_files: Option<u64>,
    /// Whether steps that do not hang on a failed one still run.
    pub keep_going: bool,
}

impl Order<'_> {
    /// Says whether the command of a step runs even if a result is known.
    fn is_forced(&self, step: StepId) -> bool {
        self.pipeline.step(step).always || self.forced.contains(&step)
    }
}
