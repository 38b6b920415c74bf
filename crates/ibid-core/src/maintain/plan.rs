//! What goes: decided from an inventory, a policy and the time, and from nothing else.
//!
//! ```text
//! views     that nobody used for long; where the store does not fit, the longest unused first
//! evict     by age, by number per label, then by worth until the store fits        `worth`
//! forget    history past its age, or past its quarter of the budget                 `history`
//! discard   what only evicted results needed, and what nothing named for the grace
//! take back what a result needs that stays, and what lies in the trash all the same
//! delete    leftovers past their age; evicted keys' files; of the trash the oldest until the
//!           store fits
//! ```
//!
//! Invariants: a pinned result stays, and so does every blob that a kept result needs; what was
//! written or used within the last [`YOUNG`] stays, because somebody may be about to name it; while
//! something is not understood, no blob goes. With a larger budget a subset goes.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::inventory::{Entry, Inventory, Leftover, LeftoverKind};
use super::policy::Policy;
use super::worth::{Evictions, needed};

/// A commit that reuses a blob freshens it only if its stamp is older than this, so what is
/// younger may be about to be named (hazard D3).
pub(super) const YOUNG: u64 = 60 * 1_000_000_000;

/// What comes to be while a collection lists the store is younger than its beginning by less.
const AHEAD: u64 = 24 * 3600 * 1_000_000_000;

/// How long a tombstone stays at least: manifests of its key are in workspaces that nobody knows.
const TOMBSTONES: Duration = Duration::from_hours(365 * 24);

/// How long a view stays that nobody used.
const VIEWS: Duration = Duration::from_hours(30 * 24);

/// What a collection would do. Indices are those of the inventory that it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Results that are evicted, the least valuable first.
    pub evict: Vec<usize>,
    /// Leftovers that are blobs in the trash which a result needs that stays: they come back.
    pub take_back: Vec<usize>,
    /// Blobs that go to the trash: nothing names them any more.
    pub discard: Vec<u32>,
    /// Those of `discard` that are then deleted for good at once, since the trash would not fit.
    pub purge: Vec<u32>,
    /// Entries of history that are forgotten.
    pub forget: Vec<usize>,
    /// Tombstones that nothing needs any more.
    pub tombstones: Vec<usize>,
    /// Leftovers that are deleted for good.
    pub delete: Vec<usize>,
    /// Bytes of disk taken before, trash included.
    pub before: u64,
    /// Bytes of disk that will be taken.
    pub after: u64,
    /// How many results stay only because they were written or used a moment ago.
    pub young: usize,
    /// Bytes of disk above the budget that go with them, a minute later.
    pub waiting: u64,
}

impl Plan {
    /// Says whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let Self {
            evict,
            take_back,
            discard,
            purge: _,
            forget,
            tombstones,
            delete,
            before: _,
            after: _,
            young: _,
            waiting: _,
        } = self;
        evict.is_empty()
            && take_back.is_empty()
            && discard.is_empty()
            && forget.is_empty()
            && tombstones.is_empty()
            && delete.is_empty()
    }

    /// Returns how many files are deleted for good.
    pub fn deletions(&self, inventory: &Inventory) -> usize {
        let keys = self.evict.iter();
        let keys = keys.filter(|at| inventory.entries[**at].stands).count();
        keys + self.purge.len() + self.forget.len() + self.tombstones.len() + self.delete.len()
    }
}

