//! Time that passes: an hour, while no process of a round is at work.
//!
//! A collection leaves alone what is younger than a minute, and no round is long enough to wait
//! for that. So the stamps of everything stored go back by an hour: differences between stamps are
//! all that a store goes by, except for history, which has its times within and is forgotten. Only
//! at rest: a process that is at work may hold a stamp that it saw.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// Makes all that a store of this version directory holds an hour older.
pub(super) fn pass_an_hour(version: &Path) {
    for below in ["blobs", "keys", "pins", "trash"] {
        age(&version.join(below));
    }
    // History has its times within; it is forgotten, as it is when it grows too old.
    for path in listed(&version.join("runs")) {
        fs::remove_file(&path).expect("nobody else is at work");
    }
}

fn age(dir: &Path) {
    for path in listed(dir) {
        let facts = fs::symlink_metadata(&path).expect("nobody else is at work");
        if facts.is_dir() {
            age(&path);
        } else if facts.is_file() {
            let modified = facts.modified().expect("Linux knows it");
            let times = FileTimes::new().set_modified(modified - HOUR);
            let file = File::open(&path).expect("the store is ours");
            file.set_times(times).expect("the store is ours");
        }
    }
}

fn listed(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TempDir;

    #[test]
    fn an_hour_makes_files_older_and_history_forgotten() {
        let dir = TempDir::new();
        fs::create_dir_all(dir.join("blobs/ab")).unwrap();
        fs::create_dir_all(dir.join("runs")).unwrap();
        let blob = dir.join("blobs/ab/x");
        fs::write(&blob, "x").unwrap();
        fs::write(dir.join("runs/x"), "x").unwrap();
        let before = fs::metadata(&blob).unwrap().modified().unwrap();
        pass_an_hour(dir.path());
        assert_eq!(
            fs::metadata(&blob).unwrap().modified().unwrap(),
            before - HOUR
        );
        assert!(!dir.join("runs/x").exists());
    }
}
