//! Looking again, after the run, at everything that was seen before it (hazard A7).
//!
//! What is not provably unchanged is read again; directories and patterns are listed again, so
//! that files that came or went count. An error while looking again is a change.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::scanner::PARALLEL_FILES;
use super::seen::{Drift, DriftKind, FileDigest, Proof, Seen, Shape, What};
use super::{Filter, ScanError, Scanner};
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
            What::Members {
                dir,
                filter,
                members,
            } => self.member_drifts(dir, filter, members),
            What::Matches {
                pattern,
                filter,
                paths,
            } => {
                let before = paths.iter().map(|path| (path.clone(), ()));
                let now = self.matches(pattern, filter);
                let now = now.map(|now| now.into_iter().map(|path| (path, ())).collect());
                differences(self.root, before, now)
            }
        }
    }

    fn file_drift(&self, before: &FileDigest) -> Option<DriftKind> {
        let Ok(Some(signature)) = fs::look(&before.path, Links::Follow) else {
            return Some(DriftKind::Changed);
        };
        let same_status = signature == before.signature;
        if same_status && self.still_stands(before) {
            return None;
        }
        match self.examine(&before.path, signature) {
            Ok(now)
                if now.digest != before.digest
                    || now.signature.is_executable() != before.signature.is_executable() =>
            {
                Some(DriftKind::Changed)
            }
            Ok(now) if same_status && now.signature == before.signature => None,
            Ok(_) => Some(DriftKind::Touched),
            Err(_) => Some(DriftKind::Changed),
        }
    }

    /// Says whether an unmoved signature proves by itself that the content is the same.
    fn still_stands(&self, before: &FileDigest) -> bool {
        let Signature { device, .. } = before.signature;
        let Some(system) = self.stats.file_system(&before.path, device) else {
            return false;
        };
        match before.proof {
            Proof::Known => self.stats.known(&before.signature, &system) == Some(before.digest),
            Proof::Read {
                started: Some(started),
                clean,
            } => self
                .stats
                .still_stands(&before.signature, &system, started, clean),
            Proof::Read { started: None, .. } => false,
        }
    }

    fn member_drifts(
        &self,
        dir: &Path,
        filter: &Filter,
        members: &[(RelPath, Shape)],
    ) -> Vec<Drift> {
        let now = self.walk(dir, filter).map(|walked| {
            let shapes = walked.into_iter().map(|entry| (entry.path, entry.shape));
            shapes.collect()
        });
        differences(dir, members.iter().cloned(), now)
    }
}

/// Names what is in one set and not, or not equally, in the other.
fn differences<T: PartialEq>(
    dir: &Path,
    before: impl Iterator<Item = (RelPath, T)>,
    now: Result<HashMap<RelPath, T>, ScanError>,
) -> Vec<Drift> {
    let changed = |path: PathBuf| Drift {
        path,
        kind: DriftKind::Changed,
    };
    let Ok(mut now) = now else {
        return vec![changed(dir.to_owned())];
    };
    let mut drifts = Vec::new();
    for (path, shape) in before {
        if now.remove(&path).is_none_or(|found| found != shape) {
            drifts.push(changed(path.below(dir)));
        }
    }
    drifts.extend(now.into_keys().map(|path| changed(path.below(dir))));
    drifts
}
