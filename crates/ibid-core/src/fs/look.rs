//! Looking at what a path names, without opening it and without changing anything.
//!
//! No link is followed unless a function says so. The answers of `access` are for the user that
//! this process acts as; they are worth a message or a choice, never a promise.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::{FileKind, IfPresent as _, IoContext as _, PathError, Signature, witness};

/// Whether the last component of a path may be a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// It is followed.
    Follow,
    /// It is looked at itself.
    Keep,
}

/// What a search for a program finds at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A regular file of this signature that the caller may execute.
    Program(Signature),
    /// Something that is no program for the caller: no permission, or a directory or device.
    Unusable(FileKind),
    /// Nothing, or nothing that the caller may look at.
    Absent,
}

/// Returns the signature of whatever `path` is, or `None` if nothing is there.
pub fn look(path: &Path, links: Links) -> Result<Option<Signature>, PathError> {
    match links {
        Links::Follow => Signature::of(path),
        Links::Keep => Signature::of_link(path),
    }
    .unless_absent()
}

/// Says whether something stands at `path`; a dangling link does.
pub fn exists(path: &Path) -> Result<bool, PathError> {
    look(path, Links::Keep).map(|found| found.is_some())
}

/// Returns the kind of what lies at `path`, the last link not followed, or `None` if nothing
/// does. A text that can be no path (a NUL, a name too long, a ring of links) names nothing.
pub fn kind_at(path: &Path) -> Result<Option<FileKind>, PathError> {
    match look(path, Links::Keep) {
        Ok(found) => Ok(found.map(|signature| signature.kind())),
        Err(error) => match Errno::from_io_error(&error.source) {
            Some(Errno::NAMETOOLONG | Errno::INVAL | Errno::LOOP) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Says what `execve` would make of `path`. Never fails: a path that cannot be looked at is
/// absent, or unusable where permission is what is missing, as it is for `execvp`.
pub fn candidate(path: &Path) -> Candidate {
    match look(path, Links::Follow) {
        Ok(Some(signature)) if signature.kind() != FileKind::File => {
            Candidate::Unusable(signature.kind())
        }
        Ok(Some(signature)) if may(Access::EXEC_OK, path) => Candidate::Program(signature),
        Ok(Some(_)) => Candidate::Unusable(FileKind::File),
        Err(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => {
            Candidate::Unusable(FileKind::File)
        }
        Ok(None) | Err(_) => Candidate::Absent,
    }
}

/// Says whether the caller may make files in the directory `path`; links are followed.
pub fn may_write_in(path: &Path) -> bool {
    may(Access::WRITE_OK | Access::EXEC_OK, path)
}

fn may(access: Access, path: &Path) -> bool {
    // Whoever may do what there is part of the status that stands for it.
    let found = rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS);
    let absent = found.err().filter(|error| *error == Errno::NOENT);
    witness::place(path, Links::Follow, absent);
    found.is_ok()
}

/// Fails unless `dir` is a directory that a process of this user can have as its working folder.
pub fn enter_check(dir: &Path) -> Result<(), PathError> {
    // With a slash behind it the path of a file is refused.
    let mut below = dir.as_os_str().as_bytes().to_vec();
    below.extend_from_slice(b"/.");
    let below = OsStr::from_bytes(&below);
    let found = rustix::fs::accessat(CWD, below, Access::EXEC_OK, AtFlags::empty());
    witness::place(dir, Links::Follow, found.err());
    found.context("enter", dir)
}

/// Returns the absolute path without any link on the way; the path must exist.
pub fn real_path(path: &Path) -> Result<PathBuf, PathError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "`fs` is where paths are resolved"
    )]
    let found = std::fs::canonicalize(path);
    witness::resolved(path, found.as_deref().ok());
    found.context("resolve", path)
}

/// Returns where `path` lies with every link in it resolved, as far as it exists; what does not
/// exist yet is appended as it is.
pub fn future_path(path: &Path) -> PathBuf {
    future_by(path, |above| real_path(above).ok())
}

fn future_by(path: &Path, mut real: impl FnMut(&Path) -> Option<PathBuf>) -> PathBuf {
    for above in path.ancestors() {
        if let (Some(real), Ok(rest)) = (real(above), path.strip_prefix(above)) {
            return if rest.as_os_str().is_empty() {
                real
            } else {
                real.join(rest)
            };
        }
    }
    path.to_owned()
}

/// Resolves paths of one moment: each folder on their ways is looked at once, however many of them
/// lead through it.
#[derive(Debug, Default)]
pub struct RealPaths {
    /// What was found for paths, the folders above them included; nothing where nothing is.
    known: HashMap<PathBuf, Option<PathBuf>>,
}

impl RealPaths {
    /// The same as [`future_path`].
    pub fn future(&mut self, path: &Path) -> PathBuf {
        future_by(path, |above| {
            let found = self.real(above);
            witness::resolved(above, found.as_deref());
            found
        })
    }

    fn real(&mut self, path: &Path) -> Option<PathBuf> {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let found = self.resolve(path);
        self.known.insert(path.to_owned(), found.clone());
        found
    }

    fn resolve(&mut self, path: &Path) -> Option<PathBuf> {
        let whole = || real_path(path).ok();
        // Anything but a plain name below a folder is the system's to resolve.
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return whole();
        };
        if !path.is_absolute() || above.join(name).as_os_str() != path.as_os_str() {
            return whole();
        }
        let here = self.real(above)?.join(name);
        match rustix::fs::readlink(&here, Vec::new()) {
            // It stands, and is no link.
            Err(Errno::INVAL) => Some(here),
            Ok(_) => whole(),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    #[test]
    fn paths_that_are_resolved_together_lead_where_each_leads_alone() {
        let temp = TempDir::new();
        crate::fs::create_dirs(&temp.join("a/b"), None).unwrap();
        for (text, name) in [("a", "to-a"), ("b/../b", "a/to-b"), ("gone", "to-gone")] {
            rustix::fs::symlink(text, temp.join(name)).unwrap();
        }
        let mut file = crate::fs::Staged::create(temp.path()).unwrap();
        file.publish_over(&temp.join("a/file")).unwrap();
        let mut paths = RealPaths::default();
        for below in [
            "",
            "a",
            "a/b",
            "a/b/new/er",
            "to-a",
            "to-a/b",
            "to-a/to-b/x",
            "a/to-b",
            "to-gone",
            "to-gone/x",
            "a/file",
            "a/file/x",
            "a/../a/b",
            "a/./b",
            "a//b",
            "a/b/",
            "to-a/../a",
        ] {
            let path = temp.path().join(below);
            assert_eq!(paths.future(&path), future_path(&path), "{below}");
            let known = RealPaths::default().future(&path);
            assert_eq!(known, future_path(&path), "{below} alone");
        }
    }
}