/// Decides what goes.
pub fn plan(inventory: &Inventory, policy: &Policy) -> Plan {
    let leftovers = inventory.leftovers.iter();
    let blobs: u64 = inventory.blobs.iter().map(|blob| blob.disk).sum();
    let runs: u64 = inventory.runs.iter().map(|(_, disk)| disk).sum();
    let left: u64 = leftovers.map(|leftover| leftover.disk).sum();
    let mut plan = Plan {
        before: blobs + runs + left + inventory.small_files + inventory.directories,
        tombstones: tombstones(inventory, policy),
        delete: outdated(inventory, policy),
        ..Plan::default()
    };
    let all: Vec<&Entry> = inventory.entries.iter().collect();
    let is_needed = needed(inventory, &all);
    let history = history(inventory, policy, &is_needed);
    plan.forget = history.forget;
    let is_named = |blob: &u32| inventory.also_named.has(*blob) && !history.blobs.contains(blob);
    let unreachable = unreachable(inventory, policy, &history.blobs, &is_needed);
    let stays = missed(inventory, &[]);
    plan.delete.retain(|at| !stays.contains(at));
    let trash = trash(inventory).map(|(at, _)| at);
    let trash = trash.filter(|at| !stays.contains(at));
    let gone: BTreeSet<usize> = trash.chain(plan.delete.iter().copied()).collect();
    let gone: u64 = gone.iter().map(|at| inventory.leftovers[*at].disk).sum();
    let unnamed = unreachable
        .iter()
        .filter(|at| !inventory.also_named.has(**at));
    let unnamed: u64 = unnamed.map(|at| inventory.blobs[*at as usize].disk).sum();
    // What goes by itself is no reason to evict.
    let mut standing = plan
        .before
        .saturating_sub(gone + unnamed + history.given_back + unasked(inventory, policy));
    for at in unused_views(inventory) {
        if policy.max_size.is_none_or(|most| standing <= most) {
            break;
        }
        if !plan.delete.contains(&at) {
            standing = standing.saturating_sub(inventory.leftovers[at].disk);
            plan.delete.push(at);
        }
    }
    plan.delete.sort_unstable();
    let chosen = Evictions::choose(inventory, policy, standing);
    plan.evict = chosen.evicted;
    plan.young = chosen.young;
    plan.take_back = missed(inventory, &plan.evict).into_iter().collect();
    plan.discard = freed(inventory, &plan.evict, &is_named);
    plan.discard.extend(unreachable);
    plan.discard.sort_unstable();
    plan.delete.extend(copies(inventory, &plan.discard));
    plan.delete.sort_unstable();
    plan.delete.dedup();
    make_fit(inventory, policy, &mut plan);
    let over = policy
        .max_size
        .map_or(0, |most| plan.after.saturating_sub(most));
    plan.waiting = over.min(chosen.waiting);
    plan
}

/// Returns the views that were not used just now, the longest unused first: each is a copy of what
/// the store has, so it goes before any result.
fn unused_views(inventory: &Inventory) -> Vec<usize> {
    let leftovers = inventory.leftovers.iter().enumerate();
    let views = leftovers.filter(|(_, leftover)| {
        leftover.kind == LeftoverKind::View && age_of(inventory, leftover.since) > YOUNG
    });
    let mut views: Vec<_> = views.map(|(at, leftover)| (leftover.since, at)).collect();
    views.sort_unstable();
    views.into_iter().map(|(_, at)| at).collect()
}

/// Says whether a view is past its age, so that it goes even where nobody can say who reads it.
pub(super) fn is_old(view: &Leftover, inventory: &Inventory) -> bool {
    age_of(inventory, view.since) > nanos(VIEWS)
}

/// Returns the bytes of directories that no result has to make room for: what no collection gives
/// back may count for a quarter of a small budget, and must not empty the store.
fn unasked(inventory: &Inventory, policy: &Policy) -> u64 {
    let counts = policy.max_size.map_or(u64::MAX, |most| most / 4);
    inventory.directories.saturating_sub(counts)
}

/// Chooses what is deleted for good so that the store fits with its trash, and sums up.
fn make_fit(inventory: &Inventory, policy: &Policy, plan: &mut Plan) {
    let forgotten: u64 = plan.forget.iter().map(|at| inventory.runs[*at].1).sum();
    let deleted = plan.delete.iter().map(|at| inventory.leftovers[*at].disk);
    let keys = plan.evict.iter().map(|at| inventory.entries[*at].key_disk);
    let gone = forgotten + deleted.sum::<u64>() + keys.sum::<u64>();
    let mut left = plan.before.saturating_sub(gone);
    let fits = |left: u64| policy.max_size.is_none_or(|most| left <= most);
    let mut old: Vec<_> = trash(inventory).collect();
    old.retain(|(at, _)| {
        plan.delete.binary_search(at).is_err() && plan.take_back.binary_search(at).is_err()
    });
    old.sort_by_key(|(at, since)| (*since, *at));
    for (at, _) in old {
        if fits(left) {
            break;
        }
        left = left.saturating_sub(inventory.leftovers[at].disk);
        plan.delete.push(at);
    }
    for blob in &plan.discard {
        if fits(left) {
            break;
        }
        left = left.saturating_sub(inventory.blobs[*blob as usize].disk);
        plan.purge.push(*blob);
    }
    plan.delete.sort_unstable();
    plan.after = left;
}

