//! Loading: a project's file, and all that it names, to a pipeline.

use std::path::Path;

use super::Pipeline;
use crate::action::EnvMode;
use crate::fs::PathError;
use crate::mistake::Mistake;

/// A project's file as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The root: absolute and clean.
    pub root: &'a Path,
    /// Where the file lies.
    pub path: &'a Path,
    /// What it holds.
    pub bytes: &'a [u8],
    /// What holds for steps that do not say what their commands see.
    pub env_mode: EnvMode,
}

/// A file of steps that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A mistake in a file.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// A file that the pipeline names cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
}

/// Reads a file of steps.
pub fn load(source: &Source<'_>) -> Result<Pipeline, PipelineError> {
    let (declared, sources) = super::read::read(source)?;
    super::expand::expand(declared, &sources, source.root)
}
