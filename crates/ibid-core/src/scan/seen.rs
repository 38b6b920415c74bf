//! `Seen`: what a scan looked at, kept so that it can be looked at again after the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::filter::{Filter, Pattern};
use super::stat_cache::Started;
use super::survey::Survey;
use crate::digest::Digest;
use crate::fs::{Links, Signature, look, real_path};
use crate::tree::RelPath;

/// One thing that a scan looked at. Opaque but for its path: hand it to
/// [`super::Scanner::recheck`].
#[derive(Clone, Debug)]
pub struct Seen(pub(super) What);

impl Seen {
    /// Sees where a path leads, if it leads anywhere.
    pub fn real(path: &Path) -> Option<Self> {
        let real = real_path(path).ok()?;
        let path = path.to_owned();
        Some(Self(What::Real { path, real }))
    }

    /// Returns the path that was looked at; a pattern has none.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            What::File(file) => Some(&file.path),
            What::Link { path, .. } | What::Real { path, .. } => Some(path),
            What::Tree { dir, .. } => Some(dir),
            What::Matches { .. } => None,
        }
    }

    /// Shows the path and the status of what was looked at: of files as it was then, and of a
    /// directory itself as it is. Links and folders on the way are [`super::Ways`]' to show.
    pub fn statuses(&self, show: &mut dyn FnMut(&Path, &Signature)) {
        match &self.0 {
            What::File(file) => show(&file.path, &file.signature),
            What::Link { .. } | What::Real { .. } | What::Matches { .. } => {}
            What::Tree { dir, survey, .. } => {
                if let Ok(Some(now)) = look(dir, Links::Follow) {
                    show(dir, &now);
                }
                for listed in &survey.dirs {
                    for row in &listed.rows {
                        show(&listed.path_of(row).below(dir), &row.signature);
                    }
                }
            }
        }
    }
}

/// What was seen.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Content of a file; links on the way are followed.
    File(FileDigest),
    /// The text of a link.
    Link { path: PathBuf, text: Vec<u8> },
    /// Where a path leads when all links are followed.
    Real { path: PathBuf, real: PathBuf },
    /// What a directory holds, all the way down.
    Tree {
        dir: PathBuf,
        filter: Filter,
        survey: Arc<Survey>,
    },
    /// What a pattern matches.
    Matches {
        pattern: Pattern,
        filter: Filter,
        paths: Vec<RelPath>,
    },
}

/// A file's digest, and what it rests on.
#[derive(Clone, Debug)]
pub struct FileDigest {
    /// The path that was opened or looked at.
    pub path: PathBuf,
    /// The file's signature, links followed, before it was read.
    pub signature: Signature,
    /// The digest of its bytes.
    pub digest: Digest,
    pub(super) proof: Proof,
}

/// A file's content as it was seen, wherever that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) signature: &'a Signature,
    pub(super) digest: &'a Digest,
    pub(super) proof: &'a Proof,
}

impl FileDigest {
    /// Takes a digest that the stat cache gave for the file with this signature.
    pub(super) fn known(path: &Path, signature: Signature, digest: Digest) -> Self {
        Self {
            path: path.to_owned(),
            signature,
            digest,
            proof: Proof::Known,
        }
    }

    pub(super) fn held(&self) -> Held<'_> {
        Held {
            signature: &self.signature,
            digest: &self.digest,
            proof: &self.proof,
        }
    }
}

/// Why a digest was believed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    /// The stat cache knew it.
    Known,
    /// It was read.
    Read {
        started: Option<Started>,
        clean: bool,
    },
}

impl From<FileDigest> for Seen {
    fn from(file: FileDigest) -> Self {
        Self(What::File(file))
    }
}

/// How something differs from what was seen before the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftKind {
    /// A folder that may have been another's in between: it cannot be told.
    Untold,
    /// A hard link to the file was made or removed. That moves the same stamp as a write does, which
    /// may hide behind it.
    Linked,
    /// The mode of the file was changed, or another part of its status; or that of a folder, which
    /// was not moved.
    Status,
    /// The bytes are the same, but the file was changed or its status was: it may have held
    /// other bytes in between, so a result that read it must not be stored.
    Touched,
    /// It is another content, or there is more or less of it.
    Changed,
}

/// A path that is not provably what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The path.
    pub path: PathBuf,
    /// How it differs.
    pub kind: DriftKind,
}
