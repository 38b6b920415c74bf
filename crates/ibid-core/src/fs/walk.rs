//! Looking at directories, links and programs by raw bytes, without changing anything.
//!
//! Owns the calls that a walk needs. It follows no link unless a function says so, and opens
//! nothing that could block: a FIFO or device is refused by its kind (hazard G3).

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Dir, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::{FileKind, IoContext as _, PathError, Signature};

/// Whether the last component of a path may be a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It is followed.
    Follow,
    /// It is not: a link there is an error.
    Refuse,
}

/// A file as it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The open file; regular, unless its signature says otherwise.
    pub file: File,
    /// Its signature, taken from the open descriptor.
    pub signature: Signature,
}

/// Opens `path` for reading without blocking, and looks at what was opened. Anything that is not
/// a regular file has been opened in vain, and harmlessly: look at the signature's kind.
pub fn open(path: &Path, links: Links) -> Result<Opened, PathError> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let file: File = rustix::fs::openat(CWD, path, flags, Mode::empty())
        .context("open", path)?
        .into();
    let signature = Signature::of_open(&file, path)?;
    Ok(Opened { file, signature })
}

/// Lists a directory: names in raw bytes and signatures of the entries themselves, sorted by
/// name. What vanishes meanwhile is left out.
pub fn list(dir: &Path) -> Result<Vec<(Vec<u8>, Signature)>, PathError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(CWD, dir, flags, Mode::empty()).context("open", dir)?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&handle).context("list", dir)? {
        let entry = entry.context("list", dir)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::statx(&handle, name, flags, StatxFlags::BASIC_STATS) {
            Ok(stat) => entries.push((name.to_bytes().to_vec(), Signature::from_statx(&stat))),
            Err(Errno::NOENT) => {}
            Err(error) => {
                let path = dir.join(OsStr::from_bytes(name.to_bytes()));
                return Err(error).context("look at", &path);
            }
        }
    }
    entries.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(entries)
}

/// Returns the text of a link.
pub fn link_text(path: &Path) -> Result<Vec<u8>, PathError> {
    rustix::fs::readlinkat(CWD, path, Vec::new())
        .map(std::ffi::CString::into_bytes)
        .context("read the link", path)
}

/// Returns the absolute path without any link on the way; the path must exist.
pub fn real_path(path: &Path) -> Result<PathBuf, PathError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "`fs` is where paths are resolved"
    )]
    std::fs::canonicalize(path).context("resolve", path)
}

/// Says whether the caller may execute the regular file at `path`; links are followed.
pub fn may_execute(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// Says whether the caller may make files in the directory `path`; links are followed.
pub fn may_write_in(path: &Path) -> bool {
    let access = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

/// Returns the signature of whatever `path` is, or `None` if nothing is there.
pub fn look(path: &Path, links: Links) -> Result<Option<Signature>, PathError> {
    let looked = match links {
        Links::Follow => Signature::of(path),
        Links::Refuse => Signature::of_link(path),
    };
    match looked {
        Ok(signature) => Ok(Some(signature)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads at most `limit` bytes from the start of a regular file.
pub fn read_start(path: &Path, limit: usize) -> Result<Vec<u8>, PathError> {
    read_start_of(path, limit).map(|(start, _)| start)
}

/// The same, with the signature of the file that was read.
pub fn read_start_of(path: &Path, limit: usize) -> Result<(Vec<u8>, Signature), PathError> {
    let opened = open(path, Links::Follow)?;
    if opened.signature.kind() != FileKind::File {
        return Err(Errno::INVAL).context("read", path);
    }
    let mut buffer = vec![0; limit];
    let mut done = 0;
    while done < limit {
        let got = rustix::io::read(&opened.file, &mut buffer[done..]).context("read", path)?;
        if got == 0 {
            break;
        }
        done += got;
    }
    buffer.truncate(done);
    Ok((buffer, opened.signature))
}

/// Joins raw bytes below a directory.
pub fn below(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(std::ffi::OsString::from_vec(name.to_vec()))
}
