//! `Watch`: the links and folders that lead to what was seen, looked at while a command runs.
//!
//! A file that is put back has another status, and so is noticed. A link that led elsewhere for a
//! while, or a folder that was another's, leaves every file as it was: only the link or the folder
//! itself tells. Invariant: nothing is said of what happened before the first look.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::seen::{Drift, DriftKind, Seen, What};
use super::way::{OnTheWay, Ways};
use crate::fs::{FileKind, Signature};

/// Links and folders by path, as they were when a command began.
#[derive(Clone, Debug)]
pub struct Watch(BTreeMap<PathBuf, Signature>);

impl Watch {
    /// Looks at all that leads to what was seen.
    pub fn of(seen: &[Seen]) -> Self {
        let (mut ways, mut found) = (Ways::default(), BTreeMap::new());
        for it in seen {
            // A file tells of itself, and a link in its place was seen on its own.
            let path = match &it.0 {
                What::File(file) => file.path.parent(),
                _ => it.path(),
            };
            let Some(path) = path else { continue };
            ways.show(path, &mut |part, on_the_way| {
                let (OnTheWay::Link(own) | OnTheWay::Folder(own, _)) = on_the_way;
                found.insert(part.to_owned(), *own);
            });
        }
        Self(found)
    }

    /// Returns the links and folders that were moved or replaced since.
    pub fn drifts(&self) -> Vec<Drift> {
        let is_moved = |(path, before): &(&PathBuf, &Signature)| {
            !Signature::of_link(path).is_ok_and(|now| is_same_way(before, &now))
        };
        let drift = |(path, _): (&PathBuf, &Signature)| Drift {
            path: path.clone(),
            kind: DriftKind::Touched,
        };
        self.0.iter().filter(is_moved).map(drift).collect()
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
