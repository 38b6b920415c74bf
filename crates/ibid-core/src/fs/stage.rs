//! Staged files and the few calls that change a directory.
//!
//! A file comes to be under a name of 128 bits that nobody else has, is written, closed, and only
//! then gets its real name. Invariants: every write and the close are checked, and a file with a failed one is
//! never published (hazard C3: the retry of a failed write "succeeds" without the data); what is
//! not published is removed on drop; after an error of a rename or link the inode at the target
//! decides, because a network file system may have lost only the reply (hazard D6).

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{BorrowedFd, IntoRawFd as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::{IoContext as _, PathError, Signature, umask};
use crate::digest::Digest;

/// A file that has no real name yet.
#[derive(Debug)]
pub struct Staged {
    file: Option<File>,
    path: PathBuf,
    inode: Option<(u64, u64)>,
    /// The permission bits that it was made with for good.
    mode: Option<u32>,
    failed: bool,
    published: bool,
}

/// What publishing without replacing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The name is ours.
    New,
    /// Somebody else's file has the name; ours was dropped.
    AlreadyThere,
}

impl Staged {
    /// Creates an empty file in `dir`, readable and writable by its owner only.
    pub fn create(dir: &Path) -> Result<Self, PathError> {
        Self::create_as(dir, None)
    }

    /// The same; where the umask lets it come to be with exactly these permission bits, it has
    /// them at once, and [`Staged::set_mode`] has nothing to do for them.
    pub fn create_as(dir: &Path, mode: Option<u32>) -> Result<Self, PathError> {
        // Looking at a file costs less than asking for the umask once, and more than that often.
        const LOOKED_AT: u32 = 4;
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let looks = mode.is_some() && CREATED.fetch_add(1, Ordering::Relaxed) < LOOKED_AT;
        let mode = mode.filter(|mode| looks || mode & umask() == 0);
        let bits = mode.map_or(Mode::RUSR | Mode::WUSR, Mode::from_raw_mode);
        let path = dir.join(random_name());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file: File = rustix::fs::open(&path, flags, bits)
            .context("create", &path)?
            .into();
        let found = looks.then(|| Signature::of_open(&file, &path).ok());
        let found = found.flatten();
        let is_so = |mode: &u32| !looks || found.is_some_and(|it| it.mode & 0o7777 == *mode);
        Ok(Self {
            file: Some(file),
            path,
            inode: found.map(|it| (it.device, it.inode)),
            mode: mode.filter(is_so),
            failed: false,
            published: false,
        })
    }

    /// Takes a file that this process made at `path` and nobody else has, and that has the mode
    /// `mode`, and fills it anew. What cannot be filled is removed.
    pub fn refill(
        (file, path, inode): (File, PathBuf, (u64, u64)),
        (length, mode): (u64, u32),
        content: &[u8],
    ) -> Result<Self, PathError> {
        use std::os::unix::fs::FileExt as _;
        let staged = Self {
            file: Some(file),
            path,
            inode: Some(inode),
            mode: Some(mode),
            failed: false,
            published: false,
        };
        let written = staged.file().write_all_at(content, 0);
        let size = content.len() as u64;
        let cut = |()| {
            if size < length {
                staged.file().set_len(size)
            } else {
                Ok(())
            }
        };
        written.and_then(cut).context("write", &staged.path)?;
        Ok(staged)
    }

    /// Returns the open file, until it is published.
    pub fn file(&self) -> &File {
        self.file.as_ref().expect("a published file is not written")
    }

