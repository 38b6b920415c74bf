//! Why a step runs: the closest earlier entry of its label, and what differs from it.

use std::collections::BTreeSet;

use super::context::Context;
use super::freshness::Miss;
use super::outcome::Rerun;
use super::prepare::Prepared;
use crate::action::{Change, KeyRecord, Trigger, diff};
use crate::output::Capture;
use crate::store::{LocalStore, RunEntry, RunOutcome, StoredOutput, StoredResult};
use crate::tree::Escaped;

/// As many earlier entries of a label are compared: an entry further back is seldom closer, and
/// each costs a read.
const COMPARED: usize = 64;

/// An earlier entry and what differs from it.
#[derive(Clone, Debug)]
pub(super) struct Closest {
    /// The earlier entry.
    pub(super) entry: RunEntry,
    /// What differs: empty where only its result is gone.
    pub(super) changes: Vec<Change>,
}

/// Finds the earlier entry of `label` with the fewest components that differ; of equals the
/// newest. Entries whose record is gone are passed over.
fn closest(store: &LocalStore, label: &str, record: &KeyRecord) -> Option<Closest> {
    let mut seen = BTreeSet::new();
    // A history that cannot be listed explains nothing; it is no reason to fail.
    let entries = store.entries_of(label, COMPARED).unwrap_or_default();
    entries
        .into_iter()
        .filter(|entry| seen.insert(entry.key))
        .filter_map(|entry| {
            let changes = diff(&store.key_record(&entry.key, &entry.record)?, record);
            Some(Closest { entry, changes })
        })
        .min_by_key(|closest| closest.changes.len())
}

/// Makes the reason for running of a miss and, where the components are the reason, of the closest
/// earlier entry.
pub(super) fn rerun(prepared: &Prepared, miss: &Miss, cx: &Context<'_>) -> Rerun {
    let label = &prepared.action.policy.label;
    let from_lookup = |trigger| Rerun {
        triggers: BTreeSet::from([trigger]),
        reason: miss.reason.clone(),
        ..Rerun::default()
    };
    if let Some(trigger) = miss.trigger {
        return from_lookup(trigger);
    }
    let Some(closest) = cx
        .store
        .and_then(|store| closest(store, label, &prepared.record))
    else {
        return from_lookup(Trigger::New);
    };
    if closest.entry.key == prepared.key {
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

/// Names the outputs of a run that the result that stands for its key has otherwise.
pub(super) fn differing(capture: Option<&Capture>, standing: &StoredResult) -> Vec<String> {
    let ours = capture.map_or(&[][..], |capture| capture.outputs.as_slice());
    let theirs = &standing.outcome.outputs;
    let has = |outputs: &[StoredOutput], one: &StoredOutput| {
        outputs.iter().any(|other| other.agrees_with(one))
    };
    let names: BTreeSet<_> = ours
        .iter()
        .filter(|output| !has(theirs, output))
        .chain(theirs.iter().filter(|output| !has(ours, output)))
        .map(|output| match &output.at {
            Some(path) => path.to_string(),
            None => Escaped(&output.name).to_string(),
        })
        .collect();
    if names.is_empty() {
        vec!["the exit code".to_owned()]
    } else {
        names.into_iter().collect()
    }
}
