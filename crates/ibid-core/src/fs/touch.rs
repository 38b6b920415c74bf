//! Stamping a file with the present time of its own file system.
//!
//! Both times are set to "now", because that is what the kernel lets everybody do who may write
//! the file; leaving one as it is would take its owner. Content and mode stay as they are.

use std::fs::File;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};

use super::{IoContext as _, PathError};

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