/// Returns what of the trash may be deleted at all, and since when it lies there.
fn trash(inventory: &Inventory) -> impl Iterator<Item = (usize, u64)> {
    let leftovers = inventory.leftovers.iter().enumerate();
    let trash = leftovers.filter(|(_, leftover)| {
        leftover.kind == LeftoverKind::Trash && !is_freshened(inventory, leftover)
    });
    trash.map(|(at, leftover)| (at, leftover.since))
}

/// Says whether something in the trash is a blob that was touched just now: somebody is taking it
/// back, or a collector is about to. Or it is a copy of one that was written just now, which no
/// disk need have yet.
fn is_freshened(inventory: &Inventory, leftover: &Leftover) -> bool {
    let modified = leftover.blob.map(|(_, modified)| modified);
    let mut stamps = modified.into_iter().chain(inventory.placed(leftover));
    stamps.any(|stamp| age_of(inventory, stamp) <= YOUNG)
}

/// Returns the leftovers that are copies of these blobs: these take their names.
fn copies<'a>(inventory: &'a Inventory, of: &'a [u32]) -> impl Iterator<Item = usize> + 'a {
    let trash = trash(inventory).map(|(at, _)| at);
    trash.filter(move |at| {
        let blob = inventory.leftovers[*at].blob;
        let number = blob.and_then(|(blob, _)| inventory.number(&blob));
        number.is_some_and(|number| of.binary_search(&number).is_ok())
    })
}

/// Returns the leftovers that results need which stay, as far as these are not evicted. Of a blob
/// that is in its place as well, what lies in the trash is a copy, which nobody needs.
fn missed(inventory: &Inventory, evicted: &[usize]) -> BTreeSet<usize> {
    let evicted: HashSet<usize> = evicted.iter().copied().collect();
    let all = inventory.entries.iter().enumerate();
    let kept = all.filter(|(at, _)| !evicted.contains(at));
    let missed = kept.flat_map(|(_, entry)| &entry.trashed);
    let missed = missed.map(|at| *at as usize);
    missed
        .filter(|at| inventory.placed(&inventory.leftovers[*at]).is_none())
        .collect()
}

/// Returns the leftovers that are past their age.
fn outdated(inventory: &Inventory, policy: &Policy) -> Vec<usize> {
    let is_outdated = |kind: LeftoverKind, since: u64| {
        let age = age_of(inventory, since);
        let most = match kind {
            // A process may be writing it for as long as a commit takes, whatever the grace is.
            LeftoverKind::Staged | LeftoverKind::Lease => policy.grace.max(Policy::GRACE),
            LeftoverKind::Trash => policy.grace,
            LeftoverKind::View => VIEWS,
        };
        age > nanos(most)
    };
    let leftovers = inventory.leftovers.iter().enumerate();
    let outdated = leftovers.filter(|(_, leftover)| {
        is_outdated(leftover.kind, leftover.since) && !is_freshened(inventory, leftover)
    });
    outdated.map(|(at, _)| at).collect()
}

/// Returns the tombstones that no result in any workspace can have outlived. Without a limit of
/// age none goes.
fn tombstones(inventory: &Inventory, policy: &Policy) -> Vec<usize> {
    let Some(most) = policy.max_age.map(|age| nanos(age.max(TOMBSTONES))) else {
        return Vec::new();
    };
    let tombstones = inventory.tombstones.iter().enumerate();
    let old = tombstones.filter(|(_, (_, since))| inventory.now.saturating_sub(*since) > most);
    old.map(|(at, _)| at).collect()
}

/// What of history is forgotten.
#[derive(Default)]
struct Forgotten {
    forget: Vec<usize>,
    /// What history names no more; results may need it all the same.
    blobs: BTreeSet<u32>,
    /// Bytes that results may take instead: never more than what is forgotten.
    given_back: u64,
}

/// A part of history: an entry, or a blob that one names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Run(usize),
    Blob(u32),
}

