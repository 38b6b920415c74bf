//! Looking again, after the run, at everything that was seen before it (hazard A7).
//!
//! What is not provably unchanged is read again; directories and patterns are listed again, so
//! that files that came or went count. An error while looking again is a change.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::scanner::PARALLEL_FILES;
use super::seen::{Drift, DriftKind, FileDigest, Held, Proof, Seen, What};
use super::survey::{Files, Member, Row, Survey, Surveyed};
use super::walk::Top;
use super::watch::is_same_way;
use super::{Filter, Scanner};
use crate::fs::{self, Links, Signature};
use crate::tree::RelPath;

impl Scanner<'_> {
    /// Returns what is not provably as it was seen, by path. A caller stores no result that read
    /// any of it, [`DriftKind::Touched`] included: a file that was written and written back has
    /// the same bytes and a moved status. (Reading moves none: access times do not count.)
    pub fn recheck(&self, seen: &[Seen]) -> Vec<Drift> {
        let check = |seen: &Seen| self.drift_of(seen);
        let found: Vec<Vec<Drift>> = if seen.len() > PARALLEL_FILES {
            seen.par_iter().map(check).collect()
        } else {
            seen.iter().map(check).collect()
        };
        let mut drifts: BTreeMap<PathBuf, DriftKind> = BTreeMap::new();
        for Drift { path, kind } in found.into_iter().flatten() {
            let worst = drifts.entry(path).or_insert(kind);
            *worst = kind.max(*worst);
        }
        let drift = |(path, kind)| Drift { path, kind };
        drifts.into_iter().map(drift).collect()
    }

    fn drift_of(&self, seen: &Seen) -> Vec<Drift> {
        let changed = |path: &Path, same: bool| {
            let drift = || Drift {
                path: path.to_owned(),
                kind: DriftKind::Changed,
            };
            (!same).then(drift).into_iter().collect()
        };
        match &seen.0 {
            What::File(file) => {
                let drift = self.file_drift(file).map(|kind| Drift {
                    path: file.path.clone(),
                    kind,
                });
                drift.into_iter().collect()
            }
            What::Link { path, text } => {
                changed(path, fs::read_link(path).is_ok_and(|now| now == *text))
            }
            What::Real { path, real } => {
                changed(path, fs::real_path(path).is_ok_and(|now| now == *real))
            }
            What::Tree {
                dir,
                filter,
                survey,
            } => self.tree_drifts(dir, filter, survey),
            What::Matches {
                pattern,
                filter,
                paths,
            } => {
                let Ok(now) = self.matches(pattern, filter) else {
                    return changed(self.root, false);
                };
                let drift = |path: &RelPath| changed(&path.below(self.root), false);
                either_only(paths, &now, RelPath::cmp)
                    .flat_map(drift)
                    .collect()
            }
        }
    }

    fn file_drift(&self, before: &FileDigest) -> Option<DriftKind> {
        let Ok(Some(signature)) = fs::look(&before.path, Links::Follow) else {
            return Some(DriftKind::Changed);
        };
        let path = || before.path.clone();
        self.drift_since(&path, before.held(), signature)
    }

    /// Says how a file at a path that has the signature `now` differs from what it was.
    fn drift_since(
        &self,
        path: &dyn Fn() -> PathBuf,
        before: Held<'_>,
        now: Signature,
    ) -> Option<DriftKind> {
        let same_status = now == *before.signature;
        if same_status && self.still_stands(path, before) {
            return None;
        }
        match self.examine(&path(), now) {
            Ok(now)
                if now.digest != *before.digest
                    || now.signature.is_executable() != before.signature.is_executable() =>
            {
                Some(DriftKind::Changed)
            }
            Ok(now) if same_status && now.signature == *before.signature => None,
            Ok(now) => Some(touch(before.signature, &now.signature)),
            Err(_) => Some(DriftKind::Changed),
        }
    }

    /// Says whether an unmoved signature proves by itself that the content is the same.
    fn still_stands(&self, path: &dyn Fn() -> PathBuf, before: Held<'_>) -> bool {
        let Signature { device, .. } = *before.signature;
        let known = self.stats.known_file_system(device);
        let Some(system) = known.or_else(|| self.stats.file_system(&path(), device)) else {
            return false;
        };
        match *before.proof {
            Proof::Known => self.stats.known(before.signature, &system) == Some(*before.digest),
            Proof::Read {
                started: Some(started),
                clean,
            } => self
                .stats
                .still_stands(before.signature, &system, started, clean),
            Proof::Read { started: None, .. } => false,
        }
    }

    /// Lists a tree once more and compares both listings, directory by directory.
    fn tree_drifts(&self, dir: &Path, filter: &Filter, before: &Survey) -> Vec<Drift> {
        let changed = |path: &RelPath| Drift {
            path: path.below(dir),
            kind: DriftKind::Changed,
        };
        let Ok(now) = self.survey(Top::Path(dir), filter, Files::Look) else {
            return vec![changed(&RelPath::ROOT)];
        };
        let compare = |old: &Surveyed| match now.position(&old.path) {
            Some(at) => self.dir_drifts(dir, old, &now.dirs[at]),
            None => old
                .rows
                .iter()
                .map(|row| changed(&old.path_of(row)))
                .collect(),
        };
        let mut drifts: Vec<Drift> = if before.len() > PARALLEL_FILES {
            before.dirs.par_iter().flat_map_iter(compare).collect()
        } else {
            before.dirs.iter().flat_map(compare).collect()
        };
        let came = now
            .dirs
            .iter()
            .filter(|new| before.position(&new.path).is_none());
        for new in came {
            drifts.extend(new.rows.iter().map(|row| changed(&new.path_of(row))));
        }
        drifts
    }

    fn dir_drifts(&self, dir: &Path, old: &Surveyed, new: &Surveyed) -> Vec<Drift> {
        let path = |listed: &Surveyed, row: &Row| listed.path_of(row).below(dir);
        let mut drifts = Vec::new();
        let mut add = |path, kind| drifts.push(Drift { path, kind });
        let mut left = new.rows.iter().peekable();
        for row in &old.rows {
            let name = old.name(row);
            while let Some(came) = left.next_if(|other| new.name(other) < name) {
                add(path(new, came), DriftKind::Changed);
            }
            let Some(now) = left.next_if(|other| new.name(other) == name) else {
                add(path(old, row), DriftKind::Changed);
                continue;
            };
            if !row.has_shape_of(now) {
                add(path(old, row), DriftKind::Changed);
                continue;
            }
            if let Member::File(digest, proof) = &row.member {
                let before = Held {
                    signature: &row.signature,
                    digest,
                    proof,
                };
                let full = || path(old, row);
                if let Some(kind) = self.drift_since(&full, before, now.signature) {
                    add(full(), kind);
                }
            } else if !is_same_way(&row.signature, &now.signature) {
                add(path(old, row), DriftKind::Touched);
            }
        }
        for came in left {
            add(path(new, came), DriftKind::Changed);
        }
        drifts
    }
}

/// Says what was done to a file that holds the same bytes, as far as its status shows.
fn touch(before: &Signature, now: &Signature) -> DriftKind {
    let Signature {
        ctime, links, mode, ..
    } = *before;
    let otherwise = Signature {
        ctime,
        mode,
        links,
        ..*now
    };
    if otherwise != *before {
        DriftKind::Touched
    } else if now.links != links {
        DriftKind::Linked
    } else {
        DriftKind::Status
    }
}

/// Names what is in one of two sorted lists and not in the other.
fn either_only<'a, T>(
    one: &'a [T],
    other: &'a [T],
    order: fn(&T, &T) -> Ordering,
) -> impl Iterator<Item = &'a T> {
    let lacks = move |list: &'a [T], item: &T| list.binary_search_by(|it| order(it, item)).is_err();
    let gone = one.iter().filter(move |item| lacks(other, item));
    let came = other.iter().filter(move |item| lacks(one, item));
    gone.chain(came)
}