    /// Returns the temporary path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends bytes. After a failure the file cannot be published.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        let written = self.file().write_all(bytes);
        self.failed |= written.is_err();
        written.context("write", &self.path)
    }

    /// Sets the permission bits exactly, whatever the umask is (hazard U1).
    pub fn set_mode(&self, mode: u32) -> Result<(), PathError> {
        if self.mode == Some(mode) {
            return Ok(());
        }
        rustix::fs::fchmod(self.file(), Mode::from_raw_mode(mode))
            .context("set the mode of", &self.path)
    }

    /// Waits until the content is on the disk. After a failure the file cannot be published.
    pub fn sync(&mut self) -> Result<(), PathError> {
        let synced = self.file().sync_data();
        self.failed |= synced.is_err();
        synced.context("sync", &self.path)
    }

    /// Closes the file and renames it to `target`, replacing what is there. If the directory of
    /// `target` is missing, it can be made and the call repeated.
    pub fn publish_over(&mut self, target: &Path) -> Result<(), PathError> {
        self.close()?;
        let renamed = rustix::fs::rename(&self.path, target);
        // Only the reply was lost if the name that nobody else knows is gone.
        let was_done = || {
            let left = Signature::of_link(&self.path);
            left.is_err_and(|error| error.is_absent()) && inode_of(target).is_some()
        };
        if renamed.is_ok() || was_done() {
            self.published = true;
            return Ok(());
        }
        renamed.context("rename a file to", target)
    }

    /// Closes the file and gives it the name `target` unless that is taken. If the directory of
    /// `target` is missing, it can be made and the call repeated.
    pub fn publish_new(&mut self, target: &Path) -> Result<Published, PathError> {
        let inode = self.close_known()?;
        let renamed =
            rustix::fs::renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => {}
            Err(Errno::EXIST) if inode_of(target) != Some(inode) => {
                return Ok(Published::AlreadyThere);
            }
            Err(_) if inode_of(target) == Some(inode) => {}
            // NFS and older file systems rename only with replacement; they do link.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return self.link_new(target, inode);
            }
            Err(error) => return Err(error).context("rename a file to", target),
        }
        self.published = true;
        Ok(Published::New)
    }

    /// Links the file to `target`; the temporary name goes on drop.
    fn link_new(&self, target: &Path, inode: (u64, u64)) -> Result<Published, PathError> {
        let linked = rustix::fs::linkat(CWD, &self.path, CWD, target, AtFlags::empty());
        match linked {
            _ if inode_of(target) == Some(inode) => Ok(Published::New),
            Err(Errno::EXIST) => Ok(Published::AlreadyThere),
            linked => linked
                .map(|()| Published::New)
                .context("link a file to", target),
        }
    }

    /// Closes the file if it is open and returns device and inode.
    fn close_known(&mut self) -> Result<(u64, u64), PathError> {
        if let (Some(file), None) = (&self.file, self.inode) {
            let signature = Signature::of_open(file, &self.path)?;
            self.inode = Some((signature.device, signature.inode));
        }
        self.close()?;
        match self.inode {
            Some(inode) => Ok(inode),
            // An earlier try to replace closed it.
            None => inode_of(&self.path)
                .ok_or(Errno::NOENT)
                .context("look at", &self.path),
        }
    }

    /// Closes the file if it is open; an error means that the bytes may not be there.
    fn close(&mut self) -> Result<(), PathError> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed")).context("keep", &self.path);
        }
        if let Some(file) = self.file.take()
            && let Err(error) = close_checked(file)
        {
            self.failed = true;
            return Err(error).context("close", &self.path);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // What stays behind is found by age.
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// Closes a file and reports what `close` says: network file systems tell only there that there
/// was no space (hazard E1).
pub fn close_checked(file: File) -> io::Result<()> {
    #[expect(
        unsafe_code,
        reason = "dropping a `File` hides the error of `close`; the descriptor is owned and given up here"
    )]
    // SAFETY: `into_raw_fd` gives the ownership away, so nobody else closes or uses it.
    let closed = unsafe { rustix::io::try_close(file.into_raw_fd()) };
    match closed {
        // The descriptor is closed on Linux even then.
        Err(Errno::INTR) => Ok(()),
        closed => closed.map_err(Into::into),
    }
}

/// Returns 32 hexadecimal digits that nobody else has.
pub fn random_name() -> String {
    format!("{:032x}", u128::from_be_bytes(random_bytes()))
}

/// Returns up to 32 bytes that nobody else has and nobody can foresee: the system is asked once,
/// and every call hashes that with a number of its own. A child that was forked counts on from the
/// same number, so the process id is hashed too.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    static SEED: OnceLock<[u8; 32]> = OnceLock::new();
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let seed = SEED.get_or_init(|| {
        let mut seed = [0; 32];
        // Without it names are still told apart.
        let filled = is_filled(&mut seed) || getrandom::fill(&mut seed).is_ok();
        if filled { seed } else { own_seed() }
    });
    let mut text = [0; 44];
    text[..32].copy_from_slice(seed);
    text[32..40].copy_from_slice(&call.to_le_bytes());
    text[40..].copy_from_slice(&pid.to_le_bytes());
    let hashed = Digest::of(&text);
    *hashed
        .as_bytes()
        .first_chunk()
        .expect("nobody asks for more than a digest holds")
}

/// Asks the kernel itself: a library in a static binary opens its devices.
#[cfg(target_os = "linux")]
fn is_filled(seed: &mut [u8; 32]) -> bool {
    use rustix::rand::{GetRandomFlags, getrandom};
    getrandom(&mut seed[..], GetRandomFlags::empty()) == Ok(32)
}

