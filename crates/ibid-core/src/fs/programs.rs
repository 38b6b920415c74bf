//! Looking for programs and at installed packages: names, small files, the answer of `access`.
//!
//! Owns the calls that resolving a command needs beyond [`super::walk`]. Nothing here opens what
//! could block, follows a link unasked or changes anything.

use std::path::Path;

use rustix::fs::{CWD, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::walk::{self, Links};
use super::{FileKind, IoContext as _, PathError};

/// What a search for a program finds at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A regular file that the caller may execute.
    Program,
    /// Something that is no program for the caller: no permission, or a directory or device.
    Unusable(FileKind),
    /// Nothing, or nothing that the caller may look at.
    Absent,
}

/// Says what `execve` would make of `path`. Never fails: a path that cannot be looked at is
/// absent, or unusable where permission is what is missing, as it is for `execvp`.
pub fn candidate(path: &Path) -> Candidate {
    match walk::look(path, Links::Follow) {
        Ok(Some(signature)) if signature.kind() != FileKind::File => {
            Candidate::Unusable(signature.kind())
        }
        Ok(Some(_)) if walk::may_execute(path) => Candidate::Program,
        Ok(Some(_)) => Candidate::Unusable(FileKind::File),
        Err(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => {
            Candidate::Unusable(FileKind::File)
        }
        Ok(None) | Err(_) => Candidate::Absent,
    }
}

/// Returns the kind of what lies at `path`, the last link not followed, or `None` if nothing
/// does. A text that can be no path (a NUL, a name too long, a ring of links) names nothing.
pub fn named(path: &Path) -> Result<Option<FileKind>, PathError> {
    match walk::look(path, Links::Refuse) {
        Ok(found) => Ok(found.map(|signature| signature.kind())),
        Err(error) => match Errno::from_io_error(&error.source) {
            Some(Errno::NAMETOOLONG | Errno::INVAL | Errno::LOOP) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Lists the names in a directory, sorted by bytes, or `None` where no directory is. Unlike
/// [`walk::list`] it looks at none of them, so it costs one call per some hundred names.
pub fn names(dir: &Path) -> Result<Option<Vec<Vec<u8>>>, PathError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = match rustix::fs::openat(CWD, dir, flags, Mode::empty()).context("open", dir) {
        Ok(handle) => handle,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&handle).context("list", dir)? {
        let entry = entry.context("list", dir)?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(Some(names))
}

/// Reads a regular file of at most `limit` bytes whole, or returns `None` where nothing is. A
/// longer one is an error: half a file would be taken for the whole.
pub fn read_small(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, PathError> {
    match walk::read_start(path, limit + 1) {
        Ok(bytes) if bytes.len() > limit => Err(Errno::FBIG).context("read", path),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}
