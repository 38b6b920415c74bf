//! `trace`: runs the binary under test and counts its calls on files, to kill it at one of them
//! or to let one of them fail.
//!
//! One counter stands for all threads of the binary, so that "call 17" is a moment of the whole
//! process. What the binary starts is not traced and not counted; where the binary is killed, all
//! of its session is. Knows calls, not what they are for. Nothing outlives [`run`]: a tracer that
//! ends takes what it traces along.

mod calls;
mod deed;
mod registers;
mod session;
mod start;
mod tracer;

use std::io;
use std::path::Path;
use std::process::Command;

pub(crate) use calls::{Point, Scope};
pub(crate) use deed::{Deed, Fault};

/// What became of a traced run.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    /// How many calls were counted.
    pub(crate) calls: u64,
    /// Each of them, where [`Deed::List`] asked for it.
    pub(crate) points: Vec<Point>,
    /// The call that something was done to, where the run got as far as that.
    pub(crate) struck: Option<Point>,
    /// The exit code, or `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Whether it had to be killed because it did not end.
    pub(crate) hung: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs a command to its end; its streams go through files in the folder `streams`.
///
/// # Errors
/// Where it cannot be started or traced.
pub(crate) fn run(
    command: &mut Command,
    scope: Scope,
    deed: Deed,
    streams: &Path,
) -> io::Result<Traced> {
    run_while(command, (scope, deed), streams, &mut || {})
}

/// The same; `meanwhile` is what others do while it pauses, and is called once at most.
///
/// # Errors
/// Where it cannot be started or traced.
pub(crate) fn run_while(
    command: &mut Command,
    (scope, deed): (Scope, Deed),
    streams: &Path,
    meanwhile: &mut dyn FnMut(),
) -> io::Result<Traced> {
    let (stdout, stderr) = (streams.join("stdout"), streams.join("stderr"));
    command
        .stdout(std::fs::File::create(&stdout)?)
        .stderr(std::fs::File::create(&stderr)?);
    let mut traced = tracer::trace(start::stopped(command)?, (scope, deed), meanwhile)?;
    traced.stdout = std::fs::read(&stdout)?;
    traced.stderr = std::fs::read(&stderr)?;
    Ok(traced)
}

/// Says why runs cannot be traced here, if that is so.
pub(crate) fn obstacle() -> Option<&'static str> {
    (!cfg!(target_arch = "x86_64")).then_some("tracing calls is written for Linux on x86-64")
}
