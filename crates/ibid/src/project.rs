//! The project's pipeline: `ibid.toml`, read and validated.

use ibid_core::pipeline::{self, Pipeline, PipelineError, Source};

use crate::context::Session;
use crate::error::Failure;
use crate::exit;
use crate::report::people;

impl Session {
    /// Reads the pipeline of this project.
    pub(crate) fn pipeline(&self) -> Result<Pipeline, Failure> {
        let Some(project) = &self.project else {
            return Err(Failure::usage(format!(
                "there is no `ibid.toml` in `{}` or above",
                people::path(&self.root)
            ))
            .hint("`ibid init` writes one; `ibid exec -- CMD` needs none"));
        };
        let source = Source {
            root: &self.root,
            path: &project.path,
            bytes: &project.bytes,
            env_mode: self.config.env_mode.value,
        };
        pipeline::load(&source).map_err(|error| match error {
            PipelineError::Mistake(mistake) => Failure::mistake(&mistake),
            error => Failure::of(exit::USAGE, &error),
        })
    }
}
