//! `Facts`: what a file's status says beside its signature: whose it is and what it takes.
//!
//! Kept apart from [`Signature`], whose fields all say that content may have changed: the blocks
//! of a file change when it is written back.

use std::fs::File;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::{IoContext as _, PathError, Signature};

/// A file's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What tells whether it changed.
    pub signature: Signature,
    /// The user that it belongs to.
    pub owner: u32,
    /// The group that it belongs to.
    pub group: u32,
    /// The bytes of disk that it takes.
    pub disk: u64,
}

impl Facts {
    /// Looks at `path`, following links.
    pub fn of(path: &Path) -> Result<Self, PathError> {
        rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
            .map(|stat| Self::from_statx(&stat))
            .context("look at", path)
    }

    /// Looks at what stands at a path, a link itself included.
    pub fn of_link(path: &Path) -> Result<Self, PathError> {
        rustix::fs::statx(
            CWD,
            path,
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::BASIC_STATS,
        )
        .map(|stat| Self::from_statx(&stat))
        .context("look at", path)
    }

    /// Looks at an open file.
    pub fn of_open(file: &File, path: &Path) -> Result<Self, PathError> {
        rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            .map(|stat| Self::from_statx(&stat))
            .context("look at", path)
    }

    /// Takes the facts from what `statx` answers.
    pub fn from_statx(stat: &rustix::fs::Statx) -> Self {
        Self {
            signature: Signature::from_statx(stat),
            owner: stat.stx_uid,
            group: stat.stx_gid,
            disk: stat.stx_blocks.saturating_mul(512),
        }
    }
}
