//! What is started and what came of it: plain data.
//!
//! A launch is complete. Nothing in it is looked up in the caller's process, so that a run is a
//! function of what was keyed.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::SpooledLog;
use crate::fs::PathError;

/// A command with everything resolved.
#[derive(Debug)]
pub struct Launch {
    /// The file that is executed. A relative path is taken from `dir`; `PATH` is not searched.
    pub program: PathBuf,
    /// The argument vector, with the name that the program is called by as its first element.
    pub argv: Vec<Vec<u8>>,
    /// The working folder.
    pub dir: PathBuf,
    /// The whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads on standard input.
    pub stdin: Stdin,
    /// How long it may run before its process group is told to end.
    pub timeout: Option<Duration>,
    /// How long the process group has between being told to end and being killed.
    pub grace: Duration,
    /// What happens to processes that leave the group and lose their parent.
    pub orphans: Orphans,
    /// An existing folder for the temporary file of a stream log that outgrows memory.
    pub spool_dir: PathBuf,
    /// What is told as soon as the command has started.
    pub on_start: OnStart,
}

/// The session that a command and what it starts live in: its first process leads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The process id of the leader, which no other process gets while a member lives.
    pub leader: u32,
    /// When the leader started, in clock ticks since the boot.
    pub start: u64,
}

/// Hears of the session of a command that has started.
#[derive(Default)]
pub struct OnStart(pub Option<Box<dyn FnOnce(Session) + Send>>);

impl std::fmt::Debug for OnStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OnStart").field(&self.0.is_some()).finish()
    }
}

impl Launch {
    /// The time between being told to end and being killed, unless said otherwise.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);

    /// Returns a launch with an empty environment, nothing on standard input and no time limit.
    pub fn new(program: PathBuf, argv: Vec<Vec<u8>>, dir: PathBuf, spool_dir: PathBuf) -> Self {
        Self {
            program,
            argv,
            dir,
            env: Vec::new(),
            stdin: Stdin::Null,
            timeout: None,
            grace: Self::DEFAULT_GRACE,
            orphans: Orphans::Leave,
            spool_dir,
            on_start: OnStart::default(),
        }
    }
}

/// What a command reads on standard input.
#[derive(Debug, Default)]
pub enum Stdin {
    /// Nothing: the null device.
    #[default]
    Null,
    /// An open file, from its present offset on.
    File(File),
}

/// What happens to processes that leave the command's session and lose their parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// They go to the system's init process, and are found only while they hold a stream open.
    #[default]
    Leave,
    /// They become children of this process while the command runs, so that they are found, and
    /// ended with it if it must be ended. Only for a process all of whose children are started by
    /// this module: any other child that exits meanwhile would lose its status.
    Adopt,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this code.
    Exited(u8),
    /// By a signal.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled { signal } => write!(f, "signal {signal}"),
        }
    }
}

impl Status {
    /// Returns the exit code that a shell would report: 128 and the signal's number for a death
    /// by signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled { signal } => 128 + u8::try_from(signal & 0x7f).unwrap_or(0x7f),
        }
    }
}

/// A process of the command that lives on after the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its process id.
    pub pid: u32,
    /// Its name as the kernel has it: at most 15 bytes, not escaped.
    pub name: Vec<u8>,
}

/// A command that ran and ended.
#[derive(Debug)]
pub struct Ended {
    /// How its first process ended.
    pub status: Status,
    /// Whether it was told to end because its time was up.
    pub timed_out: bool,
    /// Whether the kernel killed a process of this process's memory cgroup meanwhile, for want of
    /// memory. `false` also where the kernel does not say.
    pub oom_killed: bool,
    /// The signal by which the caller had it ended.
    pub interrupted: Option<i32>,
    /// Processes of the command that live on, by process id. After a time-out or an interrupt
    /// only what could not be killed.
    pub survivors: Vec<Survivor>,
    /// Whether a stream was still held open when capture ended, be its holder known or not.
    pub streams_open: bool,
    /// From the start until its first process ended.
    pub duration: Duration,
    /// What it wrote, in order of arrival; an error if that could not be kept, which changes
    /// nothing about the run.
    pub log: Result<SpooledLog, PathError>,
}

impl Ended {
    /// Says whether the run is whole: it came to its own end, and nothing of it can still write.
    pub fn is_whole(&self) -> bool {
        matches!(self.status, Status::Exited(_))
            && !self.timed_out
            && !self.oom_killed
            && self.interrupted.is_none()
            && self.survivors.is_empty()
            && !self.streams_open
    }
}
