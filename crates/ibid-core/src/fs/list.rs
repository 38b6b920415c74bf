//! Listing directories: names in raw bytes, with as much about each as the caller needs.
//!
//! What a listing costs is what it tells: names and kinds come in one call per some hundred
//! entries, signatures take one call each. A name that goes while it is listed is left out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, DirEntry, Mode, OFlags};
use rustix::io::Errno;

use super::{
    Facts, FileKind, IfPresent as _, IoContext as _, Links, PathError, Signature, witness,
};

/// Lists a directory, following a link to it: names in no order, without `.` and `..`, and what
/// stands there (links are not followed).
pub fn list_dir(path: &Path) -> Result<Vec<(Vec<u8>, FileKind)>, PathError> {
    let mut names = Vec::new();
    for entry in entries(open(path)?, path) {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let kind = match FileKind::of(entry.file_type()) {
            Some(kind) => kind,
            // Some file systems do not say; then the entry itself must be looked at.
            None => match Signature::of_link(&below(path, name)).unless_absent()? {
                Some(signature) => signature.kind(),
                None => continue,
            },
        };
        names.push((name.to_vec(), kind));
    }
    Ok(names)
}

/// Lists a directory, following a link to it: names sorted by bytes, and the signatures of the
/// entries themselves.
pub fn list_signatures(path: &Path) -> Result<Vec<(Vec<u8>, Signature)>, PathError> {
    let mut dir = open(path)?;
    let names = sorted_names(&mut dir, path)?;
    let handle = dir.fd().context("list", path)?;
    let mut listed = Vec::with_capacity(names.len());
    for name in names {
        match Facts::of_name(handle, name.as_slice(), || below(path, &name)) {
            Ok(facts) => listed.push((name, facts.signature)),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error).context("look at", &below(path, &name)),
        }
    }
    Ok(listed)
}

/// Lists the names in a directory, sorted by bytes, or `None` where no directory is.
pub fn list_names(path: &Path) -> Result<Option<Vec<Vec<u8>>>, PathError> {
    match open(path).unless_absent()? {
        Some(dir) => sorted_names(dir, path).map(Some),
        None => Ok(None),
    }
}

/// Returns the names in `dir` that are numbers: process, thread or descriptor numbers in `/proc`.
pub fn numbers_in(dir: &Path) -> Result<Vec<i32>, PathError> {
    let mut numbers = Vec::new();
    for entry in entries(open(dir)?, dir) {
        let entry = entry?;
        let name = entry.file_name().to_str().ok();
        numbers.extend(name.and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}

/// Joins raw bytes below a directory.
pub fn below(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(name))
}

fn open(path: &Path) -> Result<Dir, PathError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).inspect_err(|error| {
        witness::place(path, Links::Follow, Some(*error));
    });
    let opened = opened.context("list", path)?;
    witness::listed(path, &opened);
    Dir::new(opened).context("list", path)
}

fn sorted_names(
    dir: impl Iterator<Item = rustix::io::Result<DirEntry>>,
    path: &Path,
) -> Result<Vec<Vec<u8>>, PathError> {
    let mut names = entries(dir, path)
        .map(|entry| Ok(entry?.file_name().to_bytes().to_vec()))
        .collect::<Result<Vec<_>, _>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Returns the entries of an open directory but for `.` and `..`.
pub(super) fn entries(
    dir: impl Iterator<Item = rustix::io::Result<DirEntry>>,
    path: &Path,
) -> impl Iterator<Item = Result<DirEntry, PathError>> {
    let is_own = |entry: &DirEntry| matches!(entry.file_name().to_bytes(), b"." | b"..");
    dir.filter(move |entry| !entry.as_ref().is_ok_and(is_own))
        .map(move |entry| entry.context("list", path))
}
