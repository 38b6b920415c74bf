//! Tests that need a program which is not part of the toolchain, such as `strace`, or a right that
//! not every user has.

use std::io::Write as _;
use std::path::PathBuf;

/// Returns where `program` lies on the search path, or `None` if the calling test is to return:
/// `let Some(strace) = component("strace") else { return };`.
///
/// The test is then named in the file that `IBID_TEST_SKIPS` tells, so that it counts as skipped
/// and not as passed.
///
/// # Panics
/// In CI (`CI=true`), where a missing program is a mistake of the set-up.
pub fn component(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file());
    if found.is_some() {
        return found;
    }
    assert!(
        std::env::var_os("CI").is_none_or(|value| value != "true"),
        "`{program}` is not installed"
    );
    skipped(&format!("`{program}` is not installed"));
    None
}

/// Names the calling test as skipped, for what the machine does not allow:
/// `if !is_root { return skipped("root may mount"); }`.
///
/// # Panics
/// Where the list of skipped tests cannot be written.
pub fn skipped(why: &str) {
    // The harness names a test's thread after the test.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test").to_owned();
    if let Some(list) = std::env::var_os("IBID_TEST_SKIPS") {
        let line = format!("{test}: {why}\n");
        let mut list = std::fs::File::options()
            .append(true)
            .open(list)
            .expect("the list of skipped tests is there");
        list.write_all(line.as_bytes())
            .expect("the list of skipped tests can be written");
    }
}

/// Says whether this process is root's; else the calling test is to return.
///
/// # Panics
/// In CI (`CI=true`), where tests run as root.
pub fn needs_root(why: &str) -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt as _;
        own.uid() == 0
    });
    if !is_root {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value != "true"),
            "{why}"
        );
        skipped(why);
    }
    is_root
}