/// Forgets history that is past its age, and the oldest of it where it would take more than a
/// quarter of the budget: it explains results, and must not crowd them out.
fn history(inventory: &Inventory, policy: &Policy, is_needed: &[bool]) -> Forgotten {
    if policy.max_size.is_none() && policy.max_age.is_none() {
        return Forgotten::default();
    }
    let runs = inventory.runs.iter().enumerate();
    let runs = runs.map(|(at, (name, disk))| (name.time, Part::Run(at), *disk));
    let blobs = inventory.also_named.iter();
    let blobs = blobs.filter(|(at, _)| may_go(inventory, *at, 0));
    let disk_of = |at: u32| inventory.blobs[at as usize].disk;
    let blobs = blobs.map(|(at, time)| (time, Part::Blob(at), disk_of(at)));
    let mut parts: Vec<_> = runs.chain(blobs).collect();
    parts.sort_unstable();
    let most = policy.max_size.map_or(u64::MAX, |most| most / 4);
    let max_age = policy.max_age.map_or(u64::MAX, nanos);
    let mut left: u64 = parts.iter().map(|(_, _, disk)| disk).sum();
    let mut forgotten = Forgotten::default();
    // What of history no result needs, and is not past its age.
    let mut alone = 0_u64;
    for (time, part, disk) in parts {
        let is_old = inventory.now.saturating_sub(time) > max_age;
        let own = match part {
            Part::Blob(at) if is_needed[at as usize] => 0,
            _ => disk,
        };
        if is_old {
            forgotten.given_back += own;
        } else {
            alone += own;
        }
        if is_old || left > most {
            left -= disk;
            match part {
                Part::Run(at) => forgotten.forget.push(at),
                Part::Blob(at) => {
                    forgotten.blobs.insert(at);
                }
            }
        }
    }
    // Less than what is forgotten by whole files, so that a larger budget never evicts more.
    forgotten.given_back += alone.saturating_sub(most);
    forgotten.forget.sort_unstable();
    forgotten
}

/// Says whether a blob may go to the trash that nothing names: all is understood, and it was not
/// written or freshened since `age` ago, nor within the last minute.
pub(super) fn may_go(inventory: &Inventory, blob: u32, age: u64) -> bool {
    let modified = inventory.blobs[blob as usize].modified;
    inventory.unknown.is_empty() && age_of(inventory, modified) > age.max(YOUNG)
}

/// Returns how long ago a file was stamped. A stamp that lies further ahead than [`AHEAD`] is of a
/// clock that was wrong: such a file is of any age, or it would stay for ever.
pub(super) fn age_of(inventory: &Inventory, stamp: u64) -> u64 {
    match stamp.checked_sub(inventory.now) {
        Some(ahead) if ahead > AHEAD => u64::MAX,
        _ => inventory.now.saturating_sub(stamp),
    }
}

/// Returns the blobs that nothing named for the grace, and those that only forgotten history did.
fn unreachable(
    inventory: &Inventory,
    policy: &Policy,
    of_history: &BTreeSet<u32>,
    is_needed: &[bool],
) -> Vec<u32> {
    let grace = nanos(policy.grace);
    let goes = |blob: &u32| {
        if is_needed[*blob as usize] {
            return false;
        }
        if inventory.also_named.has(*blob) {
            return of_history.contains(blob);
        }
        may_go(inventory, *blob, grace)
    };
    numbers(inventory).filter(goes).collect()
}

/// Returns the blobs that only these results needed, that history names no longer, and that may go.
fn freed(inventory: &Inventory, evicted: &[usize], is_named: &dyn Fn(&u32) -> bool) -> Vec<u32> {
    if evicted.is_empty() {
        return Vec::new();
    }
    let evicted: HashSet<usize> = evicted.iter().copied().collect();
    let all = inventory.entries.iter().enumerate();
    let (gone, kept): (Vec<_>, Vec<_>) = all.partition(|(at, _)| evicted.contains(at));
    let only = |entries: &[(usize, &'_ Entry)]| -> Vec<bool> {
        let entries: Vec<&Entry> = entries.iter().map(|(_, entry)| *entry).collect();
        needed(inventory, &entries)
    };
    let (gone, kept) = (only(&gone), only(&kept));
    let goes = |blob: &u32| {
        let at = *blob as usize;
        let is_freed = gone[at] && !kept[at] && !is_named(blob);
        is_freed && may_go(inventory, *blob, 0)
    };
    numbers(inventory).filter(goes).collect()
}

fn numbers(inventory: &Inventory) -> impl Iterator<Item = u32> {
    let count = u32::try_from(inventory.blobs.len());
    0..count.expect("an inventory numbers blobs with 32 bits")
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
