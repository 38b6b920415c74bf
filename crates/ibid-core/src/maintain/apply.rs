//! Doing what a plan says, beside whoever uses the store meanwhile.
//!
//! ```text
//! what is missed comes back ─▶ copies in the trash ─▶ keys' files of evicted results
//!     ─▶ their results ─▶ other blobs ─▶ history, tombstones ─▶ deletions
//! ```
//!
//! In this order, so that a kill in between leaves nothing but what the next collection finds:
//! results without blobs are misses, and blobs without names are unreachable. Nothing is believed
//! to be as it was listed: each move looks again, and a result that could not be evicted keeps all
//! that it needs. What fails is told, and the rest goes on.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;

use super::inventory::{Entry, Inventory, LeftoverKind};
use super::plan::{Plan, is_old};
use crate::digest::Key;
use crate::fs::PathError;
use crate::store::{Away, LocalStore, StoreError};

/// So many problems are told one by one; of a store that is broken, more says nothing more.
const TOLD: usize = 20;

/// What a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Results evicted.
    pub evicted: usize,
    /// Blobs moved to the trash.
    pub discarded: usize,
    /// Files deleted for good.
    pub deleted: usize,
    /// Bytes of disk that deleting gave back.
    pub freed: u64,
    /// What was to go and stayed, because it was used meanwhile.
    pub spared: usize,
    /// What stayed because this user may not remove it: in a store of a group where each removes
    /// their own, those of others.
    pub denied: usize,
    /// What could not be done beside that, in words.
    pub problems: Vec<String>,
    /// Whether the caller ended it early.
    pub interrupted: bool,
}

/// Does what the plan says.
pub fn apply(store: &LocalStore, inventory: &Inventory, plan: &Plan) -> Result<Done, StoreError> {
    apply_while(store, inventory, plan, &|| true)
}

/// Does what the plan says until it is done or `goes_on` says no, which is asked before each file.
/// Fails only where nothing can be done at all.
pub fn apply_while(
    store: &LocalStore,
    inventory: &Inventory,
    plan: &Plan,
    goes_on: &dyn Fn() -> bool,
) -> Result<Done, StoreError> {
    if !store.is_writable() {
        return Err(StoreError::ReadOnly(store.dir().to_owned()));
    }
    let mut applying = Applying {
        store,
        inventory,
        goes_on,
        evicted: HashSet::new(),
        failures: 0,
        done: Done::default(),
    };
    applying.take_back(&plan.take_back);
    applying.delete_copies(&plan.delete);
    let spared = applying.evict(&plan.evict);
    let moved = applying.discard(plan, &spared);
    applying.forget(plan);
    applying.delete(plan, &moved);
    let Applying {
        failures, mut done, ..
    } = applying;
    if failures > TOLD {
        let more = failures - TOLD;
        done.problems.push(format!("and {more} more like these"));
    }
    Ok(done)
}

struct Applying<'a> {
    store: &'a LocalStore,
    inventory: &'a Inventory,
    goes_on: &'a dyn Fn() -> bool,
    /// Whose key's file lies in the trash.
    evicted: HashSet<Key>,
    failures: usize,
    done: Done,
}

