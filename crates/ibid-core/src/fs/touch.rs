//! Stamping a file with the present time of its own file system, and the clock that stamps.
//!
//! Both times are set to "now", because that is what the kernel lets everybody do who may write
//! the file; leaving one as it is would take its owner. Content and mode stay as they are.

use std::fs::File;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};

use rustix::time::{ClockId, clock_gettime};

use super::{IoContext as _, PathError, Timestamp};

const NOW: Timestamps = Timestamps {
    last_access: PRESENT,
    last_modification: PRESENT,
};

const PRESENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: UTIME_NOW,
};

/// Stamps an open file; `path` is for messages.
pub fn touch_open(file: &File, path: &Path) -> Result<(), PathError> {
    rustix::fs::futimens(file, &NOW).context("touch", path)
}

/// Stamps what stands at a path, a link itself included.
pub fn touch_link(path: &Path) -> Result<(), PathError> {
    rustix::fs::utimensat(CWD, path, &NOW, AtFlags::SYMLINK_NOFOLLOW).context("touch", path)
}

/// Returns the time that this kernel would give now to a file on a file system that it stamps
/// itself, or an earlier one: the clock that moves from tick to tick, and not the exact one, which
/// may be ahead of the stamps of this moment by more than a tick where a machine is busy.
pub fn stamping_time() -> Timestamp {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    Timestamp {
        seconds: now.tv_sec,
        nanos: u32::try_from(now.tv_nsec).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{FileSystem, FileSystemKind, Staged};
    use ibid_testkit::TempDir;

    #[test]
    fn a_stamp_is_never_older_than_the_clock_that_stamps() {
        let temp = TempDir::new();
        let kind = FileSystem::of(temp.path()).unwrap().kind;
        if !matches!(kind, FileSystemKind::Local | FileSystemKind::Btrfs) {
            return;
        }
        let staged = Staged::create(temp.path()).unwrap();
        for _ in 0..10_000 {
            let before = stamping_time();
            touch_open(staged.file(), staged.path()).unwrap();
            let stamp = crate::fs::Signature::of_open(staged.file(), staged.path()).unwrap();
            assert!(stamp.mtime >= before && stamp.ctime >= before);
        }
    }
}
