//! The key format, checked by a second implementation: Python reads the same vectors.
//!
//! Its packages are pinned, live in `target/venv`, and are installed once per requirements file.

use std::path::{Path, PathBuf};

use super::tally::Tally;
use crate::shell::{Outcome, command, in_ci, root, run as run_command, target, which};

const NAME: &str = "key format vectors (Python)";

/// Checks the vectors, if the repository has any.
pub(super) fn run() -> Tally {
    let folder = root().join("tests/vectors");
    let (script, requirements) = (
        folder.join("check_vectors.py"),
        folder.join("requirements.txt"),
    );
    if !script.exists() || !requirements.exists() {
        return Tally::default();
    }
    if which("python3").is_none() {
        return Tally::missing(NAME, "python3 is not installed", in_ci());
    }
    let python = match environment(&requirements) {
        Ok(python) => python,
        Err(message) => return Tally::missing(NAME, &message, in_ci()),
    };
    let (python, script) = (python.to_string_lossy(), script.to_string_lossy());
    match run_command(&mut command(&python, &[&script])) {
        Ok(()) => Tally::passed(),
        Err(message) => Tally::failed(format!("{NAME}: {message}")),
    }
}

/// Makes the environment, unless it stands already, and returns its interpreter.
fn environment(requirements: &Path) -> Outcome<PathBuf> {
    let told = |error: std::io::Error| error.to_string();
    let wanted = std::fs::read_to_string(requirements).map_err(told)?;
    let venv = target().join("venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("requirements.txt");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    let (folder, list) = (venv.to_string_lossy(), requirements.to_string_lossy());
    run_command(&mut command("python3", &["-m", "venv", &folder]))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        &list,
    ];
    run_command(&mut command(&python.to_string_lossy(), &pip))?;
    std::fs::write(&stamp, wanted).map_err(told)?;
    Ok(python)
}
