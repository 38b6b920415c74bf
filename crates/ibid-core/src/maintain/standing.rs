//! What stands in a store, listed: blobs, history, keys' files, and what was left behind.
//!
//! The first half of an [`Inventory`]: one pass over the files, in the order of their names. Whom a
//! file belongs to is asked here, and what it says is taken for what it is; what that leads to is
//! followed in `reach`. Must not read a result or a record.

use std::cmp::Reverse;

use super::inventory::{Blob, Inventory, Leftover, LeftoverKind, nanos, number};
use crate::digest::near::{self, Starts};
use crate::digest::{BlobId, Key};
use crate::fs::Facts;
use crate::store::{KeyState, ListedFile, LocalStore, Recalled, RunName, RunState, Walk, both};

/// A lease that was written to within so many nanoseconds is held: its holder does so every two
/// seconds.
pub(super) const HELD: u64 = 60_000_000_000;

/// From so many entries on, putting them into order is worth a thread.
const MANY: usize = 4096;

/// What history says of keys and results.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Of each key its newest entry, in the order of the keys.
    pub(super) keys: Vec<(Key, RunName)>,
    /// Of each result the newest time at which an entry named it, in the order of the results.
    pub(super) results: Vec<(BlobId, u64)>,
}

impl History {
    pub(super) fn named(&self, result: &BlobId) -> Option<u64> {
        let at = self.results.binary_search_by_key(&result, |(it, _)| it);
        Some(self.results[at.ok()?].1)
    }

    /// Brings entries into order, and keeps the newest.
    fn settle(&mut self) {
        let Self { keys, results } = self;
        let of_keys = || {
            keys.sort_unstable_by(|a, b| (&a.0, b.1).cmp(&(&b.0, a.1)));
            keys.dedup_by_key(|(key, _)| *key);
        };
        both(results.len() > MANY, of_keys, || {
            results.sort_unstable_by_key(|(result, time)| (*result, Reverse(*time)));
            results.dedup_by_key(|(result, _)| *result);
        });
    }
}

/// What stands for a key.
pub(super) struct Standing {
    pub(super) key: Key,
    pub(super) result: BlobId,
    /// When its file was written or touched.
    pub(super) modified: u64,
    /// The bytes of disk that its file takes.
    pub(super) disk: u64,
}

pub(super) fn list_blobs(walk: &mut Walk, inventory: &mut Inventory) {
    let blobs = &mut inventory.blobs;
    *blobs = walk.blobs(|id, facts| Blob {
        id,
        size: facts.signature.size,
        disk: facts.disk,
        modified: nanos(facts.signature.mtime),
    });
    assert!(u32::try_from(blobs.len()).is_ok(), "fewer blobs than 2^32");
    let leading = blobs
        .iter()
        .map(|blob| near::leading(blob.id.digest().as_bytes()));
    inventory.starts = Starts::of(leading);
    inventory.also_named.reserve(blobs.len());
}

/// What an entry of history says that anybody heeds.
struct Said {
    key: Key,
    result: Option<BlobId>,
    /// The record, if it is stored.
    record: Option<u32>,
}

pub(super) fn list_runs(
    (store, recalled): (&LocalStore, &Recalled),
    walk: &mut Walk,
    inventory: &mut Inventory,
) -> History {
    let (blobs, starts) = (&inventory.blobs, &inventory.starts);
    let read = |name: RunName, facts: Facts, state: RunState<'_>| {
        // What a stranger says was run keeps nothing, and cannot keep anything from going.
        let said = match state {
            _ if !store.heeds(facts.owner) => Ok(None),
            RunState::Entry(entry) => Ok(Some(Said {
                key: entry.key,
                result: entry.result,
                record: number(blobs, starts, &entry.record),
            })),
            RunState::Damaged(_) => Ok(None),
            RunState::Unknown => Err(format!("`runs/{name}` is of a later version")),
            RunState::Unreadable(reason) => Err(format!("`runs/{name}`: {reason}")),
        };
        (name, facts.disk, said)
    };
    let mut history = History::default();
    let listed = walk.runs(recalled, read);
    inventory.runs.reserve_exact(listed.len());
    history.keys.reserve_exact(listed.len());
    history.results.reserve_exact(listed.len());
    for (name, disk, said) in listed {
        inventory.runs.push((name, disk));
        match said {
            Ok(None) => {}
            Err(text) => inventory.unknown.push(text),
            Ok(Some(said)) => {
                history.keys.push((said.key, name));
                history
                    .results
                    .extend(said.result.map(|result| (result, name.time)));
                if let Some(record) = said.record {
                    inventory.also_name(record, name.time);
                }
            }
        }
    }
    // Two lists in order are joined, which a stable sort sees.
    inventory.runs.sort();
    history.settle();
    history
}

