//! Moving the clock that stamps files on, where waiting for its next tick would take longer.
//!
//! A kernel with multigrain stamps (Linux 6.13; ext4, XFS, btrfs) gives a file that changes after
//! somebody looked at it a stamp of its exact clock, and from then on no file of any such file
//! system a stamp that is older than that one. So a file of our own that is looked at and changed
//! moves the clock of all others on. Nothing tells whether a kernel does that here, so it is seen:
//! a file that nobody had looked at has to get such a stamp, too, at a time when the clock
//! that moves from tick to tick has not reached it yet. No stamp of an older kernel is ahead of that
//! clock, unless the clock was set back in this very moment; hence it is seen twice.

use std::fs::File;

use rustix::fs::{Mode, OFlags};

use super::{Dir, Signature, Timestamp, stamping_time};

/// How often it has to be seen that the clock moves on.
const TIMES: usize = 2;

/// How often it is tried, since a tick of the clock may come in between.
const ATTEMPTS: usize = 3;

/// Moves the clock on by which this kernel stamps what lies on `device`, that of `dir`. Each change
/// of a file there that begins after this call gets stamps no older than the one returned, which is
/// later than all that were given before. Leaves nothing in `dir`. `None` where the clock cannot be
/// moved, or nothing can be made in `dir`.
pub fn nudge(dir: &Dir, device: u64) -> Option<Timestamp> {
    (0..ATTEMPTS).find_map(|_| nudged(dir, device))
}

fn nudged(dir: &Dir, device: u64) -> Option<Timestamp> {
    let (mut file, mut seen) = nameless(dir, device)?;
    for _ in 0..TIMES {
        rustix::fs::fchmod(&file, Mode::RUSR).ok()?;
        let moved = Signature::of_open(&file, dir.path()).ok()?;
        let (next, given) = nameless(dir, device)?;
        // Asked last: what it has not reached now it had not reached before.
        let clock = stamping_time()?;
        let is_moved = seen.ctime < moved.ctime && clock < moved.ctime;
        if !is_moved || given.ctime < moved.ctime || given.mtime < moved.ctime {
            return None;
        }
        (file, seen) = (next, given);
    }
    Some(seen.ctime)
}

/// Makes a file without a name, and looks at it for the first time.
fn nameless(dir: &Dir, device: u64) -> Option<(File, Signature)> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    let made = rustix::fs::openat(dir.handle(), c".", flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(made.ok()?);
    let seen = Signature::of_open(&file, dir.path()).ok()?;
    (seen.device == device).then_some((file, seen))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use ibid_testkit::TempDir;

    use super::*;
    use crate::fs::{FileSystem, Staged};

    #[test]
    fn a_change_after_a_nudge_has_a_later_stamp_than_any_before() {
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        let device = FileSystem::of(temp.path()).unwrap().device;
        let staged = Staged::create(temp.path()).unwrap();
        for byte in 0..100 {
            staged.file().write_all_at(&[byte], 0).unwrap();
            let before = Signature::of_open(staged.file(), staged.path()).unwrap();
            // An older kernel, or a file system that takes no such files.
            let Some(moved) = nudge(&dir, device) else {
                continue;
            };
            assert!(before.ctime < moved && before.mtime < moved);
            // Nobody has looked at this one, and so it gets what the clock says by itself.
            let another = Staged::create(temp.path()).unwrap();
            let given = Signature::of_open(another.file(), another.path()).unwrap();
            assert!(moved <= given.ctime && moved <= given.mtime);
            staged.file().write_all_at(&[byte + 1], 0).unwrap();
            let after = Signature::of_open(staged.file(), staged.path()).unwrap();
            assert!(moved <= after.ctime && moved <= after.mtime);
        }
    }

    #[test]
    fn on_another_device_nothing_is_said_and_nothing_is_left() {
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        let device = FileSystem::of(temp.path()).unwrap().device;
        assert_eq!(nudge(&dir, device + 1), None);
        let _ = nudge(&dir, device);
        assert!(dir.list().unwrap().is_empty());
    }
}
