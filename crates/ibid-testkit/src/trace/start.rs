//! The start of a traced process: it asks to be traced and stops once it is the binary under
//! test. The only `unsafe` block of this crate.

#![expect(
    unsafe_code,
    reason = "what happens between fork and exec is promised, not checked"
)]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::ptrace;
use nix::unistd::{Pid, setsid};

/// Starts a command in a session of its own; it stands still before its first instruction.
pub(super) fn stopped(command: &mut Command) -> io::Result<Pid> {
    let ask = || {
        setsid()?;
        ptrace::traceme()?;
        Ok(())
    };
    // SAFETY: both are plain system calls, which a forked child may make; nothing is allocated.
    unsafe {
        command.pre_exec(ask);
    }
    // The tracer waits for it; a `Child` that is dropped neither waits nor kills.
    let child = command.spawn()?;
    i32::try_from(child.id())
        .map(Pid::from_raw)
        .map_err(io::Error::other)
}
