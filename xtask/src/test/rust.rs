//! The tests that cargo runs: units, laws, the binary, examples in the docs.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::tally::Tally;
use crate::shell::{Outcome, announce, cargo, target};

/// Runs `cargo test`, passing its output on, and counts.
///
/// Counted are the lines of the single tests, because a test binary that dies prints no sum.
pub(super) fn run(arguments: &[String], python: Option<&Path>) -> Outcome<Tally> {
    let skips = target().join("skipped-tests.txt");
    let told = |error: std::io::Error| format!("{}: {error}", skips.display());
    std::fs::create_dir_all(target()).map_err(told)?;
    std::fs::write(&skips, "").map_err(told)?;

    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    command
        .args(arguments)
        .env("IBID_TEST_SKIPS", &skips)
        .env("CARGO_TERM_COLOR", "never")
        .stdout(Stdio::piped());
    if let Some(python) = python {
        command.env("IBID_TEST_PYTHON", python);
    }
    announce(&command);
    let failed = |error: std::io::Error| format!("`cargo test` could not run: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let stdout = child.stdout.take().expect("the output is piped");
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(failed)?).into_owned();
        println!("{line}");
        tally.note(&line);
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() && tally.failed.is_empty() {
        tally.add(Tally::failed(format!("cargo test ({status})")));
    }
    let named = std::fs::read_to_string(&skips).map_err(told)?;
    tally.excuse(named.lines());
    Ok(tally)
}
