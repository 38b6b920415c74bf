//! What `strace` saw, line by line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Calls that change something, whatever their flags.
const MUTATING: [&str; 33] = [
    "creat",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "truncate",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "fchownat",
    "utimensat",
    "mknod",
    "mknodat",
];

/// Flags of an open that may change something.
const OPEN_FLAGS: [&str; 5] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"];

/// The lines of a trace, without the process numbers.
#[derive(Debug)]
pub(super) struct Trace(Vec<String>);

/// Prepares a traced run of the words; descriptors are shown with their paths in the file `to`.
pub(super) fn traced<W: AsRef<OsStr>>(strace: &Path, to: &Path, words: &[W]) -> Command {
    let mut command = Command::new(strace);
    command
        .args(["-f", "-y", "-s", "4096", "-o"])
        .arg(to)
        .args(words);
    command
}

impl Trace {
    pub(super) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_default();
        Self(whole_calls(&String::from_utf8_lossy(&bytes)))
    }

    /// Lists calls that change something at or below `dir`, whether or not they succeeded.
    pub(super) fn changes_below(&self, dir: &Path) -> Vec<&str> {
        let dir = dir.to_string_lossy();
        let lines = self.0.iter().map(String::as_str);
        lines
            .filter(|line| line.contains(&*dir) && is_mutating(line))
            .collect()
    }

    /// Lists calls that change a file somewhere, but for words to the standard streams.
    pub(super) fn changes(&self) -> Vec<&str> {
        let lines = self.0.iter().map(String::as_str);
        let is_told = |line: &str| line.starts_with("write(1<") || line.starts_with("write(2<");
        // Opened for writing is not written yet.
        let only_opened = |line: &str| line.contains("O_RDWR|") && !line.contains("O_CREAT");
        let may_change = |line: &str| is_mutating(line) && !only_opened(line);
        lines
            .filter(|line| may_change(line) && !is_told(line))
            .collect()
    }

    /// Lists the calls that name a file, or change one, in order.
    pub(super) fn on_files(&self) -> Vec<&str> {
        let lines = self.0.iter().map(String::as_str);
        lines
            .filter(|line| line.contains("\"/") || line.contains("</") || is_mutating(line))
            .collect()
    }

    /// Counts the calls by name.
    pub(super) fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for line in &self.0 {
            if let Some(name) = name(line) {
                *counts.entry(name).or_default() += 1;
            }
        }
        counts
    }
}

/// Returns the lines without the process numbers. A call that another process interrupted in the
/// trace is told in two lines, of which one is made where it ended.
fn whole_calls(text: &str) -> Vec<String> {
    let mut calls = Vec::new();
    let mut begun = BTreeMap::new();
    for line in text.lines() {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let process = &line[..line.len() - call.len()];
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(process, start);
        } else if let Some((_, end)) = call.split_once(" resumed>")
            && let Some(start) = begun.remove(process)
        {
            calls.push(format!("{start}{end}"));
        } else {
            calls.push(call.to_owned());
        }
    }
    // Their processes were killed before they returned.
    calls.extend(begun.into_values().map(str::to_owned));
    calls
}

fn name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('(')?;
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_name && !name.is_empty()).then_some(name)
}

fn is_mutating(line: &str) -> bool {
    let Some(name) = name(line) else { return false };
    MUTATING.contains(&name)
        || (name.starts_with("open") && OPEN_FLAGS.iter().any(|flag| line.contains(flag)))
        || (name == "ioctl" && line.contains("FICLONE"))
        || (name == "mmap" && line.contains("PROT_WRITE") && line.contains("MAP_SHARED"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_interrupted_is_one_line() {
        let text = "7 mkdir(\"a\", 0777 <unfinished ...>\n8 close(3) = 0\n\
            7 <... mkdir resumed>) = 0\n8 unlink(\"/x\" <unfinished ...>\n";
        assert_eq!(
            whole_calls(text),
            ["close(3) = 0", "mkdir(\"a\", 0777) = 0", "unlink(\"/x\""]
        );
    }

    #[test]
    fn only_calls_that_change_something_below_the_folder_are_listed() {
        let lines = [
            r#"openat(AT_FDCWD</w>, "/s/a", O_RDONLY|O_CLOEXEC) = 3</s/a>"#,
            r#"openat(AT_FDCWD</w>, "/s/a", O_RDWR|O_CLOEXEC) = -1 EROFS"#,
            r#"write(3</s/a>, "x", 1) = 1"#,
            r#"write(3</w/a>, "x", 1) = 1"#,
            "mmap(NULL, 10, PROT_READ, MAP_SHARED, 3</s/a>, 0) = 0x1",
            r#"renameat2(AT_FDCWD</w>, "/w/x", AT_FDCWD</w>, "/s/x", 0) = 0"#,
        ];
        let trace = Trace(lines.map(str::to_owned).to_vec());
        assert_eq!(
            trace.changes_below(Path::new("/s")),
            [lines[1], lines[2], lines[5]]
        );
        assert_eq!(trace.counts()["write"], 2);
    }
}
