//! `Dir`: a handle of a directory below which nothing leads elsewhere.
//!
//! The directory itself is opened by path, following the user's own links once. From then on every
//! name is resolved beneath the handle: by `openat2` where the kernel has it, else component by
//! component without following links. Invariant: no link, `..` or mount of `/proc` that somebody
//! puts below the directory, at whatever moment, makes a call here read, write, rename or remove
//! anything outside (hazards G1 and G2).
//!
//! ```text
//! Dir::open("/home/me/results")   links followed, once
//!   .status("run/a.csv")          openat2(handle, "run", BENEATH | NO_SYMLINKS), statx("a.csv")
//! ```

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawMode, RenameFlags};
use rustix::io::Errno;

use super::folder::{Names, names_in};
use super::list::entries;
use super::{
    Facts, FileKind, IfPresent as _, IoContext as _, Links, PathError, Signature, read_once,
    witness,
};
use crate::tree::RelPath;

/// Longest path that one system call is given; the kernel's own limit is 4096.
const LONGEST_PATH: usize = 4000;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Reading leaves no stamp.
#[cfg(target_os = "linux")]
const UNSTAMPED: OFlags = OFlags::NOATIME;
#[cfg(not(target_os = "linux"))]
const UNSTAMPED: OFlags = OFlags::empty();

/// An open directory; what is below it is named by [`RelPath`]s.
#[derive(Debug)]
pub struct Dir {
    pub(super) handle: OwnedFd,
    pub(super) path: PathBuf,
}

/// One name in a listed directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name, in raw bytes.
    pub name: Vec<u8>,
    /// What stands there, if the directory says so; `None` means that it has to be looked at.
    pub kind: Option<FileKind>,
}

impl Dir {
    /// Opens a directory by path. Links in the path are followed: they are the user's own.
    pub fn open(path: &Path) -> Result<Self, PathError> {
        let opened = rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty());
        witness::place(path, Links::Follow, opened.as_ref().err().copied());
        let handle = opened.context("open directory", path)?;
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    /// Opens a directory by path, and makes it and those above it where they are missing.
    pub fn open_or_create(path: &Path) -> Result<Self, PathError> {
        match Self::open(path) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let mut missing = Vec::new();
        let mut above = path;
        let mut dir = loop {
            let (Some(parent), Some(name)) = (above.parent(), above.file_name()) else {
                return Self::open(path);
            };
            missing.push(name);
            above = parent;
            let start = if above.as_os_str().is_empty() {
                Path::new(".")
            } else {
                above
            };
            match Self::open(start) {
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
                opened => break opened?,
            }
        };
        for name in missing.into_iter().rev() {
            let below = RelPath::new(name.as_bytes()).map_err(|_| Errno::INVAL);
            let below = below.context("create directory", path)?;
            dir = dir.create_dirs(&below)?;
        }
        Ok(dir)
    }

    /// Returns the path by which the directory was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of something below, for messages and for keys of caches.
    pub fn path_of(&self, below: &RelPath) -> PathBuf {
        below.below(&self.path)
    }

    /// Lends the descriptor, for calls that take a directory and one name in it.
    pub fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Gives the descriptor away.
    pub(super) fn into_handle(self) -> OwnedFd {
        self.handle
    }

    /// Looks at the directory itself.
    pub fn own_status(&self) -> Result<Signature, PathError> {
        Facts::of_dir(&self.handle, &self.path).map(|facts| facts.signature)
    }

    /// Opens a directory below.
    pub fn dir(&self, below: &RelPath) -> Result<Self, PathError> {
        let path = self.path_of(below);
        let opened = self.open_beneath(below, DIRECTORY);
        witness::way(&self.path, below);
        witness::place(&path, Links::Keep, opened.as_ref().err().copied());
        let handle = opened.context("open directory", &path)?;
        Ok(Self { handle, path })
    }

