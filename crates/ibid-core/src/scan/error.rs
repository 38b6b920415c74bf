//! What can be wrong with what was declared. Each error names the path or the pattern.

use std::path::PathBuf;

use crate::fs::{HashError, PathError};
use crate::tree::Escaped;

/// A declared path or pattern has no content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// It, or something in it, could not be read.
    #[error(transparent)]
    Io(#[from] PathError),
    /// Nothing is there.
    #[error("`{}` does not exist", Escaped::path(.0))]
    Missing(PathBuf),
    /// It is a link, and nothing stands at its end.
    #[error("`{}` is a link to `{}`, which does not exist", Escaped::path(.path), Escaped(.text))]
    Dangling {
        /// The link as declared.
        path: PathBuf,
        /// The text of the last link on the way.
        text: Vec<u8>,
    },
    /// It is a link that leads to itself, or links lead to links too often.
    #[error("`{}` is a link that never ends", Escaped::path(.0))]
    LinkLoop(PathBuf),
    /// It is a FIFO, a socket or a device.
    #[error("`{}` is a FIFO, socket or device; only files, folders and links have content", Escaped::path(.0))]
    Special(PathBuf),
    /// A file was asked for.
    #[error("`{}` is a folder", Escaped::path(.0))]
    IsDirectory(PathBuf),
    /// A directory was asked for.
    #[error("`{}` is not a folder", Escaped::path(.0))]
    NotADirectory(PathBuf),
    /// It nests deeper than any real directory does.
    #[error("`{}` is nested too deeply", Escaped::path(.0))]
    TooDeep(PathBuf),
    /// Each time it was read it changed meanwhile.
    #[error("`{}` keeps changing while it is read", Escaped::path(.0))]
    Changing(PathBuf),
    /// It hangs on what does not stand yet, in a way that cannot be told ahead.
    #[error("what `{}` will be cannot be told before it is there", Escaped::path(.0))]
    Unforeseen(PathBuf),
    /// Nothing matches.
    #[error("nothing matches the pattern `{}`", Escaped(.0.as_bytes()))]
    NoMatch(String),
    /// It is not a pattern of paths below the root.
    #[error("`{}` is not a pattern of paths below the root: {reason}", Escaped(.pattern.as_bytes()))]
    BadPattern {
        /// The pattern as declared.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ScanError {
    /// Returns what to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(_) => Some("check the spelling, and where the path starts".into()),
            Self::Dangling { path, .. } | Self::LinkLoop(path) => Some(format!("mend or remove the link `{}`", Escaped::path(path))),
            Self::Special(_) => Some("copy what it gives into a file, or let the command read it as standard input".into()),
            Self::IsDirectory(_) => Some("a folder can be declared as an input".into()),
            Self::NotADirectory(_) => Some("a trailing `/` asks for a directory".into()),
            Self::Changing(_) => Some("wait until nothing writes to it".into()),
            Self::NoMatch(_) => Some(
                "`*` stops at `/`, `**` does not; quote patterns so that the shell leaves them alone"
                    .into(),
            ),
            Self::Io(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => Some(
                "what the key depends on must be readable: `chmod +r`, or another user".into(),
            ),
            Self::BadPattern { .. } => Some("`[[]`, `[*]` and `[{]` stand for the characters".into()),
            Self::Io(_) | Self::TooDeep(_) | Self::Unforeseen(_) => None,
        }
    }
}

impl From<HashError> for ScanError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Io(error) => Self::Io(error),
            HashError::SizeChanged(path) => Self::Changing(path),
        }
    }
}
