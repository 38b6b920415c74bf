//! Expanding: what is declared to steps with everything filled in.

use std::path::Path;

use super::declared::{DeclaredPipeline, Sources};
use super::{Pipeline, PipelineError};

/// Expands what is declared.
pub(super) fn expand(
    declared: DeclaredPipeline,
    sources: &Sources,
    root: &Path,
) -> Result<Pipeline, PipelineError> {
    let _ = (declared, sources, root);
    todo!("room P2")
}
