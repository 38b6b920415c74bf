//! `Folder`: an open directory whose entries are listed and looked at by their names alone.
//!
//! For walks over many files: names lie in one buffer and not in one allocation each, and every
//! look starts at the directory. No link is followed but those that lead to a directory that is
//! opened by its path. A handle is only good for looking; whoever writes below a directory uses `Dir`.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;

use super::{Dir, Facts, FileKind, IoContext as _, Links, PathError, Signature, witness};
use crate::tree::RelPath;

/// What one call for names may return.
const NAMES: usize = 16 << 10;

/// An open directory.
#[derive(Debug)]
pub struct Folder<'a> {
    handle: OwnedFd,
    path: &'a Path,
}

/// The names in a directory, in no order, without `.` and `..`.
#[derive(Debug, Default)]
pub struct Names {
    /// Each name, followed by a NUL.
    pub bytes: Vec<u8>,
    /// Where each name lies, and what the directory says of it.
    pub spans: Vec<Span>,
}

/// One name of a directory.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Where the name begins.
    pub start: usize,
    /// Its length without the NUL.
    pub length: u16,
    /// What stands there, if the directory says so.
    pub kind: Option<FileKind>,
    /// The inode, unless something is mounted there.
    pub inode: u64,
}

impl Span {
    /// Returns the name in the bytes that it was listed with.
    pub fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.start + usize::from(self.length)]
    }
}

/// Returns the name that begins at `start`.
pub fn name_at(bytes: &[u8], start: usize) -> &CStr {
    CStr::from_bytes_until_nul(&bytes[start..]).expect("every name ends in a NUL")
}

/// Lists the names in an open directory.
pub(super) fn names_in(handle: &OwnedFd, path: &Path) -> Result<Names, PathError> {
    witness::listed(path, handle);
    let mut buffer = Vec::<u8>::with_capacity(NAMES);
    let mut listed = RawDir::new(handle, buffer.spare_capacity_mut());
    let mut names = Names::default();
    while let Some(entry) = listed.next() {
        let entry = entry.context("list", path)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        names.spans.push(Span {
            start: names.bytes.len(),
            length: u16::try_from(name.to_bytes().len()).expect("a record has 16 bits of it"),
            kind: FileKind::of(entry.file_type()),
            inode: entry.ino(),
        });
        names.bytes.extend_from_slice(name.to_bytes_with_nul());
    }
    Ok(names)
}

impl<'a> Folder<'a> {
    /// Opens a directory, following a link to it.
    pub fn open(path: &'a Path) -> Result<Self, PathError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        witness::place(path, Links::Follow, opened.as_ref().err().copied());
        let handle = opened.context("list", path)?;
        Ok(Self { handle, path })
    }

    /// Opens the directory `below` another, which has this path: no link is followed.
    pub fn beneath(top: &Dir, below: &RelPath, path: &'a Path) -> Result<Self, PathError> {
        let handle = top.dir(below)?.into_handle();
        Ok(Self { handle, path })
    }

    /// Looks at the directory itself.
    pub fn signature(&self) -> Result<Signature, PathError> {
        Facts::of_dir(&self.handle, self.path).map(|facts| facts.signature)
    }

    /// Lists the names.
    pub fn names(&self) -> Result<Names, PathError> {
        names_in(&self.handle, self.path)
    }

    /// Notes that the status of the directory stood for the names in it, which counts as listing.
    pub fn not_listed_again(&self) {
        witness::listed(self.path, &self.handle);
    }

    /// Looks at an entry, or finds that it is gone.
    pub fn look(&self, name: &CStr) -> Result<Option<Signature>, PathError> {
        match Facts::of_name(&self.handle, name, || self.below(name)) {
            Ok(facts) => Ok(Some(facts.signature)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error).context("look at", &self.below(name)),
        }
    }

    /// Opens whatever an entry is for reading, unless it is a link, and looks at what was opened.
    pub fn open_any(&self, name: &CStr) -> Result<(File, Signature), PathError> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = || rustix::fs::openat(&self.handle, name, flags, Mode::empty());
        let file: File = match open() {
            Ok(file) => file.into(),
            Err(error) => {
                let path = self.below(name);
                witness::place(&path, Links::Keep, Some(error));
                return Err(error).context("open", &path);
            }
        };
        let (flags, wanted) = (AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
        match rustix::fs::statx(&file, c"", flags, wanted) {
            Ok(stat) => {
                let signature = Signature::from_statx(&stat);
                if witness::is_on() {
                    witness::opened(&self.below(name), Links::Keep, (&file, &signature));
                }
                Ok((file, signature))
            }
            Err(error) => Err(error).context("look at", &self.below(name)),
        }
    }

    /// Returns the text of a link.
    pub fn read_link(&self, name: &CStr) -> Result<Vec<u8>, PathError> {
        if witness::is_on() {
            witness::text_of(&self.below(name));
        }
        match rustix::fs::readlinkat(&self.handle, name, Vec::new()) {
            Ok(text) => Ok(text.into_bytes()),
            Err(error) => Err(error).context("read the link", &self.below(name)),
        }
    }

    /// Returns the path of an entry.
    pub fn below(&self, name: &CStr) -> PathBuf {
        super::below(self.path, name.to_bytes())
    }
}