impl Applying<'_> {
    fn goes_on(&mut self) -> bool {
        self.done.interrupted |= !(self.goes_on)();
        !self.done.interrupted
    }

    /// Takes what became of one file: whether it went. What is gone already was done by somebody
    /// else.
    fn went(&mut self, what: Result<bool, PathError>) -> bool {
        match what {
            Ok(true) => return true,
            Ok(false) => self.done.spared += 1,
            Err(error) if error.is_absent() => self.done.spared += 1,
            Err(error) if error.source.kind() == ErrorKind::PermissionDenied => {
                self.done.denied += 1;
            }
            Err(error) => {
                self.failures += 1;
                if self.failures <= TOLD {
                    let problem = format!("{error}: {}", error.source);
                    self.done.problems.push(problem);
                }
            }
        }
        false
    }

    /// Takes what became of a file that was to go to the trash. What another collection is at goes,
    /// too, and is counted there.
    fn went_away(&mut self, away: Result<Away, PathError>, disk: u64) -> Away {
        let away_to = *away.as_ref().unwrap_or(&Away::Stays);
        if away_to == Away::Deleted {
            self.deleted(disk);
        }
        if away_to != Away::Found {
            self.went(away.map(Away::went));
        }
        away_to
    }

    /// Takes back from the trash what is needed: a collector died that was about to.
    fn take_back(&mut self, take_back: &[usize]) {
        for leftover in &self.inventory.leftovers {
            if leftover.kind == LeftoverKind::Trash
                && leftover.blob.is_none()
                && let Err(error) = self.store.take_back_tombstone(&leftover.path)
            {
                self.went(Err(error));
            }
        }
        for at in take_back {
            if let Some((blob, _)) = self.inventory.leftovers[*at].blob
                && self.goes_on()
            {
                let back = self.store.take_back(&blob).map(|_| true);
                self.went(back);
            }
        }
    }

    /// Deletes for good what lies in the trash while another file has its place: first of all, since
    /// what goes to the trash takes the names of its copies.
    fn delete_copies(&mut self, delete: &[usize]) {
        let inventory = self.inventory;
        let leftovers = delete.iter().map(|at| &inventory.leftovers[*at]);
        let copies = leftovers.filter_map(|it| Some((it.blob?, inventory.placed(it)?, it.disk)));
        let mut copies = copies.peekable();
        if copies.peek().is_some()
            && let Err(error) = self.store.sync_all()
        {
            self.went(Err(error));
            return;
        }
        for ((blob, modified), placed, disk) in copies {
            if !self.goes_on() {
                return;
            }
            let deleted = self.store.delete_copy(&blob, (modified, placed));
            if self.went(deleted) {
                self.deleted(disk);
            }
        }
    }

    /// Takes the keys' files away. Returns the blobs that results need which stay after all.
    fn evict(&mut self, evict: &[usize]) -> BTreeSet<u32> {
        let (mut spared, mut any) = (BTreeSet::new(), false);
        for at in evict {
            let entry = &self.inventory.entries[*at];
            if self.goes_on() && (!entry.stands || self.evict_key(entry)) {
                any = true;
            } else {
                spared.extend(entry.blobs.iter().copied());
                spared.extend(self.inventory.number(&entry.result));
            }
        }
        if any {
            // Whoever remembers these results asks again. On a disk too full for that nobody is
            // worse off than with an older memory of a result that was right.
            let _ = self.store.renew_generation();
        }
        spared
    }

    /// Takes the key's file of a result away. Says whether the key is without it by now.
    fn evict_key(&mut self, entry: &Entry) -> bool {
        let away = self.store.evict(&entry.key, &entry.result);
        let away = self.went_away(away, entry.key_disk);
        if away.lies_in_trash() {
            self.evicted.insert(entry.key);
        }
        self.done.evicted += usize::from(away.is_ours());
        away.went()
    }

    /// Moves blobs to the trash, results before what they need. Returns those that went.
    fn discard(&mut self, plan: &Plan, spared: &BTreeSet<u32>) -> BTreeSet<u32> {
        let entries = plan.evict.iter().map(|at| &self.inventory.entries[*at]);
        let results =
            entries.filter_map(|entry| Some((self.inventory.number(&entry.result)?, entry.stands)));
        let results: BTreeMap<u32, bool> = results.collect();
        let (first, then): (Vec<u32>, Vec<u32>) = plan
            .discard
            .iter()
            .partition(|blob| results.contains_key(blob));
        let mut moved = BTreeSet::new();
        for at in first.into_iter().chain(then) {
            if spared.contains(&at) {
                self.done.spared += 1;
                continue;
            }
            if !self.goes_on() {
                break;
            }
            let blob = &self.inventory.blobs[at as usize];
            let away = self.store.discard_blob(&blob.id, blob.modified);
            let away = self.went_away(away, blob.disk);
            if away.lies_in_trash() {
                moved.insert(at);
            }
            self.done.discarded += usize::from(away == Away::Trashed);
            // Of a result that only history names, its own blob is all that there is to evict.
            let only_named = results.get(&at) == Some(&false);
            self.done.evicted += usize::from(only_named && away.is_ours());
        }
        moved
    }

    /// Removes entries of history and tombstones.
    fn forget(&mut self, plan: &Plan) {
        for at in &plan.forget {
            if !self.goes_on() {
                return;
            }
            let (name, disk) = &self.inventory.runs[*at];
            let forgotten = self.store.forget_run(&name.to_string());
            if self.went(forgotten) {
                self.deleted(*disk);
            }
        }
        for at in &plan.tombstones {
            if !self.goes_on() {
                return;
            }
            let (key, since) = &self.inventory.tombstones[*at];
            let removed = self.store.remove_tombstone(key, *since);
            if self.went(removed) {
                self.done.deleted += 1;
            }
        }
    }

    /// Deletes for good: leftovers, evicted keys' files, which nobody brings back, and of the
    /// blobs that were just moved those that do not fit.
    fn delete(&mut self, plan: &Plan, moved: &BTreeSet<u32>) {
        let inventory = self.inventory;
        let leftovers = plan.delete.iter().map(|at| &inventory.leftovers[*at]);
        for leftover in leftovers.filter(|it| inventory.placed(it).is_none()) {
            if !self.goes_on() {
                return;
            }
            let deleted = match (&leftover.blob, leftover.path.strip_prefix("views/")) {
                (Some((blob, modified)), _) => self.store.delete_discarded(blob, *modified),
                (None, Some(view)) => self.store.delete_view(view, is_old(leftover, inventory)),
                (None, None) => self.store.delete_leftover(&leftover.path),
            };
            if self.went(deleted) {
                self.deleted(leftover.disk);
            }
        }
        for at in &plan.evict {
            let entry = &inventory.entries[*at];
            if !self.evicted.contains(&entry.key) || !entry.stands {
                continue;
            }
            if !self.goes_on() {
                return;
            }
            let deleted = self.store.delete_evicted(&entry.key, &entry.result);
            if self.went(deleted) {
                self.deleted(entry.key_disk);
            }
        }
        for at in plan.purge.iter().filter(|at| moved.contains(at)) {
            if !self.goes_on() {
                return;
            }
            let blob = &inventory.blobs[*at as usize];
            let deleted = self.store.delete_discarded(&blob.id, blob.modified);
            if self.went(deleted) {
                self.deleted(blob.disk);
            }
        }
    }

    fn deleted(&mut self, disk: u64) {
        self.done.deleted += 1;
        self.done.freed = self.done.freed.saturating_add(disk);
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
