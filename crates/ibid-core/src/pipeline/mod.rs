//! A file of steps: `ibid.toml` to steps that are ready to be prepared, and who waits for whom.
//!
//! ```text
//! text -> declared (what stands there, with its place) -> expanded (one step a matrix point,
//! placeholders filled) -> graph (edges by declared paths, no cycle, one writer a path)
//! ```
//!
//! Owns the form of the file and the names of steps; knows nothing of keys, the store or running.
//! Reads the project's file, the files that it includes, and params and axes kept in files;
//! changes nothing. A mistake is told with file, line, column and the line itself.

mod declared;
mod expand;
mod graph;
mod limits;
mod load;
mod read;
mod schema;
mod selection;
mod step;

pub use graph::{Graph, StepId};
pub use limits::Resources;
pub use load::{PipelineError, Source, load};
pub use read::field::{
    AXIS_FIELDS, Field, MATRIX_FIELDS, PATH_FIELDS, PIPELINE_FIELDS, Placeholders, RESOURCE_FIELDS,
    STEP_FIELDS,
};
pub use schema::schema;
pub use selection::{Reach, UnknownStep};
pub use step::{PipelineStep, Settled};

use std::collections::BTreeMap;

use crate::tree::RelPath;

/// A validated file of steps.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name: what `[pipeline]` says, else that of the root's folder.
    pub name: String,
    /// The steps in order of declaration, one for each point of a matrix. A [`StepId`] is an
    /// index of this list.
    pub steps: Vec<PipelineStep>,
    /// Who waits for whom.
    pub graph: Graph,
    /// How much there is of resources that steps name beside `cpus` and `memory`.
    pub limits: BTreeMap<String, u64>,
}

impl Pipeline {
    /// Returns a step.
    pub fn step(&self, id: StepId) -> &PipelineStep {
        &self.steps[id.index()]
    }

    /// Returns the label of a step in history: `<pipeline>/<step>`.
    pub fn label(&self, id: StepId) -> &str {
        &self.step(id).step.policy.label
    }

    /// Returns the step of this name, such as `clean` or `fit@Adelie`.
    pub fn find(&self, name: &str) -> Option<StepId> {
        let at = self.steps.iter().position(|step| step.name == name)?;
        Some(StepId::new(at))
    }

    /// Returns the step that writes a path: as its output, or in an output that is a directory or
    /// a pattern.
    pub fn producer(&self, path: &RelPath) -> Option<StepId> {
        let writes = |step: &PipelineStep| {
            let mut outputs = step.step.outputs.iter();
            outputs.any(|output| expand::holds(output, path))
        };
        self.steps.iter().position(writes).map(StepId::new)
    }
}
