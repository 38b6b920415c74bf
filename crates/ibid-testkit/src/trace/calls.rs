//! Which system calls are counted, and what they name.
//!
//! Descriptors count where an open that was seen gave them: a file, never a pipe, a socket or the
//! standard streams.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::libc::{self, c_long};
use nix::unistd::Pid;

/// Which calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that change files, or may.
    Changes,
    /// All on files, looking and reading too.
    Files,
}

/// A counted call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// From 1 on.
    pub(crate) number: u64,
    pub(crate) call: &'static str,
    /// What it is about: a rename names two.
    pub(crate) paths: Vec<PathBuf>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}, {}", self.number, self.call)?;
        for path in &self.paths {
            write!(f, " `{}`", path.display())?;
        }
        Ok(())
    }
}

/// Where a call names what it is about.
#[derive(Clone, Copy)]
enum Named {
    /// A path, relative to the working folder.
    Path(usize),
    /// A path, relative to the descriptor before it.
    At(usize),
    /// A descriptor.
    Fd(usize),
    Paths(usize, usize),
    Ats(usize, usize),
    Fds(usize, usize),
    /// A text and a path relative to the descriptor before it.
    LinkAt(usize),
}

/// Whether a call changes a file.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Looks,
    Changes,
    /// By the flags in this argument.
    Opens(usize),
    /// By the flags in the memory at this argument.
    OpensHow(usize),
    Closes,
    /// Only by the requests that clone.
    Controls,
    /// Only by the commands that lock.
    Locks,
}

use Effect::{Changes, Closes, Controls, Locks, Looks, Opens, OpensHow};
use Named::{At, Ats, Fd, Fds, LinkAt, Path as ByPath, Paths};

type Row = (c_long, &'static str, Named, Effect);

const fn row(number: c_long, name: &'static str, named: Named, effect: Effect) -> Row {
    (number, name, named, effect)
}

/// Those of each architecture.
#[rustfmt::skip]
const CALLS: &[Row] = &[
    row(libc::SYS_openat, "openat", At(1), Opens(2)),
    row(libc::SYS_openat2, "openat2", At(1), OpensHow(2)),
    row(libc::SYS_close, "close", Fd(0), Closes),
    row(libc::SYS_read, "read", Fd(0), Looks),
    row(libc::SYS_readv, "readv", Fd(0), Looks),
    row(libc::SYS_pread64, "pread64", Fd(0), Looks),
    row(libc::SYS_write, "write", Fd(0), Changes),
    row(libc::SYS_writev, "writev", Fd(0), Changes),
    row(libc::SYS_pwrite64, "pwrite64", Fd(0), Changes),
    row(libc::SYS_pwritev, "pwritev", Fd(0), Changes),
    row(libc::SYS_sendfile, "sendfile", Fds(0, 1), Changes),
    row(libc::SYS_copy_file_range, "copy_file_range", Fds(0, 2), Changes),
    row(libc::SYS_ftruncate, "ftruncate", Fd(0), Changes),
    row(libc::SYS_truncate, "truncate", ByPath(0), Changes),
    row(libc::SYS_fallocate, "fallocate", Fd(0), Changes),
    row(libc::SYS_fsync, "fsync", Fd(0), Changes),
    row(libc::SYS_fdatasync, "fdatasync", Fd(0), Changes),
    row(libc::SYS_syncfs, "syncfs", Fd(0), Changes),
    row(libc::SYS_fchmod, "fchmod", Fd(0), Changes),
    row(libc::SYS_fchmodat, "fchmodat", At(1), Changes),
    row(libc::SYS_fchown, "fchown", Fd(0), Changes),
    row(libc::SYS_fchownat, "fchownat", At(1), Changes),
    row(libc::SYS_utimensat, "utimensat", At(1), Changes),
    row(libc::SYS_mkdirat, "mkdirat", At(1), Changes),
    row(libc::SYS_unlinkat, "unlinkat", At(1), Changes),
    row(libc::SYS_renameat, "renameat", Ats(1, 3), Changes),
    row(libc::SYS_renameat2, "renameat2", Ats(1, 3), Changes),
    row(libc::SYS_linkat, "linkat", Ats(1, 3), Changes),
    row(libc::SYS_symlinkat, "symlinkat", LinkAt(2), Changes),
    row(libc::SYS_mknodat, "mknodat", At(1), Changes),
    row(libc::SYS_ioctl, "ioctl", Fd(0), Controls),
    row(libc::SYS_fcntl, "fcntl", Fd(0), Locks),
    row(libc::SYS_flock, "flock", Fd(0), Looks),
    row(libc::SYS_statx, "statx", At(1), Looks),
    row(libc::SYS_fstat, "fstat", Fd(0), Looks),
    row(libc::SYS_fstatfs, "fstatfs", Fd(0), Looks),
    row(libc::SYS_statfs, "statfs", ByPath(0), Looks),
    row(libc::SYS_getdents64, "getdents64", Fd(0), Looks),
    row(libc::SYS_lseek, "lseek", Fd(0), Looks),
    row(libc::SYS_readlinkat, "readlinkat", At(1), Looks),
    row(libc::SYS_faccessat, "faccessat", At(1), Looks),
    row(libc::SYS_faccessat2, "faccessat2", At(1), Looks),
    row(libc::SYS_chdir, "chdir", ByPath(0), Looks),
];

/// Those that only this architecture has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD: &[Row] = &[
    row(libc::SYS_open, "open", ByPath(0), Opens(1)),
    row(libc::SYS_creat, "creat", ByPath(0), Changes),
    row(libc::SYS_mkdir, "mkdir", ByPath(0), Changes),
    row(libc::SYS_rmdir, "rmdir", ByPath(0), Changes),
    row(libc::SYS_unlink, "unlink", ByPath(0), Changes),
    row(libc::SYS_rename, "rename", Paths(0, 1), Changes),
    row(libc::SYS_link, "link", Paths(0, 1), Changes),
    row(libc::SYS_symlink, "symlink", Paths(0, 1), Changes),
    row(libc::SYS_chmod, "chmod", ByPath(0), Changes),
    row(libc::SYS_newfstatat, "newfstatat", At(1), Looks),
    row(libc::SYS_stat, "stat", ByPath(0), Looks),
    row(libc::SYS_lstat, "lstat", ByPath(0), Looks),
    row(libc::SYS_access, "access", ByPath(0), Looks),
    row(libc::SYS_readlink, "readlink", ByPath(0), Looks),
];