#[cfg(not(target_os = "linux"))]
fn is_filled(_seed: &mut [u8; 32]) -> bool {
    false
}

/// Returns what no other process of this machine has, by its number, the moment and where the
/// system has put it.
fn own_seed() -> [u8; 32] {
    let here = 0_u8;
    let clocks = [ClockId::Realtime, ClockId::Monotonic].map(clock_gettime);
    let text = format!(
        "{:?} {clocks:?} {:p}",
        rustix::process::getpid(),
        &raw const here
    );
    *Digest::of(text.as_bytes()).as_bytes()
}

fn inode_of(path: &Path) -> Option<(u64, u64)> {
    let signature = Signature::of_link(path).ok()?;
    Some((signature.device, signature.inode))
}

/// Makes a directory with exactly the permission bits `mode`, or with those that the umask leaves
/// if there is none. Returns whether it is new; one that is there is left as it is.
pub fn create_dir(path: &Path, mode: Option<u32>) -> Result<bool, PathError> {
    let bits = Mode::from_raw_mode(mode.unwrap_or(0o777));
    match rustix::fs::mkdir(path, bits) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(false),
        Err(error) => return Err(error).context("create the directory", path),
    }
    if mode.is_some() {
        set_dir_mode(path, bits)?;
    }
    Ok(true)
}

/// Sets the mode of a directory, and of nothing that a link leads to: where a group may write,
/// another member could have put one there in this moment (hazard G2).
fn set_dir_mode(path: &Path, bits: Mode) -> Result<(), PathError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags | OFlags::RDONLY, Mode::empty()) {
        Ok(dir) => rustix::fs::fchmod(dir, bits),
        // The umask took even the owner's right to read.
        Err(Errno::ACCESS) => {
            rustix::fs::open(path, flags | OFlags::PATH, Mode::empty()).and_then(|dir| {
                use std::os::fd::AsRawFd as _;
                rustix::fs::chmod(format!("/proc/self/fd/{}", dir.as_raw_fd()), bits)
            })
        }
        Err(error) => Err(error),
    }
    .context("set the mode of", path)
}

/// Makes a directory and those above it that are missing, each as [`create_dir`] does.
pub fn create_dirs(path: &Path, mode: Option<u32>) -> Result<(), PathError> {
    match create_dir(path, mode) {
        Ok(_) => Ok(()),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) else {
                return Err(error);
            };
            create_dirs(parent, mode)?;
            create_dir(path, mode).map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Makes a link that leads to `target`, where nothing may stand.
pub fn create_link(path: &Path, target: &Path) -> Result<(), PathError> {
    rustix::fs::symlink(target, path).context("create link", path)
}

/// Gives a file or a link another name, where nothing may stand. A link is not followed.
pub fn add_name(path: &Path, name: &Path) -> Result<(), PathError> {
    rustix::fs::linkat(CWD, path, CWD, name, AtFlags::empty()).context("link", name)
}

/// Removes a file or a link.
pub fn remove_file(path: &Path) -> Result<(), PathError> {
    rustix::fs::unlink(path).context("remove", path)
}

/// Renames `from` to `to`, replacing what is there.
pub fn rename(from: &Path, to: &Path) -> Result<(), PathError> {
    rustix::fs::rename(from, to).context("rename", from)
}

/// Renames `from` to `to` unless that name is taken. Returns whether it was done.
pub fn rename_new(from: &Path, to: &Path) -> Result<bool, PathError> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            match rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()) {
                Ok(()) => remove_file(from).map(|()| true),
                Err(Errno::EXIST) => Ok(false),
                Err(error) => Err(error).context("link", from),
            }
        }
        Err(error) => Err(error).context("rename", from),
    }
}

/// Links an open file, and no other that may have its name by then, to `name` in the directory
/// `dir`, where nothing of that name may be.
pub fn link_open(file: &File, dir: BorrowedFd<'_>, name: &Path) -> Result<(), PathError> {
    use std::os::fd::AsRawFd as _;
    // Linking a descriptor itself needs a capability on older kernels; its name in /proc never does.
    let linked = match rustix::fs::linkat(file, c"", dir, name, AtFlags::EMPTY_PATH) {
        Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
            let open = format!("/proc/self/fd/{}", file.as_raw_fd());
            rustix::fs::linkat(CWD, open, dir, name, AtFlags::SYMLINK_FOLLOW)
        }
        linked => linked,
    };
    linked.context("link", name)
}

