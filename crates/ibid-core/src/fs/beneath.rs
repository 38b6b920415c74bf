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

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawMode, RenameFlags, StatxFlags};
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
    handle: OwnedFd,
    path: PathBuf,
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
#[expect(
    clippy::disallowed_methods,
    reason = "tests build trees by plain calls"
)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn reading_what_was_opened_leaves_no_stamp() {
        use std::io::Read as _;
        use std::os::unix::fs::MetadataExt as _;
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        fs::write(temp.join("file"), "text").unwrap();
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(7);
        let times = fs::FileTimes::new().set_accessed(long_ago);
        let file = File::options().write(true).open(temp.join("file")).unwrap();
        file.set_times(times).unwrap();
        let (mut opened, _) = dir.open_file(&path("file")).unwrap();
        let mut text = String::new();
        opened.read_to_string(&mut text).unwrap();
        let accessed = fs::metadata(temp.join("file")).unwrap().atime();
        assert_eq!((text.as_str(), accessed), ("text", 7));
        // Whoever may not leave out the stamps of others' files reads them all the same.
        let theirs = Dir::open(Path::new("/etc")).unwrap();
        assert!(theirs.open_file(&path("passwd")).is_ok());
    }

    #[test]
    fn no_call_below_a_handle_passes_a_link() {
        let temp = TempDir::new();
        fs::create_dir_all(temp.join("outside/x")).unwrap();
        fs::write(temp.join("outside/x/file"), "theirs").unwrap();
        fs::create_dir(temp.join("in")).unwrap();
        let dir = Dir::open(&temp.join("in")).unwrap();
        symlink(temp.join("outside"), temp.join("in/absolute")).unwrap();
        symlink("../outside", temp.join("in/relative")).unwrap();
        fs::write(temp.join("in/mine"), "mine").unwrap();
        for link in ["absolute", "relative"] {
            let below = |name: &str| path(&format!("{link}/x/{name}"));
            assert!(dir.dir(&path(link)).is_err());
            assert!(dir.dir(&path(&format!("{link}/x"))).is_err());
            assert!(dir.create_dirs(&below("new")).is_err());
            assert!(dir.create_private_dir(&below("new")).is_err());
            assert!(dir.create_file(&below("new")).is_err());
            assert!(dir.open_file(&below("file")).is_err());
            assert!(dir.status(&below("file")).is_err());
            assert!(dir.create_link(&below("new"), b"text").is_err());
            assert!(dir.rename(&path("mine"), &dir, &below("new")).is_err());
            assert!(dir.rename(&below("file"), &dir, &path("stolen")).is_err());
            assert!(dir.remove_file(&below("file")).is_err());
            assert!(dir.remove_all(&below("file")).is_err());
            for flags in [OFlags::RDONLY, DIRECTORY] {
                assert!(dir.walk(&below("file"), flags).is_err());
                assert!(dir.walk(&path(link), flags).is_err());
            }
            dir.remove_all(&path(link)).unwrap();
        }
        assert_eq!(fs::read_dir(temp.join("outside/x")).unwrap().count(), 1);
        assert_eq!(fs::read(temp.join("outside/x/file")).unwrap(), b"theirs");
    }

    #[test]
    fn removing_a_tree_removes_links_and_not_their_targets() {
        let temp = TempDir::new();
        fs::create_dir_all(temp.join("in/a/b/c")).unwrap();
        fs::write(temp.join("in/a/b/file"), "x").unwrap();
        fs::write(temp.join("kept"), "kept").unwrap();
        symlink(temp.path(), temp.join("in/a/b/c/up")).unwrap();
        let dir = Dir::open(&temp.join("in")).unwrap();
        dir.remove_all(&path("a")).unwrap();
        dir.remove_all(&path("a")).unwrap();
        assert_eq!(dir.list().unwrap(), []);
        assert!(temp.join("kept").exists());
    }

    #[test]
    fn paths_longer_than_the_kernel_takes_are_walked() {
        let temp = TempDir::new();
        let name = "n".repeat(200);
        let deep = path(&vec![name.as_str(); 40].join("/"));
        let dir = Dir::open(temp.path()).unwrap();
        dir.create_dirs(&deep).unwrap();
        dir.create_file(&deep.join(&path("file"))).unwrap();
        assert!(dir.open_file(&deep.join(&path("file"))).is_ok());
        dir.remove_all(&path(&name)).unwrap();
        assert_eq!(dir.list().unwrap(), []);
    }

    #[test]
    fn only_regular_files_are_opened_and_a_fifo_is_not_waited_for() {
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        rustix::fs::mkfifoat(CWD, temp.join("fifo"), Mode::RWXU).unwrap();
        fs::create_dir(temp.join("dir")).unwrap();
        symlink("/dev/zero", temp.join("link")).unwrap();
        for name in ["fifo", "dir", "link"] {
            assert!(dir.open_file(&path(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_rename_to_a_new_name_never_replaces() {
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        fs::write(temp.join("a"), "a").unwrap();
        fs::write(temp.join("b"), "b").unwrap();
        assert!(dir.rename_new(&path("a"), &dir, &path("b")).is_err());
        dir.rename_new(&path("a"), &dir, &path("c")).unwrap();
        assert_eq!(fs::read(temp.join("b")).unwrap(), b"b");
        assert_eq!(fs::read(temp.join("c")).unwrap(), b"a");
    }

    #[test]
    fn linking_a_file_never_replaces_and_a_directory_cannot_be_linked() {
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        fs::write(temp.join("a"), "a").unwrap();
        fs::write(temp.join("b"), "b").unwrap();
        fs::create_dir(temp.join("d")).unwrap();
        let taken = dir.link_new(&path("a"), &dir, &path("b")).unwrap_err();
        assert_eq!(taken.source.kind(), io::ErrorKind::AlreadyExists);
        dir.link_new(&path("a"), &dir, &path("c")).unwrap();
        assert_eq!(fs::read(temp.join("c")).unwrap(), b"a");
        assert!(dir.link_new(&path("d"), &dir, &path("e")).is_err());
    }

    #[test]
    fn missing_directories_are_made_through_the_users_links() {
        let temp = TempDir::new();
        fs::create_dir(temp.join("scratch")).unwrap();
        symlink(temp.join("scratch"), temp.join("results")).unwrap();
        Dir::open_or_create(&temp.join("results/a/b")).unwrap();
        assert!(temp.join("scratch/a/b").is_dir());
    }
}
