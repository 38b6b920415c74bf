//! Opening and reading, with the path in every error.
//!
//! Opens only what may be read: a FIFO would block, a device never ends (hazard G3). So files are
//! opened without blocking and looked at again through the descriptor. Every read has a limit
//! that the caller gives. Nothing here changes a file system.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::{FileKind, IoContext as _, PathError, Signature};

/// Opens a regular file for reading, following links. Anything else is an error.
pub fn open_file(path: &Path) -> Result<File, PathError> {
    open_regular(path, OFlags::RDONLY)
}

/// Opens a regular file for reading unless its last component is a link.
pub fn open_nofollow(path: &Path) -> Result<File, PathError> {
    open_regular(path, OFlags::RDONLY | OFlags::NOFOLLOW)
}

/// Opens a regular file for reading and for writing in place, unless it is a link.
pub fn open_in_place(path: &Path) -> Result<File, PathError> {
    open_regular(path, OFlags::RDWR | OFlags::NOFOLLOW)
}

/// Opens whatever `path` leads to for reading, and looks at what was opened. Anything that is not
/// a regular file has been opened in vain, and harmlessly: look at the signature's kind.
pub fn open_any(path: &Path) -> Result<(File, Signature), PathError> {
    open_with(path, OFlags::RDONLY)
}

fn open_regular(path: &Path, flags: OFlags) -> Result<File, PathError> {
    match open_with(path, flags)? {
        (file, signature) if signature.kind() == FileKind::File => Ok(file),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
        .context("open", path),
    }
}

fn open_with(path: &Path, flags: OFlags) -> Result<(File, Signature), PathError> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).context("open", path)?);
    let signature = Signature::of_open(&file, path)?;
    Ok((file, signature))
}

/// Reads a whole regular file of at most `limit` bytes; a longer one is an error of the kind
/// [`io::ErrorKind::FileTooLarge`].
pub fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    read_limited(&open_file(path)?, path, limit)
}

/// Reads at most `limit` bytes from the start of a regular file.
pub fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    // Files of the kernel's own have no size to go by; most of these fit at once.
    let mut bytes = Vec::with_capacity(2048);
    open_file(path)?
        .take(limit)
        .read_to_end(&mut bytes)
        .context("read", path)?;
    Ok(bytes)
}

/// Reads an open file from its present position to its end, at most `limit` bytes; more is an
/// error of the kind [`io::ErrorKind::FileTooLarge`].
pub fn read_limited(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that grew from one that fits (hazard G5).
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .context("read", path)?;
    if bytes.len() as u64 > limit {
        let message = format!("larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message)).context("read", path);
    }
    Ok(bytes)
}

/// Reads an open file from its start into `buffer` until that is full or the file ends, and
/// returns how much was read. The position of the descriptor does not matter.
pub fn read_at_most(file: &File, path: &Path, buffer: &mut [u8]) -> Result<usize, PathError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("read", path),
        }
    }
    Ok(filled)
}

/// Returns the text of a symbolic link.
pub fn read_link(path: &Path) -> Result<Vec<u8>, PathError> {
    rustix::fs::readlink(path, Vec::new())
        .map(std::ffi::CString::into_bytes)
        .context("read the link", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Staged, list_dir};
    use ibid_testkit::TempDir;

    #[test]
    fn a_fifo_is_refused_without_blocking() {
        let dir = TempDir::new();
        let fifo = dir.join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(open_file(&fifo).is_err());
        assert_eq!(
            list_dir(dir.path()).unwrap(),
            [(b"fifo".to_vec(), FileKind::Special)]
        );
    }

    #[test]
    fn reads_stop_at_the_limit() {
        let dir = TempDir::new();
        let path = dir.join("a");
        let mut staged = Staged::create(dir.path()).unwrap();
        staged.write_all(b"12345").unwrap();
        staged.publish_over(&path).unwrap();
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        let error = read_small(&path, 4).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::FileTooLarge);
    }
}