    /// Opens a directory below, and makes it and those above it where they are missing.
    pub fn create_dirs(&self, below: &RelPath) -> Result<Self, PathError> {
        match self.dir(below) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let mut dir = self.dir(&RelPath::ROOT)?;
        for name in below.components() {
            let path = dir.path.join(OsStr::from_bytes(name));
            // Somebody else may make it at the same time; what counts is that it opens.
            match rustix::fs::mkdirat(&dir.handle, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error).context("create directory", &path),
            }
            let handle =
                open_one(dir.handle.as_fd(), name, DIRECTORY).context("open directory", &path)?;
            dir = Self { handle, path };
        }
        Ok(dir)
    }

    /// Makes a directory that must not exist, private to its owner, and opens it.
    pub fn create_private_dir(&self, below: &RelPath) -> Result<Self, PathError> {
        let path = self.path_of(below);
        let at = self.at(below).context("create directory", &path)?;
        rustix::fs::mkdirat(at.dir(), at.name, Mode::RWXU).context("create directory", &path)?;
        let handle = open_one(at.dir(), at.name, DIRECTORY).context("open directory", &path)?;
        Ok(Self { handle, path })
    }

    /// Sets the permission bits of the directory itself.
    pub fn set_mode(&self, mode: u32) -> Result<(), PathError> {
        rustix::fs::fchmod(&self.handle, Mode::from_raw_mode(mode as RawMode))
            .context("change mode of", &self.path)
    }

    /// Makes a file that must not exist, for reading and writing, private to its owner.
    pub fn create_file(&self, below: &RelPath) -> Result<File, PathError> {
        let path = self.path_of(below);
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let at = self.at(below).context("create", &path)?;
        rustix::fs::openat(at.dir(), at.name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .context("create", &path)
    }

    /// Opens a regular file for reading. A link, FIFO, socket, device or directory is refused
    /// without waiting for it (hazard G3).
    pub fn open_file(&self, below: &RelPath) -> Result<(File, Signature), PathError> {
        let path = || self.path_of(below);
        let opened = self.open_unstamped(below).map_err(|error| {
            witness::place(&path(), Links::Keep, Some(error));
            PathError {
                operation: "open",
                path: path(),
                source: error.into(),
            }
        });
        let file = File::from(opened?);
        let signature = Signature::of_open(&file, Path::new(""));
        let signature = signature.map_err(|error| PathError {
            path: path(),
            ..error
        })?;
        if witness::is_on() {
            witness::way(&self.path, below);
            witness::opened(&path(), Links::Keep, (&file, &signature));
        }
        if signature.kind() == FileKind::File {
            Ok((file, signature))
        } else {
            Err(Errno::INVAL).context("open as a regular file", &path())
        }
    }

    /// Opens for reading, so that the kernel need not stamp each file with when it was read: that
    /// writes to every inode. It is refused for files of other users.
    fn open_unstamped(&self, below: &RelPath) -> Result<OwnedFd, Errno> {
        static REFUSED: AtomicBool = AtomicBool::new(false);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if !REFUSED.load(Ordering::Relaxed) {
            match self.open_beneath(below, flags | UNSTAMPED) {
                Err(Errno::PERM) => REFUSED.store(true, Ordering::Relaxed),
                opened => return opened,
            }
        }
        self.open_beneath(below, flags)
    }

    /// Looks at what stands below, without following it if it is a link.
    pub fn status(&self, below: &RelPath) -> Result<Signature, PathError> {
        if below.is_root() {
            return self.own_status();
        }
        self.facts(below).map(|facts| facts.signature)
    }

    /// The same with whose it is; nothing there is `None`.
    pub fn facts_if_any(&self, below: &RelPath) -> Result<Option<Facts>, PathError> {
        self.facts(below).if_present()
    }

    fn facts(&self, below: &RelPath) -> Result<Facts, PathError> {
        let path = || self.path_of(below);
        let at = self.at(below).map_err(|error| {
            witness::place(&path(), Links::Keep, Some(error));
            looking(error, path())
        })?;
        if witness::is_on() {
            witness::way(&self.path, below);
        }
        Facts::of_name(at.dir(), at.name, path).map_err(|error| looking(error, path()))
    }

    /// Looks at what stands below; nothing there is `None`.
    pub fn status_if_any(&self, below: &RelPath) -> Result<Option<Signature>, PathError> {
        self.status(below).unless_absent()
    }

    /// Reads the text of a link.
    pub fn read_link(&self, below: &RelPath) -> Result<Vec<u8>, PathError> {
        let path = self.path_of(below);
        witness::way(&self.path, below);
        witness::text_of(&path);
        let at = self.at(below).context("read link", &path)?;
        rustix::fs::readlinkat(at.dir(), at.name, Vec::new())
            .map(std::ffi::CString::into_bytes)
            .context("read link", &path)
    }

    /// Makes a link with this text, where nothing may stand.
    pub fn create_link(&self, below: &RelPath, text: &[u8]) -> Result<(), PathError> {
        let path = self.path_of(below);
        let at = self.at(below).context("create link", &path)?;
        rustix::fs::symlinkat(text, at.dir(), at.name).context("create link", &path)
    }

    /// Renames what stands at `from` to `to` below `target`, over whatever stands there.
    pub fn rename(&self, from: &RelPath, target: &Self, to: &RelPath) -> Result<(), PathError> {
        self.rename_with(from, target, to, RenameFlags::empty())
    }

    /// Renames what stands at `from` to `to` below `target`, where nothing may stand. File systems
    /// that cannot promise this link a file instead, which never replaces; what they cannot link
    /// gets a check followed by a rename.
    pub fn rename_new(&self, from: &RelPath, target: &Self, to: &RelPath) -> Result<(), PathError> {
        match self.rename_with(from, target, to, RenameFlags::NOREPLACE) {
            Err(error) if is_unsupported(&error) => {}
            done => return done,
        }
        if target.status_if_any(to)?.is_some() {
            return Err(Errno::EXIST).context("rename to", &target.path_of(to));
        }
        match self.link_new(from, target, to) {
            Ok(()) => self.remove_file(from),
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => self.rename(from, target, to),
        }
    }

    /// Gives a file a second name, where nothing may stand.
    fn link_new(&self, from: &RelPath, target: &Self, to: &RelPath) -> Result<(), PathError> {
        let (old, new) = (self.path_of(from), target.path_of(to));
        let source = self.at(from).context("link", &old)?;
        let place = target.at(to).context("link to", &new)?;
        let flags = AtFlags::empty();
        rustix::fs::linkat(source.dir(), source.name, place.dir(), place.name, flags)
            .context("link to", &new)
    }

    fn rename_with(
        &self,
        from: &RelPath,
        target: &Self,
        to: &RelPath,
        flags: RenameFlags,
    ) -> Result<(), PathError> {
        let old = self.path_of(from);
        let source = self.at(from).context("rename", &old)?;
        let new = target.path_of(to);
        let destination = target.at(to).context("rename to", &new)?;
        let (old_dir, new_dir) = (source.dir(), destination.dir());
        if flags.is_empty() {
            rustix::fs::renameat(old_dir, source.name, new_dir, destination.name)
        } else {
            rustix::fs::renameat_with(old_dir, source.name, new_dir, destination.name, flags)
        }
        .context("rename to", &new)
    }

    /// Removes a file or link.
    pub fn remove_file(&self, below: &RelPath) -> Result<(), PathError> {
        self.unlink(below, AtFlags::empty(), "remove")
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, below: &RelPath) -> Result<(), PathError> {
        self.unlink(below, AtFlags::REMOVEDIR, "remove directory")
    }

    fn unlink(
        &self,
        below: &RelPath,
        flags: AtFlags,
        operation: &'static str,
    ) -> Result<(), PathError> {
        let path = self.path_of(below);
        let at = self.at(below).context(operation, &path)?;
        rustix::fs::unlinkat(at.dir(), at.name, flags).context(operation, &path)
    }

    /// Removes whatever stands at a path, with everything below it; links are removed, not
    /// followed. Nothing there is success. Depth costs memory, not stack (hazard G7).
    pub fn remove_all(&self, below: &RelPath) -> Result<(), PathError> {
        match self.status_if_any(below)? {
            None => return Ok(()),
            Some(signature) if signature.kind() != FileKind::Dir => {
                return self.remove_file(below);
            }
            Some(_) => {}
        }
        let mut found = vec![below.clone()];
        let mut next = 0;
        while let Some(path) = found.get(next).cloned() {
            next += 1;
            let dir = self.dir(&path)?;
            for listed in dir.list()? {
                let name = RelPath::new(listed.name).expect("a listed name is one component");
                let kind = match listed.kind {
                    Some(kind) => kind,
                    None => dir.status(&name)?.kind(),
                };
                if kind == FileKind::Dir {
                    found.push(path.join(&name));
                } else {
                    dir.remove_file(&name)?;
                }
            }
        }
        found
            .iter()
            .rev()
            .try_for_each(|path| self.remove_dir(path))
    }

    /// Lists the names in the directory, in no order; `.` and `..` are left out.
    pub fn list(&self) -> Result<Vec<Listed>, PathError> {
        witness::listed(&self.path, &self.handle);
        let dir = rustix::fs::Dir::read_from(&self.handle).context("list", &self.path)?;
        entries(dir, &self.path)
            .map(|entry| {
                let entry = entry?;
                Ok(Listed {
                    name: entry.file_name().to_bytes().to_vec(),
                    kind: FileKind::of(entry.file_type()),
                })
            })
            .collect()
    }

    /// The same in one buffer. A handle is listed so once.
    pub fn names(&self) -> Result<Names, PathError> {
        names_in(&self.handle, &self.path)
    }

    /// Opens beneath the handle; a link anywhere on the way, or at the end, is an error.
    fn open_beneath(&self, below: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        if below.is_root() {
            return rustix::fs::openat(&self.handle, c".", flags, Mode::empty());
        }
        #[cfg(target_os = "linux")]
        if below.as_bytes().len() <= LONGEST_PATH {
            use rustix::fs::ResolveFlags;
            let resolve = ResolveFlags::BENEATH
                .union(ResolveFlags::NO_SYMLINKS)
                .union(ResolveFlags::NO_MAGICLINKS);
            match rustix::fs::openat2(
                &self.handle,
                below.as_bytes(),
                flags,
                Mode::empty(),
                resolve,
            ) {
                // An old kernel, a filter that does not know the call, or a rename in between.
                Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN | Errno::INVAL) => {}
                opened => return opened,
            }
        }
        self.walk(below, flags)
    }

    /// Opens component by component without following links; for paths of any length.
    fn walk(&self, path: &RelPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut names = path.components().peekable();
        let mut opened: Option<OwnedFd> = None;
        while let Some(name) = names.next() {
            let at = opened
                .as_ref()
                .map_or(self.handle.as_fd(), |dir| dir.as_fd());
            let flags = if names.peek().is_some() {
                DIRECTORY
            } else {
                flags
            };
            opened = Some(open_one(at, name, flags)?);
        }
        opened.ok_or(Errno::INVAL)
    }

    /// Opens the directory in which `below` is one name.
    fn at<'a>(&'a self, below: &'a RelPath) -> Result<At<'a>, Errno> {
        let name = below.name().ok_or(Errno::INVAL)?;
        let opened = match below.parent().filter(|parent| !parent.is_root()) {
            Some(parent) => Some(self.open_beneath(&parent, DIRECTORY)?),
            None => None,
        };
        Ok(At {
            opened,
            own: self.handle.as_fd(),
            name,
        })
    }
}

