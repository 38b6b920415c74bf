//! Python with the packages that tests ask: second implementations of what ibid decides.
//!
//! The packages are pinned in `tests/requirements.txt`, and in CI in `tests/requirements-ci.txt`,
//! too. They live in `target/venv`, and are installed once per text of these files. Nothing outside
//! `target` is touched.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::shell::{Outcome, command, in_ci, root, run as run_command, target, which};

/// Why there is no such Python.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) what: String,
    /// Whether that counts as a failure: in CI, but where the system's Python lacks a part that
    /// only root can install.
    pub(super) fails: bool,
}

/// Makes the environment, unless it stands already, and returns its interpreter.
pub(super) fn environment() -> Result<PathBuf, Missing> {
    let missing = |what: String| Missing {
        what,
        fails: in_ci(),
    };
    if which("python3").is_none() {
        return Err(missing("python3 is not installed".to_owned()));
    }
    // A target folder is handed on between checkouts and machines, and an environment names the
    // paths of its own: one that does not start is made again.
    let venv = target().join("venv");
    let python = venv.join("bin/python");
    let mut lists = vec![root().join("tests/requirements.txt")];
    if in_ci() {
        lists.push(root().join("tests/requirements-ci.txt"));
    }
    let mut wanted = String::new();
    for list in &lists {
        let told = |error: std::io::Error| missing(format!("{}: {error}", list.display()));
        wanted += &std::fs::read_to_string(list).map_err(told)?;
    }
    let stamp = venv.join("requirements.txt");
    let stands = std::fs::read_to_string(&stamp).is_ok_and(|text| text == wanted);
    if stands
        && imports(
            &python,
            "blake3, cbor2, jsonschema, mypy, pytest, setuptools_rust",
        )
    {
        return Ok(python);
    }
    if !imports(Path::new("python3"), "ensurepip, venv") {
        return Err(Missing {
            what: "python3 has no `venv` (Debian: the package `python3-venv`)".to_owned(),
            fails: in_ci() && is_root(),
        });
    }
    make(&venv, &python, &lists).map_err(missing)?;
    std::fs::write(&stamp, wanted)
        .map_err(|error| missing(format!("{}: {error}", stamp.display())))?;
    Ok(python)
}

fn make(venv: &Path, python: &Path, lists: &[PathBuf]) -> Outcome {
    let folder = venv.to_string_lossy();
    run_command(&mut command("python3", &["-m", "venv", "--clear", &folder]))?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let mut install = command(&python.to_string_lossy(), &pip);
    for list in lists {
        install.arg("-r").arg(list);
    }
    run_command(&mut install)
}

/// Says whether an interpreter knows these modules.
fn imports(python: &Path, modules: &str) -> bool {
    let import = format!("import {modules}");
    let status = command(&python.to_string_lossy(), &["-c", &import])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
