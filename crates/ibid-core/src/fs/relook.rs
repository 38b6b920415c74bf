//! Looking again at many paths: as few calls and copies as the kernel needs.
//!
//! A path is looked at as it is given, below the top if it is relative; no error is put into words,
//! because whoever looks again compares and says nothing.

use std::ffi::CStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};

use super::{Facts, Links};

/// The directory that relative paths start at, if there are any.
#[derive(Debug)]
pub struct Relook(Option<OwnedFd>);

impl Relook {
    /// Opens the directory, of which nothing is read; none if its path is empty.
    pub fn below(top: &Path) -> Option<Self> {
        if top.as_os_str().is_empty() {
            return Some(Self(None));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(top, flags, Mode::empty());
        opened.ok().map(|top| Self(Some(top)))
    }

    /// Looks at a path; a failure is the number of the error.
    pub fn look(&self, path: &CStr, links: Links) -> Result<Facts, i32> {
        let flags = match links {
            Links::Follow => AtFlags::empty(),
            Links::Keep => AtFlags::SYMLINK_NOFOLLOW,
        };
        let top = self.0.as_ref().map_or(CWD, OwnedFd::as_fd);
        rustix::fs::statx(top, path, flags, StatxFlags::BASIC_STATS)
            .map(|stat| Facts::from_statx(&stat))
            .map_err(rustix::io::Errno::raw_os_error)
    }
}
