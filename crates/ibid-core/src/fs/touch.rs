//! Stamping a file with the present time of its own file system, and the clock that stamps.
//!
//! Both times are set to "now", because that is what the kernel lets everybody do who may write
//! the file; leaving one as it is would take its owner. Content and mode stay as they are.

use std::fs::File;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};

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

/// Returns a time that is no later than the stamps which this kernel gives from now on, by the
/// host's clock `exact` as this process sees it: whoever asks whether something is older than now
/// must not take a stamp of this moment for an old one.
pub fn no_later_than_stamps(exact: Timestamp) -> Timestamp {
    stamping_time().map_or(exact, |stamping| stamping.min(exact))
}

/// Returns the time that this kernel would give now to a file on a file system that it stamps
/// itself, or an earlier one: the clock that moves from tick to tick, and not the exact one, which
/// may be ahead of the stamps of this moment by more than a tick where a machine is busy. The kernel
/// itself is asked, as what is loaded before a program may tell it another time than files get.
/// `None` where it is not known how.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[expect(
    unsafe_code,
    reason = "libraries ask a page of the kernel's, which not every process has"
)]
pub fn stamping_time() -> Option<Timestamp> {
    use std::ffi::{c_int, c_long};
    const SYS_CLOCK_GETTIME: c_long = if cfg!(target_arch = "x86_64") {
        228
    } else {
        113
    };
    const CLOCK_REALTIME_COARSE: c_int = 5;
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    // Seconds and nanoseconds.
    let mut now = [0_i64; 2];
    // SAFETY: the array has the size and alignment of the kernel's structure, which is all that the
    // call writes to, and outlives it.
    let status = unsafe { syscall(SYS_CLOCK_GETTIME, CLOCK_REALTIME_COARSE, now.as_mut_ptr()) };
    let nanos = u32::try_from(now[1]).ok().filter(|_| status == 0)?;
    Some(Timestamp {
        seconds: now[0],
        nanos,
    })
}

/// The number of the call is known on these machines only.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub fn stamping_time() -> Option<Timestamp> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{FileSystem, Staged};
    use ibid_testkit::TempDir;

    #[test]
    fn a_stamp_is_never_older_than_the_clock_that_stamps() {
        let temp = TempDir::new();
        let kind = FileSystem::of(temp.path()).unwrap().kind;
        if !kind.is_stamped_here() {
            return;
        }
        let staged = Staged::create(temp.path()).unwrap();
        for _ in 0..10_000 {
            let Some(before) = stamping_time() else {
                return;
            };
            let ahead = Timestamp {
                seconds: before.seconds + 3600,
                ..before
            };
            let now = no_later_than_stamps(ahead);
            touch_open(staged.file(), staged.path()).unwrap();
            let stamp = crate::fs::Signature::of_open(staged.file(), staged.path()).unwrap();
            assert!(stamp.mtime >= before && stamp.ctime >= before);
            assert!(stamp.mtime >= now && stamp.ctime >= now);
        }
    }
}
