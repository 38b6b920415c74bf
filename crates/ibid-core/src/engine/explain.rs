//! Why a step runs: the closest earlier entry of its label, and what differs from it.

use std::collections::BTreeSet;
use std::path::Path;

use super::freshness::Miss;
use super::outcome::Rerun;
use crate::action::{Change, KeyRecord, OutputKind, OutputSpec, Trigger, diff};
use crate::digest::Key;
use crate::output::{Capture, MadeLinks};
use crate::store::{LocalStore, RunEntry, RunOutcome, StoredResult};

/// As many earlier entries of a label are compared: an entry further back is seldom closer, and
/// each costs a read.
const COMPARED: usize = 64;

/// A key record may not be larger than this: a million inputs fit.
const RECORD_LIMIT: u64 = 256 << 20;

/// An earlier entry and what differs from it.
#[derive(Clone, Debug)]
pub struct Closest {
    /// The earlier entry.
    pub entry: RunEntry,
    /// What differs: empty where only its result is gone.
    pub changes: Vec<Change>,
}

/// Finds the earlier entry of `label` with the fewest components that differ; of equals the
/// newest. Entries whose record is gone are passed over.
pub fn closest(
    store: &LocalStore,
    label: &str,
    record: &KeyRecord,
    counts: impl Fn(&RunEntry) -> bool,
) -> Option<Closest> {
    let mut seen = BTreeSet::new();
    // A history that cannot be listed explains nothing; it is no reason to fail.
    let entries = store.entries_of(label, COMPARED).unwrap_or_default();
    entries
        .into_iter()
        .filter(|entry| counts(entry) && seen.insert(entry.key))
        .filter_map(|entry| {
            let changes = diff(&read_record(store, &entry)?, record);
            Some(Closest { entry, changes })
        })
        .min_by_key(|closest| closest.changes.len())
}

/// Reads the key record of a history entry, if it is still there and is that key's.
pub fn read_record(store: &LocalStore, entry: &RunEntry) -> Option<KeyRecord> {
    let bytes = store.read_blob(&entry.record, RECORD_LIMIT).ok()?;
    let record = KeyRecord::decode(&bytes).ok()?;
    (Key::derive(&bytes) == entry.key).then_some(record)
}

/// Makes the reason for running of a miss and, where the components are the reason, of the closest
/// earlier entry.
pub(super) fn rerun(
    store: Option<&LocalStore>,
    label: &str,
    (key, record): (&Key, &KeyRecord),
    miss: &Miss,
) -> Rerun {
    let from_lookup = |trigger| Rerun {
        triggers: BTreeSet::from([trigger]),
        reason: miss.reason.clone(),
        ..Rerun::default()
    };
    if let Some(trigger) = miss.trigger {
        return from_lookup(trigger);
    }
    let Some(closest) = store.and_then(|store| closest(store, label, record, |_| true)) else {
        return from_lookup(Trigger::New);
    };
    if closest.entry.key == *key {
        let reason = format!("{}: {}", miss.reason, told(&closest.entry));
        return Rerun {
            triggers: BTreeSet::from([Trigger::Outputs]),
            reason,
            ..Rerun::default()
        };
    }
    Rerun {
        triggers: closest.changes.iter().map(Change::trigger).collect(),
        reason: miss.reason.clone(),
        compared_to: Some(closest.entry.key),
        changes: closest.changes,
    }
}

/// Says how an earlier run of the same key went, given that its result is not there.
fn told(entry: &RunEntry) -> &'static str {
    match entry.outcome {
        RunOutcome::Failed => "the last run of the same inputs failed",
        RunOutcome::Uncacheable => "the last run of the same inputs could not be stored",
        RunOutcome::Ran | RunOutcome::Hit | RunOutcome::Refreshed => {
            "its entry was removed from the store"
        }
    }
}

/// Returns the links that the label's last stored run made as outputs: any other link at an
/// output's place is the user's own, and leads to where the output belongs. History is only asked
/// if there is such a link.
pub(super) fn links_made(
    store: Option<&LocalStore>,
    label: &str,
    outputs: &[OutputSpec],
    root: &Path,
) -> MadeLinks {
    let Some(store) = store.filter(|_| is_any_link(outputs, root)) else {
        return MadeLinks::default();
    };
    let entries = store.entries_of(label, COMPARED).unwrap_or_default();
    let last = entries.into_iter().find(|entry| entry.result.is_some());
    last.map(|entry| entry.links).unwrap_or_default()
}

/// Says whether a link stands at the place of an output.
pub(super) fn is_any_link(outputs: &[OutputSpec], root: &Path) -> bool {
    outputs.iter().any(|output| match &output.kind {
        OutputKind::Path(place) | OutputKind::Dir(place) => {
            crate::fs::Signature::of_link(&place.on_disk(root))
                .is_ok_and(|signature| signature.kind() == crate::fs::FileKind::Link)
        }
        OutputKind::Glob(_) => false,
    })
}

/// Names the outputs of a run that the result that stands for its key has otherwise.
pub(super) fn differing(capture: Option<&Capture>, standing: &StoredResult) -> Vec<String> {
    let ours = capture.map_or(&[][..], |capture| capture.outputs.as_slice());
    let theirs = &standing.outcome.outputs;
    let names: BTreeSet<_> = ours
        .iter()
        .filter(|output| !theirs.contains(output))
        .chain(theirs.iter().filter(|output| !ours.contains(output)))
        .map(|output| match &output.at {
            Some(path) => path.to_string(),
            None => crate::tree::Escaped(&output.name).to_string(),
        })
        .collect();
    if names.is_empty() {
        vec!["the exit code".to_owned()]
    } else {
        names.into_iter().collect()
    }
}
