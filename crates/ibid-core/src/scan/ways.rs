//! `Ways`: the links and folders that lead to what was seen, watched while a command runs.
//!
//! A file that is put back has another status, and so is noticed. A link that led elsewhere for a
//! while, or a folder that was another's, leaves every file as it was: only the link or the folder
//! itself tells. Invariant: what is told of a way was so when it was first looked at; whoever
//! looks again says nothing of what happened before.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::seen::{Drift, DriftKind, Seen, What};
use crate::fs::{self, FileKind, Signature};

/// A way has no more links than this.
const MOST_LINKS: usize = 40;

/// Links and folders by path, as they were when a command began.
#[derive(Clone, Debug, Default)]
pub struct Ways(BTreeMap<PathBuf, Signature>);

impl Ways {
    /// Looks at all that leads to what was seen.
    pub fn to(seen: &[Seen]) -> Self {
        let mut ways = Self::default();
        for Seen(what) in seen {
            match what {
                What::File(file) => ways.add(file.path.parent(), MOST_LINKS),
                What::Link { path, .. } | What::Real { path, .. } => {
                    ways.add(Some(path), MOST_LINKS);
                }
                What::Tree { dir, .. } => ways.add(Some(dir), MOST_LINKS),
                What::Matches { .. } => {}
            }
        }
        ways
    }

    fn add(&mut self, path: Option<&Path>, most: usize) {
        for way in path.into_iter().flat_map(Path::ancestors) {
            if self.0.contains_key(way) {
                // All that is above it was looked at, too.
                return;
            }
            let Ok(signature) = Signature::of_link(way) else {
                continue;
            };
            self.0.insert(way.to_owned(), signature);
            if signature.kind() == FileKind::Link
                && let Ok(text) = fs::read_link(way)
                && let (Some(above), Some(most)) = (way.parent(), most.checked_sub(1))
            {
                self.add(Some(&above.join(OsStr::from_bytes(&text))), most);
            }
        }
    }

    /// Returns the links and folders that were moved or replaced since.
    pub fn drifts(&self) -> Vec<Drift> {
        let is_moved = |(path, before): &(&PathBuf, &Signature)| {
            !Signature::of_link(path).is_ok_and(|now| is_same_way(before, &now))
        };
        let moved = self.0.iter().filter(is_moved);
        let drift = |(path, _): (&PathBuf, &Signature)| Drift {
            path: path.clone(),
            kind: DriftKind::Touched,
        };
        moved.map(drift).collect()
    }
}

/// Says whether a link or a folder was neither moved nor replaced in between. A rename changes the
/// status of a folder and not its content, so its later stamp alone; where both moved, something
/// came or went in it, which is for its listing to tell.
pub(super) fn is_same_way(before: &Signature, now: &Signature) -> bool {
    if before.kind() != FileKind::Dir {
        return before == now;
    }
    let is_same = (before.device, before.inode) == (now.device, now.inode);
    is_same && (before.ctime == now.ctime || before.mtime != now.mtime)
}
