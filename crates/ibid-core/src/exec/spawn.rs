//! Starts a child in a session of its own: the one place of this module with unsafe code.
//!
//! The child runs in the memory of this process until it executes its program, while the thread
//! that started it waits (`CLONE_VM | CLONE_VFORK`): copying the page tables of a process that has
//! read much costs more than many a command. What is done there: the three streams, the working
//! folder, a new session (so that a tool cannot stop for ever at the terminal of its user, whose
//! foreground it is not in), umask, signals, death with the parent, no inherited descriptor, and
//! `execve` itself, because the C library's `execvp` quietly hands a file of unknown format to
//! `/bin/sh`. All of it is system calls on the child's own descriptors, folder and dispositions;
//! no signal reaches a handler there, because all are blocked until the defaults are set.

#![expect(
    unsafe_code,
    reason = "the child between its start and exec, and what it must call there"
)]

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::Mode;
use rustix::io::{Errno, FdFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions};

use super::error::diagnose;
use super::{ExecError, Launch, Stdin};
use crate::fs::{open_nothing, spoil_account};

/// Files that a command makes are readable by all and writable by their owner, whatever the umask
/// of the caller (hazard A6).
const UMASK: Mode = Mode::WGRP.union(Mode::WOTH);

const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const LAST_SIGNAL: c_int = 64;
const FIRST_INHERITED: c_int = 3;

const CLONE_VM: c_int = 0x100;
const CLONE_VFORK: c_int = 0x4000;
const SIGCHLD: c_int = 17;
const SIG_SETMASK: c_int = 2;

/// What the child needs of a stack: a few frames of system calls.
const STACK: usize = 32 * 1024;

/// What a child exits with that cannot execute its program; nobody sees it.
const NOT_STARTED: c_int = 127;

// Linux gives these two one number on every architecture; the C library of an older system has no
// function for the first.
const SYS_CLOSE_RANGE: c_long = 436;
const CLOSE_RANGE_CLOEXEC: c_int = 4;

/// A set of signals as the C library has it: 1024 bits.
#[repr(C)]
struct SignalSet([u64; 16]);

// From the C library that the standard library links anyway.
unsafe extern "C" {
    fn signal(signal: c_int, handler: usize) -> usize;
    fn execve(
        program: *const c_char,
        argv: *const *const c_char,
        env: *const *const c_char,
    ) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn clone(
        entry: extern "C" fn(*mut c_void) -> c_int,
        stack: *mut c_void,
        flags: c_int,
        argument: *mut c_void,
        ...
    ) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn _exit(code: c_int) -> !;
}

/// A child that has executed its program.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    /// What it writes to its standard output.
    pub(super) stdout: OwnedFd,
    /// What it writes to its standard error.
    pub(super) stderr: OwnedFd,
}

/// Starts the command, with its two output streams as pipes.
pub(super) fn spawn(launch: &mut Launch) -> Result<Child, ExecError> {
    spoil_account("a command was started");
    let image = Image::new(launch)?;
    let bytes = image.argv.bytes() + image.env.bytes();
    start(image, std::mem::take(&mut launch.stdin))
        .map_err(|error| diagnose(&launch.program, &launch.dir, bytes, error))
}

fn start(image: Image, stdin: Stdin) -> io::Result<Child> {
    let stdin: OwnedFd = match stdin {
        Stdin::Null => open_nothing()?,
        Stdin::File(file) => file.into(),
    };
    let (stdout, child_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, child_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let (told, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    let streams = [
        above_streams(stdin)?,
        above_streams(child_stdout)?,
        above_streams(child_stderr)?,
    ];
    let tell = above_streams(tell)?;
    let mut plan = Plan {
        image,
        streams: streams.each_ref().map(OwnedFd::as_raw_fd),
        tell: tell.as_raw_fd(),
        parent: rustix::process::getpid(),
    };
    let pid = plan.start()?;
    // It has its own copies, or has ended.
    drop((streams, tell));
    let mut error = [0; size_of::<i32>()];
    // Nothing comes from a child that executes its program: the pipe is closed by that.
    if File::from(told).read_exact(&mut error).is_ok() {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(error)));
    }
    Ok(Child {
        pid,
        stdout,
        stderr,
    })
}

/// Moves a descriptor above those of the three streams, which the child fills one after the other.
fn above_streams(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() >= FIRST_INHERITED {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(
        &descriptor,
        FIRST_INHERITED,
    )?)
}

