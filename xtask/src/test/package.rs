//! The Python package: its types, its form, and its tests, on the wheel as users install it.
//!
//! The wheel is built once, with the profile of the other tests and in the same target folder, and
//! unpacked below it. That it can be installed into a fresh environment is one of the tests.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::python::Missing;
use super::tally::Tally;
use crate::shell::{Outcome, announce, command, root, run as run_command, target};

const NAME: &str = "Python package";

/// Builds and checks the package with this Python.
pub(super) fn run(python: Result<&Path, &Missing>) -> Tally {
    let python = match python {
        Ok(python) => python,
        Err(missing) => return Tally::missing(NAME, &missing.what, missing.fails),
    };
    let mut tally = Tally::default();
    for (name, words) in [
        ("Python: types", &["mypy", "--strict", "python"][..]),
        ("Python: lints", &["ruff", "check", "python"]),
        ("Python: format", &["ruff", "format", "--check", "python"]),
    ] {
        let checked = run_command(module(python, words).env("MYPYPATH", "python/tests"));
        tally.add(checked.map_or_else(
            |message| Tally::failed(format!("{name}: {message}")),
            |()| Tally::passed(),
        ));
    }
    let tested = install(python).and_then(|(site, wheel)| test(python, &site, &wheel));
    tally.add(tested.unwrap_or_else(|message| Tally::failed(format!("{NAME}: {message}"))));
    tally
}

/// Runs a module of this Python, at the root.
fn module(python: &Path, words: &[&str]) -> Command {
    let mut module = command(&python.to_string_lossy(), &["-m"]);
    module.args(words).env("PYTHONDONTWRITEBYTECODE", "1");
    module
}

/// Builds the wheel and unpacks it. Returns where its modules lie, and the wheel.
fn install(python: &Path) -> Outcome<(PathBuf, PathBuf)> {
    let (site, wheels) = (target().join("python"), target().join("wheels"));
    for folder in [&site, &wheels] {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
    }
    let quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"];
    let mut build = module(python, &["pip", "wheel", "--no-build-isolation"]);
    build
        .args(quiet)
        .arg("--wheel-dir")
        .arg(&wheels)
        .arg(root());
    build.env("SETUPTOOLS_RUST_CARGO_PROFILE", "dev");
    build.env("CARGO_TARGET_DIR", target());
    run_command(&mut build)?;
    let made = fs::read_dir(&wheels).map_err(|error| format!("{}: {error}", wheels.display()))?;
    let wheel = made.flatten().map(|entry| entry.path()).next();
    let wheel = wheel.ok_or("pip made no wheel")?;
    let mut unpack = module(python, &["pip", "install", "--no-index"]);
    unpack.args(quiet).arg("--target").arg(&site).arg(&wheel);
    run_command(&mut unpack)?;
    Ok((site, wheel))
}

/// Runs pytest, passing its output on, and counts.
fn test(python: &Path, site: &Path, wheel: &Path) -> Outcome<Tally> {
    let mut pytest = module(python, &["pytest", "-v", "--color=no", "--tb=short"]);
    pytest
        .env("PYTHONPATH", site)
        .env("IBID_TEST_COMMAND", site.join("bin/ibid"))
        .env("IBID_TEST_WHEEL", wheel)
        .stdout(Stdio::piped());
    announce(&pytest);
    let failed = |error: std::io::Error| format!("`pytest` could not run: {error}");
    let mut child = pytest.spawn().map_err(failed)?;
    let stdout = child.stdout.take().expect("the output is piped");
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(failed)?;
        println!("{line}");
        tally.note_pytest(&line);
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() && tally.failed.is_empty() {
        tally.add(Tally::failed(format!("pytest ({status})")));
    }
    Ok(tally)
}