/// A name in an open directory.
struct At<'a> {
    opened: Option<OwnedFd>,
    own: BorrowedFd<'a>,
    name: &'a [u8],
}

impl At<'_> {
    fn dir(&self) -> BorrowedFd<'_> {
        self.opened.as_ref().map_or(self.own, |dir| dir.as_fd())
    }
}

/// Opens one name in a directory, without following it.
fn open_one(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(dir, name, flags | OFlags::NOFOLLOW, Mode::empty())
}

fn looking(error: Errno, path: PathBuf) -> PathError {
    PathError {
        operation: "look at",
        path,
        source: error.into(),
    }
}

/// Says whether a file system answered that it does not know `RENAME_NOREPLACE`.
fn is_unsupported(error: &PathError) -> bool {
    let codes = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP].map(Errno::raw_os_error);
    error
        .source
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Sets the permission bits of an open file exactly, whatever the umask is. `path` is for errors.
pub fn set_mode(file: &File, mode: u32, path: &Path) -> Result<(), PathError> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode as RawMode)).context("change mode of", path)
}

/// Sets the permission bits of a file that may not even be opened for reading. A link is not
/// followed: what was found at the name is held while its mode is set.
pub fn set_mode_of(path: &Path, mode: u32) -> Result<(), PathError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = rustix::fs::open(path, flags, Mode::empty()).context("open", path)?;
    let through = format!("/proc/self/fd/{}", held.as_raw_fd());
    rustix::fs::chmod(&through, Mode::from_raw_mode(mode as RawMode))
        .context("change mode of", path)
}

/// Says whether this process may write what is read-only: nobody changes who it is while it runs.
pub fn is_root() -> bool {
    static IS_ROOT: OnceLock<bool> = OnceLock::new();
    *IS_ROOT.get_or_init(|| rustix::process::geteuid().is_root())
}

/// Returns the permission bits that new files of this process do not get.
///
/// It is read from `/proc`, because asking by `umask(2)` changes it for all threads; 022 where
/// there is no `/proc`.
pub fn umask() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    *UMASK.get_or_init(|| {
        // It is the second line, behind a name of at most 64 escaped bytes.
        let mut start = [0; 512];
        let status = read_once(Path::new("/proc/self/status"), &mut start).unwrap_or_default();
        String::from_utf8_lossy(status)
            .lines()
            .find_map(|line| line.strip_prefix("Umask:"))
            .and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok())
            .unwrap_or(0o022)
    })
}

#[cfg(test)]
#[path = "beneath_tests.rs"]
mod tests;
