//! Starts a child in a session of its own: the one place of this module with unsafe code.
//!
//! What the standard library does in the child first: the three streams, the working folder, the
//! signal mask. What is done here after it: a new session (so that a tool cannot stop for ever at
//! the terminal of its user, whose foreground it is not in), umask, signal dispositions, death
//! with the parent, no inherited descriptor, and `execve` itself, because the C library's `execvp`
//! quietly hands a file of unknown format to `/bin/sh`.

#![expect(
    unsafe_code,
    reason = "the hook between fork and exec, and what it must call there"
)]

use std::ffi::{CString, c_char, c_int, c_long};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use rustix::fs::Mode;
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal};

use super::error::diagnose;
use super::{ExecError, Launch, Stdin};
use crate::fs::spoil_account;

/// Files that a command makes are readable by all and writable by their owner, whatever the umask
/// of the caller (hazard A6).
const UMASK: Mode = Mode::WGRP.union(Mode::WOTH);

const SIG_DFL: usize = 0;
const LAST_SIGNAL: c_int = 64;
const FIRST_INHERITED: c_int = 3;

// Linux gives these two one number on every architecture; the C library of an older system has no
// function for the first.
const SYS_CLOSE_RANGE: c_long = 436;
const CLOSE_RANGE_CLOEXEC: c_int = 4;

// From the C library that the standard library links anyway.
unsafe extern "C" {
    fn signal(signal: c_int, handler: usize) -> usize;
    fn execve(
        program: *const c_char,
        argv: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// Starts the command, with its two output streams as pipes.
pub(super) fn spawn(launch: &mut Launch) -> Result<Child, ExecError> {
    spoil_account("a command was started");
    let image = Image::new(launch)?;
    let bytes = image.argv.bytes() + image.env.bytes();
    let stdin = match std::mem::take(&mut launch.stdin) {
        Stdin::Null => Stdio::null(),
        Stdin::File(file) => file.into(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where processes are started"
    )]
    let mut command = Command::new(&launch.program);
    command
        .current_dir(&launch.dir)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let parent = rustix::process::getpid();
    // SAFETY: the closure runs in the forked child, where other threads' locks may be held for
    // ever. It only makes system calls and calls functions that POSIX lists as async-signal-safe;
    // it allocates nothing, and its errors are bare numbers.
    unsafe {
        command.pre_exec(move || {
            prepare(parent)?;
            Err(image.execute())
        });
    }
    command
        .spawn()
        .map_err(|error| diagnose(&launch.program, &launch.dir, bytes, error))
}

/// Sets the child up. Async-signal-safe.
fn prepare(parent: Pid) -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::umask(UMASK);
    reset_signals();
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that died before the line above sends nothing any more.
    if rustix::process::getppid() != Some(parent) {
        return Err(rustix::io::Errno::SRCH.into());
    }
    close_inherited();
    Ok(())
}

/// Sets every signal to its default: what the caller ignores (`nohup`, a shell's `&`) would be
/// ignored by the command too. Async-signal-safe.
fn reset_signals() {
    for number in 1..=LAST_SIGNAL {
        // SAFETY: `signal` is async-signal-safe, and the default disposition names no code. It
        // refuses what cannot be changed and what the C library keeps for itself.
        unsafe { signal(number, SIG_DFL) };
    }
}

/// Marks all other descriptors to be closed by `execve`: what they refer to is no part of any key.
/// The pipe by which the standard library learns of a failure works on until then.
/// Async-signal-safe.
fn close_inherited() {
    // SAFETY: the call changes flags of descriptors and touches no memory.
    let done = unsafe {
        syscall(
            SYS_CLOSE_RANGE,
            FIRST_INHERITED,
            c_int::MAX,
            CLOSE_RANGE_CLOEXEC,
        )
    };
    if done == 0 {
        return;
    }
    // Before Linux 5.11. A caller rarely leaves open more than the first few.
    for number in FIRST_INHERITED..1024 {
        // SAFETY: the descriptor is only borrowed for a call that answers EBADF if it is not open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = rustix::io::fcntl_setfd(descriptor, FdFlags::CLOEXEC);
    }
}

/// Gives back to this process the exit statuses of its children, which a parent that ignored
/// `SIGCHLD` took from it. A front door calls it before it runs anything, unless it handles that
/// signal itself.
pub fn expect_child_status() {
    const SIGCHLD: c_int = 17;
    // SAFETY: the default disposition names no code.
    unsafe { signal(SIGCHLD, SIG_DFL) };
}

/// What `execve` takes, made before the fork because nothing may be allocated after it.
struct Image {
    program: CString,
    argv: Pointers,
    env: Pointers,
}

impl Image {
    fn new(launch: &Launch) -> Result<Self, ExecError> {
        let unusable = |what, problem, value: &[u8]| ExecError::Unusable {
            program: launch.program.clone(),
            what,
            problem,
            value: value.to_owned(),
        };
        let c_string = |what, bytes: Vec<u8>| {
            CString::new(bytes)
                .map_err(|error| unusable(what, "contains a NUL byte", &error.into_vec()))
        };
        if launch.argv.is_empty() {
            return Err(unusable("argument list", "is empty", b""));
        }
        let argv = launch
            .argv
            .iter()
            .map(|word| c_string("argument", word.clone()));
        let env = launch.env.iter().map(|(name, value)| {
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(unusable("variable", "has no usable name", name.as_bytes()));
            }
            c_string(
                "variable",
                [name.as_bytes(), b"=", value.as_bytes()].concat(),
            )
        });
        Ok(Self {
            program: c_string("path", launch.program.as_os_str().as_bytes().to_vec())?,
            argv: Pointers::new(argv.collect::<Result<_, _>>()?),
            env: Pointers::new(env.collect::<Result<_, _>>()?),
        })
    }

    /// Becomes the program, or says why not. Async-signal-safe.
    fn execute(&self) -> io::Error {
        // SAFETY: all three point to NUL-terminated strings, the lists end with a null pointer,
        // and `self` owns what they point to.
        unsafe {
            execve(
                self.program.as_ptr(),
                self.argv.pointers.as_ptr(),
                self.env.pointers.as_ptr(),
            );
        }
        io::Error::last_os_error()
    }
}

/// C strings, and the null-terminated list of pointers to them.
struct Pointers {
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers are to heap memory that `strings` owns and that nobody changes.
unsafe impl Send for Pointers {}
// SAFETY: as above.
unsafe impl Sync for Pointers {}

impl Pointers {
    fn new(strings: Vec<CString>) -> Self {
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([std::ptr::null()])
            .collect();
        Self { strings, pointers }
    }

    fn bytes(&self) -> usize {
        self.strings
            .iter()
            .map(|string| string.as_bytes_with_nul().len())
            .sum()
    }
}
