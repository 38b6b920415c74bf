//! The project's root: what declared paths are relative to.
//!
//! It is the folder that the caller names, else the nearest ancestor of the current folder with an
//! `ibid.toml`, else the current folder. A `.git` never counts: adding one must not change keys.

use std::path::{Path, PathBuf};

use super::value::TrustedPaths;
use crate::fs::{self, PathError};
use crate::tree::Escaped;

/// The name of a project's file.
pub const PROJECT_FILE: &str = "ibid.toml";

/// A project's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The folder, as the caller gave it or the current folder or an ancestor of it.
    pub dir: PathBuf,
    /// Its `ibid.toml`, if there is one.
    pub file: Option<ProjectFile>,
    /// Why this folder.
    pub origin: RootOrigin,
}

/// A project's `ibid.toml`, read once so that settings and steps are of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Why a folder is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootOrigin {
    /// The caller named it.
    Given,
    /// It is the nearest folder with an `ibid.toml`.
    ProjectFile,
    /// It is the current folder, and no ancestor has an `ibid.toml`.
    CurrentDir,
}

/// A root that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// An `ibid.toml` belongs to somebody else and was not trusted by name.
    #[error("`{}` belongs to another user (uid {owner})", Escaped::path(.path))]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Who owns it, or the link that leads to it.
        owner: u32,
    },
    /// An `ibid.toml` could not be read.
    #[error(transparent)]
    File(#[from] PathError),
}

impl RootError {
    /// Returns what the user can do about it, if something is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Untrusted { path, .. } => Some(format!(
                "it could run any command as you; if you trust it: `IBID_TRUST={}`, or go past it \
                 with `--root .`",
                Escaped::path(path)
            )),
            Self::File(_) => None,
        }
    }
}

impl Root {
    /// Finds the root for `current_dir`, which is absolute. A file of anybody but `user` is
    /// refused unless `trust` names it or its folder, wherever it was found.
    pub(super) fn find(
        given: Option<&Path>,
        current_dir: &Path,
        user: u32,
        trust: &TrustedPaths,
    ) -> Result<Self, RootError> {
        if let Some(dir) = given {
            return Ok(Self {
                file: project_file(dir, user, trust)?,
                dir: dir.to_owned(),
                origin: RootOrigin::Given,
            });
        }
        for dir in current_dir.ancestors() {
            if let Some(file) = project_file(dir, user, trust)? {
                return Ok(Self {
                    dir: dir.to_owned(),
                    file: Some(file),
                    origin: RootOrigin::ProjectFile,
                });
            }
        }
        Ok(Self {
            dir: current_dir.to_owned(),
            file: None,
            origin: RootOrigin::CurrentDir,
        })
    }
}

fn project_file(
    dir: &Path,
    user: u32,
    trust: &TrustedPaths,
) -> Result<Option<ProjectFile>, RootError> {
    let path = dir.join(PROJECT_FILE);
    let Some(file) = fs::read_config_file(&path)? else {
        return Ok(None);
    };
    let stranger = file.owners.into_iter().find(|owner| *owner != user);
    match stranger {
        Some(owner) if !trust.names(&path) => Err(RootError::Untrusted { path, owner }),
        _ => Ok(Some(ProjectFile {
            path,
            bytes: file.bytes,
        })),
    }
}
