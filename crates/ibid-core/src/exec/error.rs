//! Why a command could not be started, and the exit code that tells so.
//!
//! The kernel gives one errno for several causes: only after a failure is the disk asked which.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::fs::{self, Links, PathError};
use crate::tree::Escaped;

/// A command could not be started, or its end could not be seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// There is no such program.
    #[error("program `{}` not found", Escaped::path(.program))]
    NotFound {
        /// What was to be executed.
        program: PathBuf,
    },
    /// The program is there, what it names as its interpreter or loader is not.
    #[error("program `{}` needs {}, which is not there", Escaped::path(.program), interpreter_text(.interpreter.as_deref()))]
    InterpreterNotFound {
        /// What was to be executed.
        program: PathBuf,
        /// The interpreter of a script; `None` for a binary, whose loader is missing.
        interpreter: Option<PathBuf>,
    },
    /// The program is there and may not be executed.
    #[error("program `{}` cannot be executed", Escaped::path(.program))]
    NotExecutable {
        /// What was to be executed.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program is neither a binary for this machine nor a script that names its interpreter.
    #[error(
        "program `{}` is neither a binary of this platform nor a script with a `#!` line",
        Escaped::path(.program)
    )]
    UnknownFormat {
        /// What was to be executed.
        program: PathBuf,
    },
    /// The command line and the environment are larger than the system takes.
    #[error("arguments and environment of `{}` are too long: {bytes} bytes", Escaped::path(.program))]
    TooLong {
        /// What was to be executed.
        program: PathBuf,
        /// Their length together.
        bytes: usize,
    },
    /// The working folder cannot be entered.
    #[error("cannot run in the working folder")]
    WorkingDir(#[source] PathError),
    /// Something that no process can be given.
    #[error("{what} of `{}` {problem}: `{}`", Escaped::path(.program), Escaped(.value))]
    Unusable {
        /// What was to be executed.
        program: PathBuf,
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// The part itself.
        value: Vec<u8>,
    },
    /// The user interrupted before the command started.
    #[error("interrupted by signal {signal} before the command started")]
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// The process ended and somebody else took its exit status; see
    /// [`super::expect_child_status`].
    #[error("the exit status of process {pid} was lost")]
    StatusLost {
        /// Its process id.
        pid: u32,
    },
    /// The system refused a descriptor or a process.
    #[error("cannot {operation}")]
    System {
        /// What was tried: a verb that continues "cannot …".
        operation: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ExecError {
    /// Returns the exit code that shells use: 127 where something is missing, 126 where it cannot
    /// be executed, 130 for an interrupt, and 125 where the fault is not the command's.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } | Self::InterpreterNotFound { .. } => 127,
            Self::NotExecutable { .. } | Self::UnknownFormat { .. } | Self::TooLong { .. } => 126,
            Self::Interrupted { .. } => 130,
            _ => 125,
        }
    }

    pub(super) fn system(operation: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System {
            operation,
            source: source.into(),
        }
    }
}

/// Tells which of the causes of `error` it was.
pub(super) fn diagnose(program: &Path, dir: &Path, bytes: usize, error: io::Error) -> ExecError {
    if let Err(error) = fs::enter_check(dir) {
        return ExecError::WorkingDir(error);
    }
    let at = dir.join(program);
    let program = program.to_owned();
    let missing = |at: &Path| matches!(fs::look(at, Links::Follow), Ok(None));
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR) if missing(&at) => ExecError::NotFound { program },
        Some(Errno::NOENT) => ExecError::InterpreterNotFound {
            program,
            interpreter: interpreter(&at),
        },
        Some(Errno::NOEXEC) => ExecError::UnknownFormat { program },
        Some(Errno::TOOBIG) => ExecError::TooLong { program, bytes },
        // Too many processes, no memory: not the program's fault.
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => {
            ExecError::system("start a process", error)
        }
        _ => ExecError::NotExecutable {
            program,
            source: error,
        },
    }
}

/// Returns what the `#!` line of a script names.
fn interpreter(script: &Path) -> Option<PathBuf> {
    // The kernel looks at no more of a script.
    let start = fs::read_start(script, 256).ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let word = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .find(|word| !word.is_empty())?;
    Some(OsStr::from_bytes(word).into())
}

fn interpreter_text(interpreter: Option<&Path>) -> String {
    match interpreter {
        Some(path) => format!("the interpreter `{}`", Escaped::path(path)),
        None => "a loader".to_owned(),
    }
}
