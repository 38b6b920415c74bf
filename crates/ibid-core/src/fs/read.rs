//! Opening and reading, with the path in every error.
//!
//! Opens only what may be read: a FIFO would block, a device never ends (hazard G3). So files are
//! opened without blocking and looked at again through the descriptor. Every read has a limit
//! that the caller gives. Nothing here changes a file system.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::{Facts, FileKind, IoContext as _, Links, PathError, Signature, witness};

/// So much is read at first of a file that does not say its size: most files of the kernel fit.
const UNKNOWN_SIZE: u64 = 4096;

/// Opens a regular file for reading, following links. Anything else is an error.
pub fn open_file(path: &Path) -> Result<File, PathError> {
    open_regular(path, OFlags::RDONLY)
}

/// Opens a regular file for reading unless its last component is a link, and returns the signature
/// of what was opened.
pub fn open_nofollow(path: &Path) -> Result<(File, Signature), PathError> {
    open_looked_at(path, OFlags::RDONLY | OFlags::NOFOLLOW)
}

/// The same, with all that its status says: whose it is, for one.
pub fn open_with_facts(path: &Path) -> Result<(File, Facts), PathError> {
    let (file, facts) = open_with(path, OFlags::RDONLY | OFlags::NOFOLLOW)?;
    check_regular(&facts.signature, path)?;
    Ok((file, facts))
}

/// Opens a regular file for reading and for writing in place, unless it is a link, and returns the
/// signature of what was opened.
pub fn open_in_place(path: &Path) -> Result<(File, Signature), PathError> {
    open_looked_at(path, OFlags::RDWR | OFlags::NOFOLLOW)
}

/// Opens whatever `path` leads to for reading, and looks at what was opened. Anything that is not
/// a regular file has been opened in vain, and harmlessly: look at the signature's kind.
pub fn open_any(path: &Path) -> Result<(File, Signature), PathError> {
    open_with(path, OFlags::RDONLY).map(|(file, facts)| (file, facts.signature))
}

fn open_regular(path: &Path, flags: OFlags) -> Result<File, PathError> {
    open_looked_at(path, flags).map(|(file, _)| file)
}

fn open_looked_at(path: &Path, flags: OFlags) -> Result<(File, Signature), PathError> {
    let (file, facts) = open_with(path, flags)?;
    check_regular(&facts.signature, path)?;
    Ok((file, facts.signature))
}

fn check_regular(signature: &Signature, path: &Path) -> Result<(), PathError> {
    if signature.kind() == FileKind::File {
        return Ok(());
    }
    let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    Err(error).context("open", path)
}

fn open_with(path: &Path, flags: OFlags) -> Result<(File, Facts), PathError> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let links = if flags.contains(OFlags::NOFOLLOW) {
        Links::Keep
    } else {
        Links::Follow
    };
    let opened = rustix::fs::open(path, flags, Mode::empty()).inspect_err(|error| {
        witness::place(path, links, Some(*error));
    });
    let file = File::from(opened.context("open", path)?);
    let facts = Facts::of_open(&file, path)?;
    witness::opened(path, links, (&file, &facts.signature));
    Ok((file, facts))
}

/// Reads a whole regular file of at most `limit` bytes; a longer one is an error of the kind
/// [`io::ErrorKind::FileTooLarge`].
pub fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    let (file, signature) = open_looked_at(path, OFlags::RDONLY)?;
    read_limited((&file, path), signature.size, limit)
}

/// Reads at most `limit` bytes from the start of a regular file.
pub fn read_start(path: &Path, limit: u64) -> Result<Vec<u8>, PathError> {
    read_start_of(path, limit).map(|(start, _)| start)
}

/// The same, with the signature of the file that was read.
pub fn read_start_of(path: &Path, limit: u64) -> Result<(Vec<u8>, Signature), PathError> {
    let (file, signature) = open_looked_at(path, OFlags::RDONLY)?;
    // Files of the kernel say that they are empty, and are read until nothing more comes. No more is
    // set aside for them than they need: filling a whole limit with zeros can cost more than a process.
    let mut room = match signature.size {
        0 => limit.min(UNKNOWN_SIZE),
        size => limit.min(size),
    };
    let mut bytes = Vec::new();
    loop {
        let filled = bytes.len();
        bytes.resize(usize::try_from(room).unwrap_or(usize::MAX), 0);
        let count = fill(&file, path, &mut bytes, filled)?;
        let is_full = count == bytes.len();
        bytes.truncate(count);
        if !is_full || signature.size != 0 || room == limit {
            break;
        }
        room = limit.min(room.saturating_mul(4));
    }
    Ok((bytes, signature))
}

