//! `Target`: where a declared output really lies.
//!
//! The user's own links in a declared path (`results -> /scratch/me/results`) are resolved once,
//! here; what comes after goes through the handle of the directory that was found. A link that the
//! command itself made as its output is no such link: it is the output. Which of the two it is,
//! the caller says by the text of the link that an earlier run is known to have made.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::fs::{Dir, FileKind, IfPresent as _, IoContext as _, PathError, Signature};
use crate::tree::RelPath;

/// As many links are followed as the kernel follows.
const MOST_LINKS: usize = 40;

/// Whether directories above a target are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parents {
    /// A missing directory means that there is no target.
    AsTheyAre,
    /// Missing directories are made.
    Create,
}

/// One name in an open directory.
#[derive(Debug)]
pub(super) struct Target {
    /// The directory.
    pub(super) dir: Dir,
    /// The name in it, one component.
    pub(super) name: RelPath,
    /// The user's link at the declared path, if the target was found through one.
    pub(super) link: Option<UserLink>,
    /// What stood there when it was looked for, if that was looked at.
    pub(super) seen: Option<Signature>,
}

/// A link of the user's that leads to an output's destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserLink {
    path: PathBuf,
    signature: Signature,
    /// What it says.
    pub(super) text: Vec<u8>,
}

impl UserLink {
    /// Says whether the link still stands as it was found.
    pub(super) fn is_unchanged(&self) -> bool {
        Signature::of_link(&self.path).is_ok_and(|now| now == self.signature)
    }
}

impl Target {
    /// Finds the place of the output that is declared as `path`. A link there whose text is
    /// `made` is the output itself. Returns `None` where a directory above is missing and is not
    /// to be made.
    pub(super) fn find(
        path: &Path,
        made: Option<&[u8]>,
        parents: Parents,
    ) -> Result<Option<Self>, PathError> {
        let mut path = path.to_owned();
        let mut link = None;
        for _ in 0..MOST_LINKS {
            let Some(mut target) = Self::unresolved(&path, parents)? else {
                return Ok(None);
            };
            let standing = target.dir.status_if_any(&target.name)?;
            target.seen = standing;
            let Some(signature) = standing.filter(|found| found.kind() == FileKind::Link) else {
                target.link = link;
                return Ok(Some(target));
            };
            let text = target.dir.read_link(&target.name)?;
            if made == Some(text.as_slice()) {
                return Ok(Some(target));
            }
            let next = target.dir.path().join(OsStr::from_bytes(&text));
            link.get_or_insert(UserLink {
                path,
                signature,
                text,
            });
            path = next;
        }
        Err(Errno::LOOP).context("follow", &path)
    }

    /// Takes the path as it is, whatever stands there.
    pub(super) fn unresolved(path: &Path, parents: Parents) -> Result<Option<Self>, PathError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::INVAL).context("use as an output", path);
        };
        let dir = match parents {
            Parents::Create => Dir::open_or_create(parent)?,
            Parents::AsTheyAre => match Dir::open(parent).unless_absent()? {
                Some(dir) => dir,
                None => return Ok(None),
            },
        };
        let name = RelPath::new(name.as_bytes()).expect("a file name is one component");
        Ok(Some(Self {
            dir,
            name,
            link: None,
            seen: None,
        }))
    }

    /// Looks at what stands there.
    pub(super) fn status(&self) -> Result<Option<Signature>, PathError> {
        self.dir.status_if_any(&self.name)
    }
}
