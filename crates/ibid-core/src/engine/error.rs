//! `Error`: why a step could not be decided or run.
//!
//! A miss, a failing command and a store that cannot be written are outcomes or warnings; an
//! error means that what the user asked for could not be tried. Each answers which kind it is, for
//! exit codes, and what to do about it.

use crate::exec::ExecError;
use crate::fs::{FileKind, PathError};
use crate::output::{AsideError, OutputError};
use crate::scan::ScanError;
use crate::scan::programs::ProgramError;
use crate::tree::Place;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request names something that is not there or may not be.
    User,
    /// The program is not there.
    NotFound,
    /// The program is there and cannot be executed.
    NotExecutable,
    /// The user interrupted.
    Interrupted(i32),
    /// The system failed.
    Io,
    /// ibid itself is wrong.
    Internal,
}

/// Why a step could not be decided or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An input cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A declared output may not be one.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A program cannot be found or executed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A further program that the key needs cannot be found or executed.
    #[error("the program that is to be keyed or asked for a version is not usable")]
    Tool(#[source] ProgramError),
    /// The command could not be started.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Earlier outputs could not be moved away.
    #[error(transparent)]
    Aside(#[from] AsideError),
    /// A word of the command names a folder that is not declared.
    #[error("the command names the folder `{0}`, which is not declared")]
    ImpliedFolder(Place),
    /// An input whose name does not count has a name that may be any other word of the command.
    #[error("the command has the word `{0}` more than once, and not every one may be the input")]
    AmbiguousName(String),
    /// A command that tells versions failed.
    #[error("`{command}`, which is to tell a version, {problem}")]
    VersionsFrom {
        /// The command line.
        command: String,
        /// What is wrong with its run.
        problem: String,
    },
    /// A step is a function of a process, and this is another one.
    #[error("`{0}` is a function, and nobody here can call it")]
    NotCallable(String),
    /// A system call failed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The user interrupted before the command ran.
    #[error("interrupted by signal {signal}")]
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// A broken invariant stopped the work on one step of many.
    #[error("ibid failed at this step: {message}")]
    Panicked {
        /// What the panic said.
        message: String,
    },
}

impl Error {
    /// Tells that it was not the command itself whose program is not usable.
    pub(super) fn of_tool(self) -> Self {
        match self {
            Self::Program(error) => Self::Tool(error),
            other => other,
        }
    }

    /// Says whether this only means that it cannot be told ahead.
    pub(super) fn is_unforeseen(&self) -> bool {
        matches!(self, Self::Scan(ScanError::Unforeseen(_)))
    }

    /// Returns whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Scan(_)
            | Self::Tool(_)
            | Self::Output(_)
            | Self::ImpliedFolder(_)
            | Self::AmbiguousName(_)
            | Self::NotCallable(_)
            | Self::VersionsFrom { .. } => ErrorKind::User,
            Self::Program(ProgramError::NotFound { .. }) => ErrorKind::NotFound,
            Self::Program(_) => ErrorKind::NotExecutable,
            Self::Exec(ExecError::Interrupted { signal }) | Self::Interrupted { signal } => {
                ErrorKind::Interrupted(*signal)
            }
            Self::Exec(error) => match error.exit_code() {
                127 => ErrorKind::NotFound,
                126 => ErrorKind::NotExecutable,
                _ => ErrorKind::Io,
            },
            Self::Panicked { .. } => ErrorKind::Internal,
            Self::Aside(_) | Self::Path(_) => ErrorKind::Io,
        }
    }

    /// Returns what to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Output(error) => Some(error.hint().to_owned()),
            Self::Scan(error) => error.hint(),
            Self::Program(ProgramError::NotFound { word, .. }) if word.contains(&b' ') => {
                Some("a line of shell has to say its shell: `sh -c 'LINE'`".to_owned())
            }
            Self::Program(ProgramError::NotFound { .. })
            | Self::Tool(ProgramError::NotFound { .. }) => {
                Some("check the spelling, or give the path of the program".to_owned())
            }
            Self::Program(ProgramError::NotExecutable {
                kind: FileKind::File,
                ..
            }) => Some("`chmod +x` makes a script executable".to_owned()),
            Self::Program(_) => Some("the first word of a command is the program to run".to_owned()),
            Self::VersionsFrom { .. } => {
                Some("run it by itself to see why, or leave it out".to_owned())
            }
            Self::Aside(_) => Some(
                "earlier outputs that are not in the cache are kept in `.ibid/replaced`: make that \
                 folder writable, or move the outputs away"
                    .to_owned(),
            ),
            Self::ImpliedFolder(place) => Some(format!(
                "declare `{place}/` as an input, or as a word to ignore (`--ignore-arg`, \
                 `ignore_args`) if the result does not depend on what is in it"
            )),
            Self::Panicked { .. } => Some(
                "this is a mistake in ibid, worth a report; the other steps are not harmed by it"
                    .to_owned(),
            ),
            Self::AmbiguousName(name) => Some(format!(
                "name the input `./{name}`, where it is declared and where the command reads it"
            )),
            _ => None,
        }
    }
}

/// Joins an error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // A transparent wrapper repeats what it wraps.
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