/// Reads the start of a file that its system keeps short, at most `buffer`, in one call: for files
/// of the kernel, which say that they are empty and give all that they hold at once, and for those
/// that are smaller than the buffer. What has no position to read at, such as a FIFO, and a
/// directory are errors.
pub fn read_once<'b>(path: &Path, buffer: &'b mut [u8]) -> Result<&'b [u8], PathError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty()).inspect_err(|error| {
        witness::place(path, Links::Follow, Some(*error));
    });
    let file = File::from(opened.context("open", path)?);
    if witness::is_on() {
        let facts = Facts::of_open(&file, path)?;
        witness::opened(path, Links::Follow, (&file, &facts.signature));
    }
    loop {
        match file.read_at(buffer, 0) {
            Ok(count) => return Ok(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("read", path),
        }
    }
}

/// Reads an open file from its start to its end, at most `limit` bytes; more is an error of the
/// kind [`io::ErrorKind::FileTooLarge`]. With the size of the file as `expected` it takes one call.
pub fn read_limited(
    (file, path): (&File, &Path),
    expected: u64,
    limit: u64,
) -> Result<Vec<u8>, PathError> {
    let too_large = || {
        let message = format!("larger than {limit} bytes");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, message)).context("read", path)
    };
    // Nothing is set aside for what is refused in the end: a file of holes costs nobody a byte.
    if expected > limit {
        return too_large();
    }
    // One byte more than allowed tells a file that grew from one that fits (hazard G5); one more
    // than expected makes the end known without another call.
    let room = |size: u64| usize::try_from(size.min(limit).saturating_add(1)).unwrap_or(usize::MAX);
    // Files of the kernel say that they are empty, and are read like others.
    let mut bytes = vec![0; room(if expected == 0 { 4096 } else { expected })];
    let mut done = 0;
    loop {
        match file.read_at(&mut bytes[done..], done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("read", path),
        }
        if done as u64 > limit {
            return too_large();
        }
        if done == bytes.len() {
            bytes.resize(room(2 * done as u64), 0);
        } else if done as u64 == expected {
            break;
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// Reads an open file from its start into `buffer` until that is full or the file ends, and
/// returns how much was read. The position of the descriptor does not matter.
pub fn read_at_most(file: &File, path: &Path, buffer: &mut [u8]) -> Result<usize, PathError> {
    fill(file, path, buffer, 0)
}

/// The same for a buffer whose first `filled` bytes are those of the file already.
fn fill(file: &File, path: &Path, buffer: &mut [u8], filled: usize) -> Result<usize, PathError> {
    let mut filled = filled;
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
    witness::text_of(path);
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
    fn a_file_that_says_it_is_empty_is_read_to_its_end_or_the_limit() {
        // Longer than what is set aside at first.
        let path = Path::new("/proc/self/smaps");
        let whole = read_small(path, 1 << 24).unwrap();
        assert!(whole.len() as u64 > 2 * UNKNOWN_SIZE, "{}", whole.len());
        let read = read_start(path, 1 << 24).unwrap();
        assert!(read.len() as u64 > 2 * UNKNOWN_SIZE && read.ends_with(b"\n"));
        for limit in [1, UNKNOWN_SIZE, UNKNOWN_SIZE + 1, 3 * UNKNOWN_SIZE / 2] {
            assert_eq!(read_start(path, limit).unwrap().len() as u64, limit);
        }
    }

    #[test]
    fn reads_stop_at_the_limit() {
        let dir = TempDir::new();
        let path = dir.join("a");
        let mut staged = Staged::create(dir.path()).unwrap();
        staged.write_all(b"12345").unwrap();
        staged.publish_over(&path).unwrap();
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        let file = open_file(&path).unwrap();
        for expected in [0, 1, 4, 5] {
            let read = read_limited((&file, &path), expected, 5).unwrap();
            assert_eq!(read, b"12345", "{expected}");
            assert!(read_limited((&file, &path), expected, 4).is_err());
        }
        let larger = read_limited((&file, &path), 6, 5);
        assert!(larger.is_err(), "what says that it is larger is not read");
        let error = read_small(&path, 4).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::FileTooLarge);
    }
}