pub(super) fn list_keys(
    (store, recalled): (&LocalStore, &Recalled),
    walk: &mut Walk,
    inventory: &mut Inventory,
) -> Vec<Standing> {
    let mut standing = Vec::new();
    // Only what is read here is kept of a file's status.
    let listed = walk.keys(recalled, |key, facts, state| {
        let modified = nanos(facts.signature.mtime);
        // A stranger's file is a miss, whatever it says: it answers no request, and may go first.
        let heeded = store.heeds(facts.owner).then_some(modified);
        (key, facts.disk, heeded, state)
    });
    for (key, disk, heeded, state) in listed {
        inventory.small_files += disk;
        let modified = heeded.unwrap_or(0);
        let mut unknown = |reason: &str| {
            let text = format!("the file of key {}: {reason}", key.short());
            inventory.unknown.push(text.clone());
            text
        };
        match state {
            KeyState::Result(result) => standing.push(Standing {
                key,
                result,
                modified,
                disk,
            }),
            KeyState::Tombstone(tombstone) => {
                // A file that was copied here may claim an older time than it came.
                let since = tombstone.when.max(modified);
                inventory.tombstones.push((key, since));
            }
            _ if heeded.is_none() => {}
            KeyState::Unknown(what) => {
                unknown(&format!("a later version wrote it: {what}"));
            }
            KeyState::Unreadable(reason) => {
                unknown(&reason);
            }
            KeyState::Damaged(reason) => {
                let text = unknown(&format!("damaged: {reason}"));
                inventory.damaged.push((key, text));
            }
        }
    }
    list_tombstones(walk, inventory);
    inventory.damaged.sort_unstable();
    standing
}

/// Adds the invalidations that are remembered, of each key the newest.
fn list_tombstones(walk: &mut Walk, inventory: &mut Inventory) {
    let listed = walk.tombstones(|key, facts, state| {
        let modified = nanos(facts.signature.mtime);
        let since = match state {
            KeyState::Tombstone(tombstone) => tombstone.when.max(modified),
            // It names nothing, whatever it is.
            _ => modified,
        };
        (key, since, facts.disk)
    });
    for (key, since, disk) in listed {
        inventory.small_files += disk;
        inventory.tombstones.push((key, since));
    }
    let newest_first = |(key, since): &(Key, u64)| (*key, Reverse(*since));
    inventory.tombstones.sort_unstable_by_key(newest_first);
    inventory.tombstones.dedup_by_key(|(key, _)| *key);
}

pub(super) fn list_leftovers(walk: &mut Walk, inventory: &mut Inventory) {
    let Inventory { leftovers, now, .. } = inventory;
    let mut add = |kind, file: ListedFile| {
        let signature = file.facts.signature;
        let since = match kind {
            // Being moved is a change of status only.
            LeftoverKind::Trash => signature.ctime,
            LeftoverKind::Staged | LeftoverKind::Lease | LeftoverKind::View => {
                signature.last_change()
            }
        };
        let since = nanos(since);
        if kind == LeftoverKind::Lease && since.saturating_add(HELD) > *now {
            return;
        }
        let blob = file.path.strip_prefix("trash/blobs/");
        let blob = blob.and_then(|below| below.get(3..)?.parse().ok());
        leftovers.push(Leftover {
            kind,
            path: file.path,
            disk: file.disk,
            since,
            blob: blob.map(|blob| (blob, nanos(signature.mtime))),
        });
    };
    walk.staged(|file| add(LeftoverKind::Staged, file));
    walk.leases(|file| add(LeftoverKind::Lease, file));
    walk.trash(|file| add(LeftoverKind::Trash, file));
    walk.views(|file| add(LeftoverKind::View, file));
    leftovers.sort_unstable_by(|a, b| a.path.cmp(&b.path));
}

impl Inventory {
    /// Notes that something beside results names a blob.
    pub(super) fn also_name(&mut self, blob: u32, time: u64) {
        self.also_named.note(blob, time);
    }
}
