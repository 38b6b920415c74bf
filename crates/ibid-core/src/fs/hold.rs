//! `Hold`: a file that says that something beside it is in use.
//!
//! Whoever uses it holds the file with others, whoever takes it away holds it alone. The kernel lets
//! go for a process that ends, however it ends. A file system without locks grants every use and
//! nobody's claim to be alone: what is in use there is not known. Invariants: nobody waits here, and
//! a file that has lost its name is held by nobody.

use std::fs::File;
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{IfPresent as _, IoContext as _, PathError, Signature, Timestamp, touch_open};

/// A file that is held until this is dropped.
#[derive(Debug)]
pub struct Hold {
    file: File,
    /// When the file was stamped last.
    pub stamped: Timestamp,
}

/// What asking for a file alone came to.
#[derive(Debug)]
pub enum Alone {
    /// Nobody else holds it.
    Held(Hold),
    /// Somebody does, or the file has just lost its name.
    Busy,
    /// There is no such file, or this file system has no locks: nobody can say.
    Unknown,
}

impl Hold {
    /// Holds a file together with others; `None` where somebody holds it alone at this moment, or
    /// has just taken it away. With `make` it is made where it is missing.
    pub fn shared(path: &Path, make: bool) -> Result<Option<Self>, PathError> {
        let flags = if make {
            OFlags::CREATE
        } else {
            OFlags::empty()
        };
        let file = open(path, flags)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Ok(()) => {}
            Err(error) if has_no_locks(error) => {}
            Err(error) => return Err(error).context("hold", path),
        }
        Self::of(file, path)
    }

    /// Holds a file alone.
    pub fn alone(path: &Path) -> Result<Alone, PathError> {
        let Some(file) = open(path, OFlags::empty()).if_present()? else {
            return Ok(Alone::Unknown);
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(Alone::Busy),
            Err(error) if has_no_locks(error) => Ok(Alone::Unknown),
            Err(error) => Err(error).context("hold", path),
            Ok(()) => Ok(Self::of(file, path)?.map_or(Alone::Busy, Alone::Held)),
        }
    }

    /// Stamps the file with the present time.
    pub fn touch(&self, path: &Path) -> Result<(), PathError> {
        touch_open(&self.file, path)
    }

    fn of(file: File, path: &Path) -> Result<Option<Self>, PathError> {
        let found = Signature::of_open(&file, path)?;
        Ok((found.links > 0).then(|| Self {
            stamped: found.mtime,
            file,
        }))
    }
}

fn open(path: &Path, flags: OFlags) -> Result<File, PathError> {
    // Where locks go through a server, only a file that is open for writing can be held alone.
    let flags = flags | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR);
    opened.map(File::from).context("open", path)
}

fn has_no_locks(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    #[test]
    fn users_share_a_file_and_whoever_takes_it_away_is_alone() {
        let dir = TempDir::new();
        let path = dir.join("lock");
        assert!(matches!(Hold::alone(&path).unwrap(), Alone::Unknown));
        assert!(Hold::shared(&path, false).is_err());
        let one = Hold::shared(&path, true).unwrap().unwrap();
        let other = Hold::shared(&path, false).unwrap().unwrap();
        drop(one);
        assert!(matches!(Hold::alone(&path).unwrap(), Alone::Busy));
        drop(other);
        let Alone::Held(alone) = Hold::alone(&path).unwrap() else {
            panic!("nobody holds it");
        };
        assert!(Hold::shared(&path, true).unwrap().is_none());
        assert!(matches!(Hold::alone(&path).unwrap(), Alone::Busy));
        drop(alone);
        assert!(Hold::shared(&path, false).unwrap().is_some());
    }
}