#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Row] = &[];

/// Calls that start a process, whatever their arguments.
#[cfg(target_arch = "x86_64")]
const FORKS: [c_long; 2] = [libc::SYS_fork, libc::SYS_vfork];

#[cfg(not(target_arch = "x86_64"))]
const FORKS: [c_long; 0] = [];

/// `FICLONE` and `FICLONERANGE`.
const CLONES: [u64; 2] = [0x4004_9409, 0x4020_940d];

/// A call as a thread is about to make it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) arguments: [u64; 6],
}

/// The descriptors that opens gave, and whether one may write to them.
pub(super) type Opened = BTreeMap<u64, bool>;

impl Call {
    fn row(&self) -> Option<&'static Row> {
        let number = c_long::try_from(self.number).ok()?;
        CALLS.iter().chain(OLD).find(|row| row.0 == number)
    }

    /// Says whether it is counted.
    pub(super) fn counts(&self, pid: Pid, scope: Scope, opened: &Opened) -> bool {
        let Some((.., named, effect)) = self.row() else {
            return false;
        };
        let is_open = |at: usize| opened.contains_key(&self.arguments[at]);
        let is_known = match *named {
            Named::Fd(at) => is_open(at),
            Named::Fds(one, other) => is_open(one) || is_open(other),
            _ => true,
        };
        let changes = match *effect {
            Effect::Looks => false,
            Effect::Changes => true,
            Effect::Opens(_) | Effect::OpensHow(_) => self.opens_to_write(pid),
            Effect::Closes => opened.get(&self.arguments[0]).is_some_and(|writes| *writes),
            Effect::Controls => {
                let clones = CLONES.contains(&(self.arguments[1] & 0xffff_ffff));
                return clones && is_known;
            }
            Effect::Locks => {
                let lock = [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK];
                let command = i32::try_from(self.arguments[1]).unwrap_or_default();
                return scope == Scope::Files && is_known && lock.contains(&command);
            }
        };
        is_known && (changes || scope == Scope::Files)
    }

    /// Says whether it opens a file that may be written to; false where it opens nothing.
    fn opens_to_write(&self, pid: Pid) -> bool {
        let Some((.., effect)) = self.row() else {
            return false;
        };
        let flags = match *effect {
            Effect::Opens(at) => self.arguments[at],
            Effect::OpensHow(at) => {
                let mut how = [0; 8];
                let read =
                    memory(pid).and_then(|it| it.read_exact_at(&mut how, self.arguments[at]));
                read.map_or(0, |()| u64::from_ne_bytes(how))
            }
            _ => return false,
        };
        let writes = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
        flags & u64::from(writes.cast_unsigned()) != 0
    }

    /// Says whether it starts a process, rather than a thread.
    pub(super) fn starts_process(&self, pid: Pid) -> bool {
        let is = |known: c_long| u64::try_from(known) == Ok(self.number);
        let flags = if is(libc::SYS_clone) {
            self.arguments[0]
        } else if is(libc::SYS_clone3) {
            let mut flags = [0; 8];
            let read = memory(pid).and_then(|it| it.read_exact_at(&mut flags, self.arguments[0]));
            read.map_or(0, |()| u64::from_ne_bytes(flags))
        } else {
            return FORKS.iter().any(|known| is(*known));
        };
        flags & u64::from(libc::CLONE_THREAD.cast_unsigned()) == 0
    }

    /// Says whether its answer gives or takes a descriptor.
    pub(super) fn is_noted(&self) -> bool {
        self.row().is_some_and(|(_, name, _, effect)| match effect {
            Opens(_) | OpensHow(_) | Locks | Closes => true,
            Changes => *name == "creat",
            Looks | Controls => false,
        })
    }

    /// Notes the descriptor that it gave or took.
    pub(super) fn note(&self, pid: Pid, answer: i64, opened: &mut Opened) {
        let Some((_, name, _, effect)) = self.row() else {
            return;
        };
        match (*effect, u64::try_from(answer)) {
            (Effect::Opens(_) | Effect::OpensHow(_), Ok(given)) => {
                opened.insert(given, self.opens_to_write(pid));
            }
            (Effect::Changes, Ok(given)) if *name == "creat" => {
                opened.insert(given, true);
            }
            (Effect::Locks, Ok(given)) => {
                let copies = [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];
                let command = i32::try_from(self.arguments[1]).unwrap_or_default();
                if let Some(writes) = opened.get(&self.arguments[0]).copied()
                    && copies.contains(&command)
                {
                    opened.insert(given, writes);
                }
            }
            (Effect::Closes, _) => {
                opened.remove(&self.arguments[0]);
            }
            _ => {}
        }
    }

    /// Returns the argument that says how many bytes are to be moved, and its value.
    pub(super) fn count(&self) -> Option<(usize, u64)> {
        let (_, name, ..) = self.row()?;
        match *name {
            "read" | "write" | "pread64" | "pwrite64" => Some((2, self.arguments[2])),
            "copy_file_range" => Some((4, self.arguments[4])),
            _ => None,
        }
    }

    /// Names it, as long as its thread stands still before it.
    pub(super) fn point(&self, number: u64, pid: Pid) -> Point {
        let Some((_, call, named, _)) = self.row() else {
            let (call, paths) = ("?", Vec::new());
            return Point {
                number,
                call,
                paths,
            };
        };
        let paths = match *named {
            Named::Path(at) => vec![self.path(pid, None, at)],
            Named::At(at) | Named::LinkAt(at) => vec![self.path(pid, Some(at - 1), at)],
            Named::Fd(at) => vec![self.descriptor(pid, at)],
            Named::Paths(one, other) => {
                vec![self.path(pid, None, one), self.path(pid, None, other)]
            }
            Named::Ats(one, other) => vec![
                self.path(pid, Some(one - 1), one),
                self.path(pid, Some(other - 1), other),
            ],
            Named::Fds(one, other) => {
                vec![self.descriptor(pid, one), self.descriptor(pid, other)]
            }
        };
        Point {
            number,
            call,
            paths,
        }
    }

    fn path(&self, pid: Pid, folder: Option<usize>, at: usize) -> PathBuf {
        let text = text(pid, self.arguments[at]);
        if text.is_absolute() {
            return text;
        }
        let base = match folder.map(|at| self.arguments[at]) {
            Some(fd) if fd & 0xffff_ffff != u64::from(libc::AT_FDCWD.cast_unsigned()) => {
                fs::read_link(format!("/proc/{pid}/fd/{fd}"))
            }
            _ => fs::read_link(format!("/proc/{pid}/cwd")),
        };
        let base = base.unwrap_or_default();
        if text == Path::new("") {
            base
        } else {
            base.join(text)
        }
    }

    fn descriptor(&self, pid: Pid, at: usize) -> PathBuf {
        fs::read_link(format!("/proc/{pid}/fd/{}", self.arguments[at])).unwrap_or_default()
    }
}

fn memory(pid: Pid) -> std::io::Result<fs::File> {
    fs::File::open(format!("/proc/{pid}/mem"))
}

/// Reads a path in the memory of a process.
fn text(pid: Pid, address: u64) -> PathBuf {
    let mut bytes = vec![0; libc::PATH_MAX.cast_unsigned() as usize];
    // The page after the text need not be there: a short read is as good.
    let read = memory(pid).and_then(|it| it.read_at(&mut bytes, address));
    bytes.truncate(read.unwrap_or(0));
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}
