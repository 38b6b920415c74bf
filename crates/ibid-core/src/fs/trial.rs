//! `Trial`: what a file system does for those who write on it, found out by writing.
//!
//! Files without a name tell most of it; names are made only in a folder for temporary files, and
//! removed again. A trial takes a few milliseconds where the file system answers, and decides
//! nothing: a file system that cannot do something is no error.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use super::{IoContext as _, PathError, Signature, Staged, Timestamp, cached_pages};
use super::{random_name, reflink, remove_file};

/// What a file on a file system can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The stamp of a file that was touched at the end of the trial.
    pub stamp: Timestamp,
    /// The smallest step between two stamps, in nanoseconds; `None` where the clock of the file
    /// system did not move during the trial.
    pub step: Option<u64>,
    /// Whether the kernel tells that a page was written to and is not on the disk yet; `None` where
    /// it does not answer.
    pub tells_dirty_pages: Option<bool>,
}

/// What names on a file system can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTrial {
    /// Whether of two who make one name only one succeeds.
    pub exclusive: bool,
    /// Whether a rename can refuse to replace.
    pub rename_new: bool,
    /// Whether a file can have two names.
    pub hard_links: bool,
}

/// As long a clock is watched for a step: longer than a tick of any kernel.
const WATCHED: Duration = Duration::from_millis(30);

/// Opens a file without a name in `dir`, which is not changed by that. Fails where the file system
/// knows no such files: unlike for a spool, none with a name is made instead.
pub fn nameless_file(dir: &Path) -> Result<File, PathError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    rustix::fs::openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .context("make a file without a name in", dir)
}

/// Tries out what an empty file at `path`, open for writing, can be used for.
pub fn try_file(file: &File, path: &Path) -> Result<Trial, PathError> {
    let mut writer = file;
    writer.write_all(&[b'.'; 4096]).context("write", path)?;
    let pages = cached_pages(file);
    let mut last = touch(file, path)?;
    let mut step: Option<u64> = None;
    let mut steps = 0;
    let began = Instant::now();
    while steps < 8 && began.elapsed() < WATCHED {
        let next = touch(file, path)?;
        let apart = u64::try_from(next.as_nanos() - last.as_nanos()).unwrap_or(0);
        if apart > 0 {
            step = Some(step.map_or(apart, |least| least.min(apart)));
            steps += 1;
        }
        last = next;
    }
    Ok(Trial {
        stamp: last,
        step,
        tells_dirty_pages: pages.map(|pages| !pages.are_clean()),
    })
}

fn touch(file: &File, path: &Path) -> Result<Timestamp, PathError> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let both = Timestamps {
        last_access: now,
        last_modification: now,
    };
    rustix::fs::futimens(file, &both).context("touch", path)?;
    Signature::of_open(file, path).map(|signature| signature.mtime)
}

/// Says whether two files can share content. `from` is written to, `to` is replaced.
pub fn can_share(from: &File, to: &File) -> bool {
    let mut writer = from;
    // Only what is on the disk can be shared with certainty.
    let written = writer.write_all(&[b'.'; 4096]).is_ok() && from.sync_data().is_ok();
    written && reflink(from, to).is_ok()
}

/// Tries out what names in `dir`, a folder for temporary files, can be used for.
pub fn try_names(dir: &Path) -> Result<NameTrial, PathError> {
    let staged = Staged::create(dir)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let again = rustix::fs::open(staged.path(), flags, Mode::RUSR);
    let other = Staged::create(dir)?;
    let over = |flags| rustix::fs::renameat_with(CWD, staged.path(), CWD, other.path(), flags);
    let refused = over(RenameFlags::NOREPLACE);
    let name = dir.join(random_name());
    let linked = rustix::fs::linkat(CWD, staged.path(), CWD, &name, rustix::fs::AtFlags::empty());
    if linked.is_ok() {
        remove_file(&name)?;
    }
    Ok(NameTrial {
        exclusive: matches!(again, Err(Errno::EXIST)),
        rename_new: matches!(refused, Err(Errno::EXIST)),
        hard_links: linked.is_ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::list_dir;
    use ibid_testkit::TempDir;

    #[test]
    fn a_trial_finds_what_every_local_file_system_can_and_leaves_nothing() {
        let dir = TempDir::new();
        let file = nameless_file(dir.path()).unwrap();
        let trial = try_file(&file, dir.path()).unwrap();
        assert!(trial.stamp.seconds > 1_700_000_000);
        assert!(trial.step.is_some_and(|step| step > 0));
        let names = try_names(dir.path()).unwrap();
        let all = NameTrial {
            exclusive: true,
            rename_new: true,
            hard_links: true,
        };
        assert_eq!(names, all);
        assert!(list_dir(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn content_is_shared_exactly_where_the_file_system_can() {
        for (fs, megabytes, can) in [("xfs", 300, true), ("ext4", 16, false)] {
            let Some(disk) = ibid_testkit::disks::image(fs, megabytes) else {
                return;
            };
            let [from, to] = [(); 2].map(|()| nameless_file(disk.path()).unwrap());
            assert_eq!(can_share(&from, &to), can, "{fs}");
        }
    }
}
