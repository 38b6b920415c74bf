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
    /// Says whether a file of the store was not there, or its handle went stale on a network file
    /// system: either is a miss, and costs a run.
    ///
    /// Of a user's file a stale handle says nothing: see [`Self::is_surely_absent`].
    pub fn is_absent(&self) -> bool {
        const ESTALE: i32 = 116;
        self.is_surely_absent() || self.source.raw_os_error() == Some(ESTALE)
    }

    /// Says whether nothing has the name.
    pub fn is_surely_absent(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
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
    /// Turns the absence of a file of the store into `None`, a stale handle too; every other
    /// failure stays one.
    fn if_present(self) -> Result<Option<T>, PathError>;

    /// Turns the absence of the path into `None`; every other failure stays one.
    fn unless_absent(self) -> Result<Option<T>, PathError>;
}

impl<T> IfPresent<T> for Result<T, PathError> {
    fn if_present(self) -> Result<Option<T>, PathError> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn unless_absent(self) -> Result<Option<T>, PathError> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_surely_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(errno: i32) -> PathError {
        let error: Result<(), _> = Err(io::Error::from_raw_os_error(errno));
        error.context("look at", Path::new("/there")).unwrap_err()
    }

    #[test]
    fn a_stale_handle_is_a_miss_in_the_store_and_no_absence_elsewhere() {
        let [enoent, eio, enotdir, estale] = [2, 5, 20, 116];
        let told = |errno| (failed(errno).is_absent(), failed(errno).is_surely_absent());
        assert_eq!(told(enoent), (true, true));
        assert_eq!(told(enotdir), (true, true));
        assert_eq!(told(estale), (true, false));
        assert_eq!(told(eio), (false, false));
        assert!(Err::<(), _>(failed(estale)).if_present().unwrap().is_none());
        assert!(Err::<(), _>(failed(estale)).unless_absent().is_err());
    }
}
