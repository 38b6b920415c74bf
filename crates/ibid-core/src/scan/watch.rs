//! `Watch`: the links and folders that lead to what was seen, looked at while a command runs.
//!
//! A file that is put back has another status, and so is noticed. A link that led elsewhere for a
//! while, or a folder that was another's, leaves every file as it was: only the link or the folder
//! itself tells. The stamps of a folder in which something came or went meanwhile say nothing more,
//! so the kernel is asked to tell of moves. Invariant: nothing is said of what happened before the
//! first look.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::seen::{Drift, DriftKind, Seen, What};
use super::survey::{Member, Row};
use super::way::Ways;
use crate::fs::{FileKind, Moves, Signature, Watched};

/// Links and folders by path, as they were when a command began.
#[derive(Clone, Debug)]
pub struct Watch {
    parts: BTreeMap<PathBuf, Part>,
    moves: Option<Moves>,
}

/// One link or folder.
#[derive(Clone, Copy, Debug)]
struct Part {
    before: Signature,
    /// Where the kernel tells of its moves.
    watched: Option<Watched>,
}

impl Watch {
    /// Looks at all that leads to what was seen.
    pub fn of(seen: &[Seen]) -> Self {
        Self::hearing(seen, Moves::begin())
    }

    pub(super) fn hearing(seen: &[Seen], moves: Option<Moves>) -> Self {
        let mut watch = Self {
            parts: BTreeMap::new(),
            moves,
        };
        let mut ways = Ways::default();
        for it in seen {
            // A file tells of itself, and a link in its place was seen on its own.
            let path = match &it.0 {
                What::File(file) => file.path.parent(),
                _ => it.path(),
            };
            if let Some(path) = path {
                ways.show(path, &mut |part, own| match own.kind() {
                    FileKind::Dir => watch.add_folder(part, *own),
                    _ => watch.add(part, *own, None),
                });
            }
            watch.add_below(it);
        }
        watch
    }

    fn add(&mut self, path: &Path, before: Signature, watched: Option<Watched>) {
        let part = Part { before, watched };
        self.parts.entry(path.to_owned()).or_insert(part);
    }

    /// Adds a folder; what was looked at before it was watched is looked at once more.
    fn add_folder(&mut self, path: &Path, seen: Signature) {
        let watched = self.moves.as_ref().and_then(|moves| moves.watch(path));
        self.add(path, Signature::of_link(path).unwrap_or(seen), watched);
    }

    /// Adds the folders in a folder.
    fn add_below(&mut self, seen: &Seen) {
        let What::Tree { dir, survey, .. } = &seen.0 else {
            return;
        };
        for listed in &survey.dirs {
            let folders = |row: &&Row| matches!(row.member, Member::Dir);
            for row in listed.rows.iter().filter(folders) {
                self.add_folder(&listed.path_of(row).below(dir), row.signature);
            }
        }
    }

    /// Returns the links and folders that were moved or replaced since, or may have been.
    pub fn drifts(&self) -> Vec<Drift> {
        let told = self.moves.as_ref().and_then(Moves::told);
        let drift = |(path, part): (&PathBuf, &Part)| {
            let known = part.watched.zip(told.as_ref());
            let moved = known.map(|(watched, told)| told.contains(&watched));
            let kind = self.drift(path, &part.before, moved)?;
            let path = path.clone();
            Some(Drift { path, kind })
        };
        self.parts.iter().filter_map(drift).collect()
    }

    /// Says how a part drifted; `moved` is what the kernel told, if it did.
    fn drift(&self, path: &Path, before: &Signature, moved: Option<bool>) -> Option<DriftKind> {
        let now = Signature::of_link(path).ok();
        let Some(now) = now.filter(|now| now.is_inode_of(before) && moved != Some(true)) else {
            return Some(DriftKind::Touched);
        };
        match (is_same_way(before, &now), moved) {
            (false, Some(_)) => Some(DriftKind::Status),
            (false, None) => Some(DriftKind::Touched),
            (true, Some(_)) => None,
            (true, None) => {
                let is_proven = before.ctime == now.ctime || self.is_around_still(path);
                (!is_proven).then_some(DriftKind::Untold)
            }
        }
    }

    /// Says whether nothing can have been renamed in the folder around a path.
    fn is_around_still(&self, path: &Path) -> bool {
        let Some((around, part)) = path.parent().and_then(|it| self.parts.get_key_value(it)) else {
            return false;
        };
        let is_still = |now: Signature| now.ctime == part.before.ctime;
        part.before.kind() == FileKind::Dir && Signature::of_link(around).is_ok_and(is_still)
    }
}

/// Says whether the stamps of a link or a folder allow that it was neither moved nor replaced in
/// between. A rename changes the status of a folder and not its content, so its later stamp alone;
/// where both moved, something came or went in it, and they tell no more.
pub(super) fn is_same_way(before: &Signature, now: &Signature) -> bool {
    if before.kind() != FileKind::Dir {
        return before == now;
    }
    now.is_inode_of(before) && (before.ctime == now.ctime || before.mtime != now.mtime)
}
