//! `cargo xtask test`: all tests, and one plain closing line, `N passed, N failed, N skipped`.
//!
//! A test that needs a program which is not installed names itself in the file that
//! `IBID_TEST_SKIPS` tells, and returns. It counts as skipped then; in CI it fails instead.

mod rust;
mod tally;
mod vectors;

use crate::shell::Outcome;
use tally::Tally;

/// Runs all tests and says whether none failed; `arguments` go to `cargo test`.
pub(crate) fn run(arguments: &[String]) -> Outcome<bool> {
    let mut total = Tally::default();
    total.add(vectors::run());
    total.add(rust::run(arguments)?);
    for name in &total.skipped {
        println!("skipped: {name}");
    }
    for name in &total.failed {
        println!("failed: {name}");
    }
    println!("{total}");
    Ok(total.failed.is_empty())
}
