//! The few looks at files that starting and watching processes takes: `/proc`, control groups,
//! and what stands where a program should.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::{IoContext as _, PathError};

/// Reads at most `limit` bytes from the start of a file; never waits for a FIFO's writer.
pub fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).context("open", path)?;
    // Files of the kernel's own have no size to go by; most of these fit at once.
    let mut bytes = Vec::with_capacity(2048);
    File::from(file)
        .take(limit)
        .read_to_end(&mut bytes)
        .context("read", path)?;
    Ok(bytes)
}

/// Returns the names in `dir` that are numbers: process, thread or descriptor numbers in `/proc`.
pub fn numbers_in(dir: &Path) -> Result<Vec<i32>, PathError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let opened = rustix::fs::openat(CWD, dir, flags, Mode::empty()).context("open", dir)?;
    let mut numbers = Vec::new();
    for entry in Dir::new(opened).context("list", dir)? {
        let entry = entry.context("list", dir)?;
        let name = entry.file_name().to_str().ok();
        numbers.extend(name.and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}

/// Returns the text of the link at `path`.
pub fn link_text(path: &Path) -> Result<Vec<u8>, PathError> {
    rustix::fs::readlinkat(CWD, path, Vec::new())
        .map(std::ffi::CString::into_bytes)
        .context("read the link", path)
}

/// Says whether something stands at `path`, following links.
pub fn exists(path: &Path) -> Result<bool, PathError> {
    match rustix::fs::statat(CWD, path, AtFlags::empty()) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error).context("look at", path),
    }
}

/// Fails unless `dir` is a directory that a process of this user can have as its working folder.
pub fn enter_check(dir: &Path) -> Result<(), PathError> {
    // With a slash behind it the path of a file is refused.
    let mut below = dir.as_os_str().as_bytes().to_vec();
    below.extend_from_slice(b"/.");
    rustix::fs::accessat(
        CWD,
        OsStr::from_bytes(&below),
        Access::EXEC_OK,
        AtFlags::empty(),
    )
    .context("enter", dir)
}