/// Waits until the names in a directory are on the disk.
pub fn sync_dir(path: &Path) -> Result<(), PathError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty()).context("open", path)?;
    rustix::fs::fsync(dir).context("sync", path)
}

/// Waits until everything written to the file system of the directory `path` is on the disk.
pub fn sync_file_system(path: &Path) -> Result<(), PathError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty()).context("open", path)?;
    rustix::fs::syncfs(dir).context("sync", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{list_dir, read_small};
    use ibid_testkit::TempDir;

    fn staged(dir: &Path, content: &[u8]) -> Staged {
        let mut staged = Staged::create(dir).unwrap();
        staged.write_all(content).unwrap();
        staged
    }

    #[test]
    fn the_first_of_two_new_files_keeps_the_name() {
        let dir = TempDir::new();
        let target = dir.join("target");
        let publish = |content| staged(dir.path(), content).publish_new(&target).unwrap();
        assert_eq!(publish(b"first"), Published::New);
        assert_eq!(publish(b"second"), Published::AlreadyThere);
        assert_eq!(read_small(&target, 10).unwrap(), b"first");
        staged(dir.path(), b"third").publish_over(&target).unwrap();
        assert_eq!(read_small(&target, 10).unwrap(), b"third");
        assert_eq!(list_dir(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn linking_has_the_semantics_of_renaming() {
        let dir = TempDir::new();
        let target = dir.join("target");
        let link = |content| {
            let mut staged = staged(dir.path(), content);
            let inode = staged.close_known().unwrap();
            staged.link_new(&target, inode).unwrap()
        };
        assert_eq!(link(b"first"), Published::New);
        assert_eq!(link(b"second"), Published::AlreadyThere);
        assert_eq!(read_small(&target, 10).unwrap(), b"first");
        assert_eq!(list_dir(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn publishing_can_be_repeated_once_the_directory_is_made() {
        let dir = TempDir::new();
        let target = dir.join("a/b/target");
        let mut staged = staged(dir.path(), b"x");
        assert!(staged.publish_new(&target).unwrap_err().is_absent());
        create_dirs(&dir.join("a/b"), Some(0o750)).unwrap();
        assert_eq!(staged.publish_new(&target).unwrap(), Published::New);
        let mode = Signature::of(&dir.join("a/b")).unwrap().mode;
        assert_eq!(mode & 0o7777, 0o750);
    }

    #[test]
    fn an_open_file_is_linked_even_when_its_name_is_anothers() {
        use std::os::fd::AsFd as _;
        let dir = TempDir::new();
        let path = dir.join("a");
        staged(dir.path(), b"opened").publish_over(&path).unwrap();
        let open = crate::fs::open_file(&path).unwrap();
        let aside = dir.join("aside");
        assert!(rename_new(&path, &aside).unwrap());
        staged(dir.path(), b"another").publish_over(&path).unwrap();
        assert!(!rename_new(&path, &aside).unwrap());
        let handle = rustix::fs::open(dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        link_open(&open, handle.as_fd(), Path::new("linked")).unwrap();
        assert_eq!(read_small(&dir.join("linked"), 10).unwrap(), b"opened");
        assert!(link_open(&open, handle.as_fd(), Path::new("linked")).is_err());
    }

    #[test]
    fn names_are_told_apart_whether_or_not_the_system_gives_random_bytes() {
        let names: std::collections::BTreeSet<_> = (0..1000).map(|_| random_name()).collect();
        assert_eq!(names.len(), 1000);
        assert_ne!(own_seed(), own_seed(), "no two moments are the same");
    }

    #[test]
    fn a_file_has_exactly_the_mode_that_was_set_however_it_came_to_be() {
        let dir = TempDir::new();
        for (created, set) in [(None, 0o444), (Some(0o444), 0o444), (Some(0o666), 0o666)]
            .into_iter()
            .chain([(Some(0o444), 0o640)])
        {
            let mut staged = Staged::create_as(dir.path(), created).unwrap();
            staged.write_all(b"x").unwrap();
            staged.set_mode(set).unwrap();
            let target = dir.join("target");
            staged.publish_over(&target).unwrap();
            assert_eq!(Signature::of(&target).unwrap().mode & 0o7777, set);
        }
    }

    #[test]
    fn what_failed_once_is_never_published() {
        let dir = TempDir::new();
        let mut staged = staged(dir.path(), b"x");
        staged.failed = true;
        assert!(staged.publish_over(&dir.join("target")).is_err());
        drop(staged);
        assert!(list_dir(dir.path()).unwrap().is_empty());
    }
}
