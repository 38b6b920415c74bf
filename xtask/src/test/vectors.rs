//! The key format, checked by a second implementation: Python reads the same vectors.

use std::path::Path;

use super::python::Missing;
use super::tally::Tally;
use crate::shell::{command, root, run as run_command};

const NAME: &str = "key format vectors (Python)";

/// Checks the vectors with this Python.
pub(super) fn run(python: Result<&Path, &Missing>) -> Tally {
    let python = match python {
        Ok(python) => python.to_string_lossy(),
        Err(missing) => return Tally::missing(NAME, &missing.what, missing.fails),
    };
    let script = root().join("tests/vectors/check_vectors.py");
    match run_command(&mut command(&python, &[&script.to_string_lossy()])) {
        Ok(()) => Tally::passed(),
        Err(message) => Tally::failed(format!("{NAME}: {message}")),
    }
}
