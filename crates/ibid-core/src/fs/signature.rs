//! `Signature`: the part of a file's status that tells whether its content may have changed.

use std::cmp::Ordering;
use std::path::Path;

use rustix::fs::{FileType, Mode, RawMode, StatxTimestamp};

use super::{Facts, PathError};

/// A point in time as a file system stamps it: seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds above them.
    pub nanos: u32,
}

impl Timestamp {
    /// Returns nanoseconds since 1970.
    pub fn as_nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }
}

impl From<StatxTimestamp> for Timestamp {
    fn from(stamp: StatxTimestamp) -> Self {
        Self {
            seconds: stamp.tv_sec,
            nanos: stamp.tv_nsec,
        }
    }
}

/// What kind of thing stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A FIFO, socket or device: never an input or an output.
    Special,
}

impl FileKind {
    /// Translates what a directory says of an entry; `None` where it does not say.
    pub(super) fn of(file_type: FileType) -> Option<Self> {
        match file_type {
            FileType::RegularFile => Some(Self::File),
            FileType::Directory => Some(Self::Dir),
            FileType::Symlink => Some(Self::Link),
            FileType::Unknown => None,
            _ => Some(Self::Special),
        }
    }
}

/// Status of a file: equal signatures on one file system mean the same inode with no write
/// between, but for the cases that the stat cache's rules exclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Device number, which identifies the file system while it is mounted.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content, as stamped or as set by a tool.
    pub mtime: Timestamp,
    /// Last change of content or status; no tool can set it back.
    pub ctime: Timestamp,
    /// Type and permission bits.
    pub mode: u32,
    /// Number of hard links.
    pub links: u32,
}

impl Signature {
    /// Looks at `path`, following links.
    pub fn of(path: &Path) -> Result<Self, PathError> {
        Facts::of(path).map(|facts| facts.signature)
    }

    /// Looks at `path` itself, even if it is a link.
    pub fn of_link(path: &Path) -> Result<Self, PathError> {
        Facts::of_link(path).map(|facts| facts.signature)
    }

    /// Looks at an open file.
    pub fn of_open(file: &std::fs::File, path: &Path) -> Result<Self, PathError> {
        Facts::of_open(file, path).map(|facts| facts.signature)
    }

    /// Takes the fields that matter from a `statx` answer.
    pub fn from_statx(stat: &rustix::fs::Statx) -> Self {
        Self {
            device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            size: stat.stx_size,
            mtime: stat.stx_mtime.into(),
            ctime: stat.stx_ctime.into(),
            mode: u32::from(stat.stx_mode),
            links: stat.stx_nlink,
        }
    }

    /// Says whether both are of one inode.
    pub fn is_inode_of(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Returns what kind of thing it is.
    pub fn kind(&self) -> FileKind {
        FileKind::of(FileType::from_raw_mode(self.mode as RawMode)).unwrap_or(FileKind::Special)
    }

    /// Says whether anybody may execute it.
    pub fn is_executable(&self) -> bool {
        let any = Mode::XUSR | Mode::XGRP | Mode::XOTH;
        self.mode & any.bits() != 0
    }

    /// Returns the later of the two timestamps.
    pub fn last_change(&self) -> Timestamp {
        match self.mtime.cmp(&self.ctime) {
            Ordering::Less => self.ctime,
            _ => self.mtime,
        }
    }
}
