//! `cargo xtask test`: all tests, and one plain closing line, `N passed, N failed, N skipped`.
//!
//! A test that needs a program which is not installed names itself in the file that
//! `IBID_TEST_SKIPS` tells, and returns. It counts as skipped then; in CI it fails instead. What
//! Python has to have for them is installed below `target`, and `IBID_TEST_PYTHON` names it.

mod package;
mod python;
mod rust;
mod tally;
mod vectors;

use crate::shell::Outcome;
use tally::Tally;

/// Runs all tests and says whether none failed; `arguments` go to `cargo test`.
pub(crate) fn run(arguments: &[String]) -> Outcome<bool> {
    let mut total = Tally::default();
    let python = python::environment();
    let python = python.as_deref();
    total.add(vectors::run(python));
    total.add(rust::run(arguments, python.ok())?);
    total.add(package::run(python));
    for name in &total.skipped {
        println!("skipped: {name}");
    }
    for name in &total.failed {
        println!("failed: {name}");
    }
    println!("{total}");
    Ok(total.failed.is_empty())
}
