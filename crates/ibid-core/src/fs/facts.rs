//! `Facts`: what a file's status says beside its signature: whose it is and what it takes.
//!
//! Kept apart from [`Signature`], whose fields all say that content may have changed: the blocks
//! of a file change when it is written back.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, SeekFrom, StatxFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::beneath::Dir;
use super::list::entries;
use super::{FileKind, IoContext as _, Links, PathError, Signature, witness};

/// Shorter files are read, whatever they are made of.
const HOLLOW_FROM: u64 = 1 << 30;

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
        Self::at(path, Links::Follow)
    }

    /// Looks at what stands at a path, a link itself included.
    pub fn of_link(path: &Path) -> Result<Self, PathError> {
        Self::at(path, Links::Keep)
    }

    fn at(path: &Path, links: Links) -> Result<Self, PathError> {
        let flags = match links {
            Links::Follow => AtFlags::empty(),
            Links::Keep => AtFlags::SYMLINK_NOFOLLOW,
        };
        let found = rustix::fs::statx(CWD, path, flags, StatxFlags::BASIC_STATS)
            .map(|stat| Self::from_statx(&stat));
        let seen = found.as_ref().map(|facts| &facts.signature);
        witness::looked(path, links, seen.map_err(|error| *error));
        found.context("look at", path)
    }

    /// Looks at an open file.
    pub fn of_open(file: &File, path: &Path) -> Result<Self, PathError> {
        rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            .map(|stat| Self::from_statx(&stat))
            .context("look at", path)
    }

    /// Looks at an open directory, and notes it as the look at `path` that it is.
    pub(super) fn of_dir(dir: impl AsFd, path: &Path) -> Result<Self, PathError> {
        let found = rustix::fs::statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            .map(|stat| Self::from_statx(&stat));
        let seen = found.as_ref().map(|facts| &facts.signature);
        witness::looked(path, Links::Follow, seen.map_err(|error| *error));
        found.context("look at", path)
    }

    /// Looks at what has a name in an open directory, a link itself included, and notes it as the
    /// look at `path` that it is.
    pub(super) fn of_name(
        dir: impl AsFd,
        name: impl Arg,
        path: impl FnOnce() -> PathBuf,
    ) -> Result<Self, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let found = rustix::fs::statx(dir, name, flags, StatxFlags::BASIC_STATS)
            .map(|stat| Self::from_statx(&stat));
        if witness::is_on() {
            let seen = found.as_ref().map(|facts| &facts.signature);
            witness::looked(&path(), Links::Keep, seen.map_err(|error| *error));
        }
        found
    }

    /// Says whether a file is so long and takes so little of the disk that nearly all of it can only
    /// be holes, which cost nobody anything to plant and a reader hours (hazard G5). Some file systems
    /// keep zeros so, and some tell nothing of what they take: [`is_hollow`] is sure.
    pub fn seems_hollow(&self) -> bool {
        let Self {
            signature, disk, ..
        } = self;
        signature.kind() == FileKind::File
            && signature.size >= HOLLOW_FROM
            && *disk < signature.size / 64
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

/// Says whether an open file is nearly all holes. Its position moves, by which nothing is read.
pub fn is_hollow(file: &File, facts: &Facts) -> bool {
    facts.seems_hollow()
        && rustix::fs::seek(file, SeekFrom::Hole(0)).is_ok_and(|at| at < facts.signature.size)
}

impl Dir {
    /// Looks at the directory itself.
    pub fn own_facts(&self) -> Result<Facts, PathError> {
        witness::place(self.path(), Links::Follow, None);
        let (flags, wanted) = (AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
        rustix::fs::statx(self.handle(), c"", flags, wanted)
            .map(|stat| Facts::from_statx(&stat))
            .context("look at", self.path())
    }

    /// Goes through the names in the directory, in no order, with the facts of what stands there,
    /// links not followed. A name that goes meanwhile is left out. Nothing is kept in memory, so
    /// that a directory may have any number of entries.
    pub fn each_facts(&self, mut visit: impl FnMut(&[u8], Facts)) -> Result<(), PathError> {
        witness::unlike_any(self.path());
        let listed = rustix::fs::Dir::read_from(self.handle()).context("list", self.path())?;
        for entry in entries(listed, self.path()) {
            let entry = entry?;
            let (name, wanted) = (entry.file_name(), StatxFlags::BASIC_STATS);
            match rustix::fs::statx(self.handle(), name, AtFlags::SYMLINK_NOFOLLOW, wanted) {
                Ok(stat) => visit(name.to_bytes(), Facts::from_statx(&stat)),
                Err(Errno::NOENT | Errno::STALE) => {}
                Err(error) => {
                    let path = super::below(self.path(), name.to_bytes());
                    return Err(error).context("look at", &path);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::MetadataExt as _;

    use ibid_testkit::TempDir;

    use super::*;
    use crate::fs::FileKind;

    #[test]
    fn a_listing_tells_of_each_entry_itself_what_the_system_does() {
        let dir = TempDir::new();
        std::fs::write(dir.join("file"), vec![1; 10_000]).unwrap();
        std::fs::create_dir(dir.join("folder")).unwrap();
        std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
        let opened = Dir::open(dir.path()).unwrap();
        let mut found = BTreeMap::new();
        opened
            .each_facts(|name, facts| {
                found.insert(name.to_vec(), facts);
            })
            .unwrap();
        let kinds: Vec<_> = found.values().map(|facts| facts.signature.kind()).collect();
        assert_eq!(kinds, [FileKind::File, FileKind::Dir, FileKind::Link]);
        for (name, facts) in &found {
            let path = dir.join(std::str::from_utf8(name).unwrap());
            let expected = std::fs::symlink_metadata(&path).unwrap();
            assert_eq!(facts.disk, expected.blocks() * 512, "{}", path.display());
            assert_eq!((facts.owner, facts.group), (expected.uid(), expected.gid()));
            assert_eq!(*facts, Facts::of_link(&path).unwrap());
        }
        let own = opened.own_facts().unwrap();
        assert_eq!(own, Facts::of_link(dir.path()).unwrap());
    }
}