/// What the child does, made before it starts because nothing may be allocated there.
struct Plan {
    image: Image,
    /// What become its descriptors 0, 1 and 2.
    streams: [RawFd; 3],
    /// Where it says why it could not execute its program.
    tell: RawFd,
    parent: Pid,
}

impl Plan {
    /// Starts the child and waits until it has executed its program, or has said why not.
    fn start(&mut self) -> io::Result<Pid> {
        let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
        let all = SignalSet([u64::MAX; 16]);
        let mut before = SignalSet([0; 16]);
        // SAFETY: both sets are as large as the C library's, and live across the calls. The child
        // gets the end of a stack of its own, aligned as every architecture wants it, that lives
        // until `clone` returns; with `CLONE_VFORK` that is after the child has left this memory.
        // `self` is not used by anybody else meanwhile.
        let pid = unsafe {
            pthread_sigmask(SIG_SETMASK, &raw const all, &raw mut before);
            let top = stack.as_mut_ptr().add(stack.capacity());
            let flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
            let pid = clone(child, top.cast(), flags, (&raw mut *self).cast());
            let error = io::Error::last_os_error();
            pthread_sigmask(SIG_SETMASK, &raw const before, std::ptr::null_mut());
            if pid > 0 { Ok(pid) } else { Err(error) }
        };
        Ok(Pid::from_raw(pid?).expect("process ids are positive"))
    }

    /// Sets the child up. Makes system calls and nothing else.
    fn set_up(&self) -> io::Result<()> {
        for (from, to) in self.streams.iter().zip(0..) {
            // SAFETY: the descriptors are the child's own copies; the first is open, and above
            // all that are replaced.
            if unsafe { dup2(*from, to) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        rustix::process::chdir(&self.image.dir)?;
        rustix::process::setsid()?;
        rustix::process::umask(UMASK);
        reset_signals();
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that died before the line above sends nothing any more.
        if rustix::process::getppid() != Some(self.parent) {
            return Err(Errno::SRCH.into());
        }
        close_inherited();
        Ok(())
    }
}

/// The child's life until it is the command. It never returns, and touches nothing that another
/// thread of this process could be changing.
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: it is the plan that `clone` was given, and lives until this process has gone on.
    let plan = unsafe { &*plan.cast::<Plan>() };
    let error = match plan.set_up() {
        Ok(()) => plan.image.execute(),
        Err(error) => error,
    };
    let number = error.raw_os_error().unwrap_or(0).to_ne_bytes();
    // SAFETY: the descriptor is the child's own copy, and open until it ends.
    let tell = unsafe { BorrowedFd::borrow_raw(plan.tell) };
    let _ = rustix::io::write(tell, &number);
    // SAFETY: it ends this process and runs nothing of what was registered for its end.
    unsafe { _exit(NOT_STARTED) }
}

/// Sets every signal to its default: what the caller ignores (`nohup`, a shell's `&`) would be
/// ignored by the command too. Then nothing is blocked any more.
fn reset_signals() {
    for number in 1..=LAST_SIGNAL {
        // SAFETY: the dispositions are the child's own, and the default one names no code. The call
        // refuses what cannot be changed and what the C library keeps for itself.
        unsafe { signal(number, SIG_DFL) };
    }
    let none = SignalSet([0; 16]);
    // SAFETY: the set is as large as the C library's.
    unsafe { pthread_sigmask(SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// Marks all other descriptors to be closed by `execve`: what they refer to is no part of any key.
/// The pipe that tells of a failure works on until then.
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
    // SAFETY: the default disposition names no code.
    unsafe { signal(SIGCHLD, SIG_DFL) };
}

/// Makes writing to a pipe that nobody reads an error of that write, instead of the end of this
/// process. A front door calls it first, unless its runtime has.
pub fn ignore_broken_pipes() {
    const SIGPIPE: c_int = 13;
    // SAFETY: to ignore names no code.
    unsafe { signal(SIGPIPE, SIG_IGN) };
}

/// What `execve` takes, and where.
struct Image {
    dir: CString,
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
            dir: c_string("working folder", launch.dir.as_os_str().as_bytes().to_vec())?,
            program: c_string("path", launch.program.as_os_str().as_bytes().to_vec())?,
            argv: Pointers::new(argv.collect::<Result<_, _>>()?),
            env: Pointers::new(env.collect::<Result<_, _>>()?),
        })
    }

    /// Becomes the program, or says why not.
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
