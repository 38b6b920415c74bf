//! Why a step runs: the closest earlier entry of its label, and what differs from it.

use std::collections::BTreeSet;

use super::freshness::Miss;
use super::outcome::Rerun;
use crate::action::{Change, KeyRecord, Trigger, diff};
use crate::digest::Key;
use crate::store::{LocalStore, RunEntry};

/// As many earlier entries of a label are compared: an entry further back is seldom closer, and
/// each costs a read.
const COMPARED: usize = 64;

/// A key record may not be larger than this: a million inputs fit.
pub const RECORD_LIMIT: u64 = 256 << 20;

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
    let entries = store.entries_of(label, COMPARED).into_iter();
    entries
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
        let reason = format!("{} for the same key: {}", miss.reason, closest.entry.outcome.told());
        return Rerun { triggers: BTreeSet::from([Trigger::Outputs]), reason, ..Rerun::default() };
    }
    Rerun {
        triggers: closest.changes.iter().map(Change::trigger).collect(),
        reason: miss.reason.clone(),
        compared_to: Some(closest.entry.key),
        changes: closest.changes,
    }
}
