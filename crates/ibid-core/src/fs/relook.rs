//! Looking again at many paths: as few calls and copies as the kernel needs.
//!
//! A path is looked at as it is given, below the top if it is relative; no error is put into words,
//! because whoever looks again compares and says nothing.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};

use super::{Facts, Links};

/// The directory that relative paths start at.
#[derive(Debug)]
pub struct Relook(OwnedFd);

impl Relook {
    /// Opens the directory; nothing of it is read.
    pub fn below(top: &Path) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(top, flags, Mode::empty()).ok().map(Self)
    }

    /// Looks at a path; a failure is the number of the error.
    pub fn look(&self, path: &CStr, links: Links) -> Result<Facts, i32> {
        let flags = match links {
            Links::Follow => AtFlags::empty(),
            Links::Keep => AtFlags::SYMLINK_NOFOLLOW,
        };
        rustix::fs::statx(&self.0, path, flags, StatxFlags::BASIC_STATS)
            .map(|stat| Facts::from_statx(&stat))
            .map_err(rustix::io::Errno::raw_os_error)
    }
}
