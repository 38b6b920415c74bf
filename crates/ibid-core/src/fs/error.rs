//! I/O errors that say which path and which operation.

use std::io;
use std::path::{Path, PathBuf};

/// A system call on a path failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{}`", crate::tree::Escaped::path(.path))]
pub struct PathError {
    /// What was tried: a verb that continues "cannot …".
    pub operation: &'static str,
    /// The path as it was used.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl PathError {
    /// Says whether the path was not there (or its handle went stale on a network file system).
    pub fn is_absent(&self) -> bool {
        const ESTALE: i32 = 116;
        self.source.kind() == io::ErrorKind::NotFound
            || self.source.kind() == io::ErrorKind::NotADirectory
            || self.source.raw_os_error() == Some(ESTALE)
    }

    /// Says whether this user may not write there, or nobody can.
    pub fn is_denied(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        )
    }

    /// Says whether no space, no inode or no quota was left.
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

/// Adds the operation and the path to an I/O result.
pub trait IoContext<T> {
    /// Names what was tried on which path.
    fn context(self, operation: &'static str, path: &Path) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> IoContext<T> for Result<T, E> {
    fn context(self, operation: &'static str, path: &Path) -> Result<T, PathError> {
        self.map_err(|error| PathError {
            operation,
            path: path.to_owned(),
            source: error.into(),
        })
    }
}

/// Tells absence from other failures.
pub trait IfPresent<T> {
    /// Turns the absence of the path into `None`; every other failure stays one.
    fn if_present(self) -> Result<Option<T>, PathError>;
}

impl<T> IfPresent<T> for Result<T, PathError> {
    fn if_present(self) -> Result<Option<T>, PathError> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
