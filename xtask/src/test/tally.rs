//! `Tally`: how many tests passed, and the names of the others.

use std::fmt;

/// The outcome of many tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: Vec<String>,
    pub(super) skipped: Vec<String>,
}

impl Tally {
    pub(super) fn passed() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    pub(super) fn failed(name: impl Into<String>) -> Self {
        Self {
            failed: vec![name.into()],
            ..Self::default()
        }
    }

    /// A test whose means are missing: skipped, or failed where they could have been there.
    pub(super) fn missing(name: &str, what: &str, fails: bool) -> Self {
        let name = format!("{name}: {what}");
        if fails {
            return Self::failed(name);
        }
        Self {
            skipped: vec![name],
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
    }

    /// Takes a line that a Rust test binary printed.
    pub(super) fn note(&mut self, line: &str) {
        if let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|test| test.rsplit_once(" ... "))
        {
            match outcome.split(',').next().unwrap_or_default() {
                "ok" => self.passed += 1,
                "ignored" => self.skipped.push(name.to_owned()),
                "FAILED" => self.failed.push(name.to_owned()),
                _ => {}
            }
        }
    }

    /// Takes a line that pytest printed.
    pub(super) fn note_pytest(&mut self, line: &str) {
        let Some((name, outcome)) = line
            .strip_prefix("python/tests/")
            .and_then(|test| test.split_once(' '))
        else {
            return;
        };
        match outcome.split(' ').next().unwrap_or_default() {
            "PASSED" => self.passed += 1,
            "SKIPPED" => self.skipped.push(name.to_owned()),
            "FAILED" | "ERROR" => self.failed.push(name.to_owned()),
            _ => {}
        }
    }

    /// Moves the tests that named themselves from the passed to the skipped ones.
    pub(super) fn excuse<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.passed = self.passed.saturating_sub(1);
            self.skipped.push(name.to_owned());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        let (failed, skipped) = (failed.len(), skipped.len());
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_test_binaries_are_counted() {
        let mut tally = Tally::default();
        for line in [
            "running 5 tests",
            "test tree::tests::sorted ... ok",
            "test src/lib.rs - (line 3) ... ok",
            "test should panic - should panic ... ok",
            "test slow ... ignored, needs a day",
            "test broken ... FAILED",
            "test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured",
        ] {
            tally.note(line);
        }
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 1 skipped");
        assert_eq!(tally.failed, ["broken"]);
        for line in [
            "python/tests/test_run.py::test_one PASSED                [ 50%]",
            "python/tests/test_run.py::test_other[a-1] FAILED         [100%]",
            "FAILED python/tests/test_run.py::test_other[a-1] - AssertionError",
            "1 failed, 1 passed in 0.02s",
        ] {
            tally.note_pytest(line);
        }
        assert_eq!(tally.to_string(), "4 passed, 2 failed, 1 skipped");
        tally.excuse(["traced: strace is not installed"].into_iter());
        assert_eq!(tally.to_string(), "3 passed, 2 failed, 2 skipped");
    }
}
