//! Which steps are meant by names and patterns on a command line.

use std::collections::BTreeSet;

use super::{Pipeline, StepId};

/// How far a selection reaches beyond the named steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The named steps and all that they wait for.
    #[default]
    Upstream,
    /// The named steps alone.
    Only,
    /// The named steps, all that wait for them, and what those wait for.
    Downstream,
}

/// A name or pattern that matches no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no step is called `{name}`")]
pub struct UnknownStep {
    /// What was typed.
    pub name: String,
    /// The step that was probably meant.
    pub suggestion: Option<String>,
}

impl Pipeline {
    /// Returns the steps that `names` mean; all steps if there are no names. A name is that of a
    /// step, of a matrix (all its points), or a pattern of either.
    pub fn select(&self, names: &[String], reach: Reach) -> Result<BTreeSet<StepId>, UnknownStep> {
        let _ = (names, reach);
        todo!("room P2")
    }

    /// Returns the steps that one name or pattern means.
    pub fn named(&self, name: &str) -> Result<BTreeSet<StepId>, UnknownStep> {
        let _ = name;
        todo!("room P2")
    }
}
