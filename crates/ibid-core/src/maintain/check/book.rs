//! `Book`: the flaws found so far, each once, in the order of their paths.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Flaw, FlawKind};
use crate::digest::Key;
use crate::fs::{FileKind, PathError, Signature};
use crate::store::Standing;

/// Flaws by path and kind. A second report of the same flaw adds only whom it spoils.
#[derive(Debug, Default)]
pub(super) struct Book(BTreeMap<(PathBuf, FlawKind), Noted>);

#[derive(Debug)]
struct Noted {
    reason: String,
    judged: Option<Signature>,
    spoils: BTreeSet<Key>,
}

impl Book {
    pub(super) fn add(&mut self, kind: FlawKind, path: &Path, reason: String) {
        self.note(kind, path, reason);
    }

    /// Adds a flaw of just this file, if it is known which was judged.
    pub(super) fn judged(
        &mut self,
        kind: FlawKind,
        path: &Path,
        reason: String,
        judged: Option<Signature>,
    ) {
        self.note(kind, path, reason).judged = judged;
    }

    /// Adds a flaw that spoils the result of a key.
    pub(super) fn spoiling(&mut self, kind: FlawKind, path: &Path, reason: String, key: &Key) {
        self.note(kind, path, reason).spoils.insert(*key);
    }

    fn note(&mut self, kind: FlawKind, path: &Path, reason: String) -> &mut Noted {
        self.0.entry((path.to_owned(), kind)).or_insert(Noted {
            reason,
            judged: None,
            spoils: BTreeSet::new(),
        })
    }

    /// Adds a key to what the flaws of a path spoil; modes and owners spoil nothing.
    pub(super) fn spoil(&mut self, path: &Path, key: &Key) {
        let from = (path.to_owned(), FlawKind::BlobContent);
        let flaws = self.0.range_mut(from..);
        for ((at, kind), noted) in flaws.take_while(|((at, _), _)| at == path) {
            debug_assert_eq!(at, path, "the range ends with the path");
            if *kind != FlawKind::Untrusted {
                noted.spoils.insert(*key);
            }
        }
    }

    pub(super) fn unreadable(&mut self, error: &PathError) {
        let reason = format!("cannot {}: {}", error.operation, error.source);
        self.add(FlawKind::Unreadable, &error.path, reason);
    }

    /// Adds that something else stands at a name than what belongs there.
    pub(super) fn not_a(&mut self, kind: FlawKind, standing: &Standing, wanted: &str) {
        let found = standing.facts.signature.kind();
        self.add(kind, &standing.path, instead(found, wanted));
    }

    pub(super) fn into_flaws(self) -> Vec<Flaw> {
        let flaws = self.0.into_iter();
        flaws
            .map(|((path, kind), noted)| Flaw {
                kind,
                path,
                reason: noted.reason,
                judged: noted.judged,
                spoils: noted.spoils.into_iter().collect(),
            })
            .collect()
    }
}

/// Says what stands where something else belongs.
pub(super) fn instead(found: FileKind, wanted: &str) -> String {
    let found = match found {
        FileKind::File => "a file",
        FileKind::Dir => "a directory",
        FileKind::Link => "a link",
        FileKind::Special => "a FIFO, socket or device",
    };
    format!("{found} stands where {wanted} belongs")
}
