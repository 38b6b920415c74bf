//! `Space`: how much a file system holds, and how much of that is left for this user.
//!
//! Knows nothing of budgets. Numbers of inodes are zero where a file system has no fixed number of
//! them (btrfs, most network file systems): then there is nothing to run out of.

use std::path::Path;

use super::{IoContext as _, PathError};

/// What a file system holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that this user may still fill.
    pub available: u64,
    /// Inodes in all; zero where they are not counted.
    pub inodes_total: u64,
    /// Inodes that this user may still use; zero where they are not counted.
    pub inodes_available: u64,
}

impl Space {
    /// Asks the file system of a path that exists.
    pub fn of(path: &Path) -> Result<Self, PathError> {
        let facts = rustix::fs::statvfs(path).context("look at the space of", path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
        Ok(Self {
            total: bytes(facts.f_blocks),
            available: bytes(facts.f_bavail),
            inodes_total: facts.f_files,
            inodes_available: facts.f_favail,
        })
    }

    /// Asks the file system that a path lies on, or would lie on once it is made.
    pub fn around(path: &Path) -> Result<Self, PathError> {
        let mut found = Self::of(path);
        for above in path.ancestors().skip(1) {
            match &found {
                Err(error) if error.is_absent() => found = Self::of(above),
                _ => break,
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    #[test]
    fn no_more_is_left_than_there_is() {
        let dir = TempDir::new();
        let space = Space::of(dir.path()).unwrap();
        assert!(space.total > 0 && space.available <= space.total);
        assert!(space.inodes_available <= space.inodes_total);
    }

    #[test]
    fn a_path_that_is_not_made_yet_has_the_space_of_what_is_above_it() {
        let dir = TempDir::new();
        let below = dir.join("not/made/yet");
        assert!(Space::of(&below).unwrap_err().is_absent());
        let total = |space: Space| space.total;
        assert_eq!(
            Space::around(&below).map(total).unwrap(),
            Space::of(dir.path()).map(total).unwrap()
        );
    }
}
