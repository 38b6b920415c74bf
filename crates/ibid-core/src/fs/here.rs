//! Names in an open directory itself: one component, given to the kernel as it is.
//!
//! What a walk through a folder does with each of its names, without making a path of it. Must not
//! be given a name with a slash by anybody but the `own` calls, whose short paths ibid made itself.
//! Invariant: a link at the name is not followed, and a path is made only for an error or a witness.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Mode, OFlags, RawMode, StatxFlags};
use rustix::io::Errno;

use super::{Dir, Facts, PathError, witness};

impl Dir {
    /// Makes a file that must not exist in the directory itself, for writing, with the permission
    /// bits that the umask leaves of `mode`.
    pub fn create_here(&self, name: &[u8], mode: u32) -> Result<File, PathError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(
            &self.handle,
            name,
            flags,
            Mode::from_raw_mode(mode as RawMode),
        )
        .map(File::from)
        .map_err(|error| self.failed("create", name, error))
    }

    /// Looks at a name in the directory itself, without following it if it is a link.
    pub fn facts_here(&self, name: &[u8]) -> Result<Facts, PathError> {
        Facts::of_name(&self.handle, name, || super::below(&self.path, name))
            .map_err(|error| self.failed("look at", name, error))
    }

    /// Says whether anything has this name in the directory itself; `None` where that cannot be
    /// told.
    pub fn has_here(&self, name: &[u8]) -> Option<bool> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let found = rustix::fs::statx(&self.handle, name, flags, StatxFlags::TYPE);
        witness::unlike_any(&self.path);
        match found {
            Ok(_) => Some(true),
            Err(Errno::NOENT) => Some(false),
            Err(_) => None,
        }
    }

    /// Renames what has the name `from` in the directory itself to `to` in the directory `target`
    /// itself, over what stands there.
    pub fn rename_here(&self, from: &[u8], target: &Self, to: &[u8]) -> Result<(), PathError> {
        rustix::fs::renameat(&self.handle, from, &target.handle, to)
            .map_err(|error| self.failed("rename", from, error))
    }

    /// Removes a file or link in the directory itself.
    pub fn remove_here(&self, name: &[u8]) -> Result<(), PathError> {
        rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())
            .map_err(|error| self.failed("remove", name, error))
    }

    /// Opens a file of ibid's own for reading, by a short path that ibid made itself: it is not
    /// followed if it is a link, folders above it are.
    pub fn open_own(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        witness::unlike_any(&self.path);
        rustix::fs::openat(&self.handle, name, flags | OFlags::CLOEXEC, Mode::empty())
            .map(File::from)
            .map_err(io::Error::from)
    }

    /// Gives a file of ibid's own the second name `to` in the directory `target` itself, where
    /// nothing may stand.
    pub fn link_own(&self, name: &[u8], target: &Self, to: &[u8]) -> io::Result<()> {
        let flags = AtFlags::empty();
        rustix::fs::linkat(&self.handle, name, &target.handle, to, flags).map_err(io::Error::from)
    }

    fn failed(&self, operation: &'static str, name: &[u8], error: Errno) -> PathError {
        PathError {
            operation,
            path: super::below(&self.path, name),
            source: error.into(),
        }
    }
}
