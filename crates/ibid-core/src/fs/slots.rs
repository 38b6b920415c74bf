//! Files of fixed-size slots, read and written by position, shared by many processes.
//!
//! No lock and no mapping: a reader may see a torn slot, and a writer may lose against another.
//! So every slot must carry its own checksum, and its loss must not matter. No look at one is written
//! down: nothing rests on what only saves the reading of something else.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};

use super::{PathError, Signature, Staged, Timestamp, look_aside};

/// An open file of slots.
#[derive(Debug)]
pub struct SlotFile {
    file: File,
    inode: u64,
    length: u64,
}

impl SlotFile {
    /// Opens the file for reading and writing, or for reading where it may not be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = |access| rustix::fs::openat(CWD, path, access | flags, Mode::empty());
        let file: File = match open(OFlags::RDWR) {
            Ok(file) => file,
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS) => open(OFlags::RDONLY)?,
            Err(error) => return Err(error.into()),
        }
        .into();
        let stat = rustix::fs::fstat(&file)?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self {
            file,
            inode: stat.st_ino,
            length: u64::try_from(stat.st_size).unwrap_or(0),
        })
    }

    /// Returns the length in bytes that it had when it was opened: shards are replaced, and never
    /// grow.
    pub fn opened_length(&self) -> u64 {
        self.length
    }

    /// Says whether `path` names another file than this one.
    pub fn was_replaced(&self, path: &Path) -> bool {
        let found = look_aside(|| Signature::of_link(path));
        !found.is_ok_and(|signature| signature.inode == self.inode)
    }

    /// Fills `buffer` from `offset`; a file that ends before is an error.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Writes `bytes` at `offset`.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }
}

/// Puts a new file with these bytes at `path`, by way of a private name beside it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    look_aside(|| {
        let mut staged = Staged::create(path.parent().unwrap_or(Path::new(".")))?;
        staged.write_all(bytes)?;
        staged.publish_over(path)
    })
}

/// Sets the modification time of the file at `path`, which is made if it is not there, to the
/// file system's own now, and returns that.
pub fn touch(path: &Path) -> io::Result<Timestamp> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file: File =
        rustix::fs::openat(CWD, path, flags | OFlags::NONBLOCK, Mode::RUSR | Mode::WUSR)?.into();
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    rustix::fs::futimens(
        &file,
        &Timestamps {
            last_access: now,
            last_modification: now,
        },
    )?;
    look_aside(|| Signature::of_open(&file, path))
        .map(|signature| signature.mtime)
        .map_err(|error| error.source)
}
