//! Patterns of outputs: which paths below the root they match.
//!
//! `*` stops at `/`, `**` does not, dotfiles match, linked directories are not entered. A pattern
//! matches files and links; directories are declared by name. `.git` and `.ibid` are never
//! entered, whatever the pattern.

use std::path::Path;

use crate::fs::{Dir, FileKind, PathError};
use crate::scan::{self, ScanError};
use crate::tree::{MAX_TREE_DEPTH, RelPath};

/// A pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A compiled pattern, read as those of inputs are.
#[derive(Clone, Debug)]
pub(super) struct Pattern(scan::Pattern);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, PatternError> {
        let pattern = scan::Pattern::new(pattern).map_err(|error| PatternError {
            pattern: pattern.to_owned(),
            reason: match error {
                ScanError::BadPattern { reason, .. } => reason,
                error => error.to_string(),
            },
        })?;
        Ok(Self(pattern))
    }

    /// Returns the directory that all matches lie in.
    pub(super) fn prefix(&self) -> &RelPath {
        self.0.prefix()
    }

    /// Says whether a path below the root matches.
    pub(super) fn matches(&self, path: &RelPath) -> bool {
        !path.is_root() && self.0.matches(path, FileKind::File)
    }

    /// Says whether a match may lie in this directory below the root.
    fn enters(&self, dir: &RelPath) -> bool {
        self.0.may_match_below(dir) && dir.components().count() < MAX_TREE_DEPTH
    }

    /// Lists what stands below the root and matches, sorted by bytes. A directory that goes
    /// meanwhile, because another step makes it anew, holds nothing.
    pub(super) fn find(&self, root: &Path) -> Result<Vec<RelPath>, PathError> {
        let mut found = Vec::new();
        // The spelled-out part may lead through the user's own links; what is below it may not.
        let top = match Dir::open(&self.prefix().below(root)) {
            Err(error) if error.is_surely_absent() => return Ok(found),
            top => top?,
        };
        let mut open = vec![RelPath::ROOT];
        while let Some(path) = open.pop() {
            let dir = match top.dir(&path) {
                Err(error) if error.is_surely_absent() => continue,
                dir => dir?,
            };
            for listed in dir.list()? {
                let name = RelPath::new(listed.name).expect("a listed name is one component");
                if matches!(name.as_bytes(), b".git" | b".ibid") {
                    continue;
                }
                let kind = match listed.kind {
                    Some(kind) => kind,
                    None => match dir.status_if_any(&name)? {
                        Some(status) => status.kind(),
                        None => continue,
                    },
                };
                let below = path.join(&name);
                let from_root = self.prefix().join(&below);
                if kind != FileKind::Dir {
                    found.extend(Some(from_root).filter(|path| self.matches(path)));
                } else if self.enters(&from_root) {
                    open.push(below);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests build trees by plain calls"
)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;
    use std::fs;

    #[test]
    fn matches_are_files_and_links_below_the_root() {
        let temp = TempDir::new();
        for dir in ["out/a.csv", "out/sub", ".git", ".ibid"] {
            fs::create_dir_all(temp.join(dir)).unwrap();
        }
        for file in [
            "out/b.csv",
            "out/.c.csv",
            "out/sub/d.csv",
            ".git/e.csv",
            ".ibid/f.csv",
        ] {
            fs::write(temp.join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", temp.join("out/l.csv")).unwrap();
        std::os::unix::fs::symlink("sub", temp.join("out/linked")).unwrap();
        let find = |pattern: &str| {
            let found = Pattern::new(pattern).unwrap().find(temp.path()).unwrap();
            let names: Vec<_> = found.iter().map(ToString::to_string).collect();
            names.join(" ")
        };
        assert_eq!(find("out/*.csv"), "out/.c.csv out/b.csv out/l.csv");
        assert_eq!(
            find("**/*.csv"),
            "out/.c.csv out/b.csv out/l.csv out/sub/d.csv"
        );
        assert_eq!(find("out/b.csv"), "out/b.csv");
        assert_eq!(find("nowhere/*"), "");
    }

    #[test]
    fn only_directories_that_a_match_may_lie_in_are_entered() {
        for (pattern, dir, enters) in [
            ("out/a-*.txt", "out/b", false),
            ("out/*/a.txt", "out/b", true),
            ("out/*/a.txt", "out/b/c", false),
            ("out/**/a.txt", "out/b/c", true),
            ("out/{a,b/c}/d", "out/b/c", true),
        ] {
            let dir = RelPath::new(dir).unwrap();
            assert_eq!(
                Pattern::new(pattern).unwrap().enters(&dir),
                enters,
                "{pattern}"
            );
        }
    }

    #[test]
    fn patterns_that_leave_the_root_are_refused() {
        for bad in ["../*.csv", "/tmp/*.csv", "a/../*.csv", "a[.csv"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
        assert!(Pattern::new("*/../x").is_err());
    }
}
