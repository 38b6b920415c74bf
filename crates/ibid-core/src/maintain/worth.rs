//! What a result is worth, and which results are evicted for it.
//!
//! ```text
//! weight = 1 + seconds of computing / MiB of disk that evicting it alone gives back
//! idle   = (now - last use) / weight          the largest goes first
//! ```
//!
//! Invariants: the order does not hang on the budget, so a larger one evicts a subset; a pinned
//! result is no candidate; a young one stays, too, but nothing that is worth more goes in its
//! place: it goes next time, and until then the store takes more than it may; of contents that several results share, the last of them gives
//! back the disk, and counts it from the moment at which it is the last.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::inventory::{Entry, Inventory};
use super::plan::{YOUNG, age_of, nanos};
use super::policy::Policy;

/// Where a small result would count as if it gave back next to nothing, it counts as this.
const LEAST_MIB: f64 = 1.0 / 64.0;

/// Which results are evicted, the least valuable first.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    pub(super) evicted: Vec<usize>,
    /// How many more would go for their worth if they were not young.
    pub(super) young: usize,
    /// The bytes of disk that those would give back.
    pub(super) waiting: u64,
}

impl Evictions {
    /// Chooses by age, by number, and where the store takes more than it may, by worth. `standing`
    /// are the bytes of disk that it takes without what goes anyway.
    pub(super) fn choose(inventory: &Inventory, policy: &Policy, standing: u64) -> Self {
        let mut chosen = by_age(inventory, policy);
        let old: HashSet<usize> = chosen.iter().copied().collect();
        chosen.extend(
            by_number(inventory, policy)
                .into_iter()
                .filter(|at| !old.contains(at)),
        );
        let (mut young, mut waiting) = (0, 0);
        if let Some(most) = policy.max_size.filter(|_| inventory.unknown.is_empty()) {
            let mut sharing = Sharing::new(inventory, standing);
            for at in &chosen {
                sharing.evict(*at);
            }
            sharing.evict_down_to(most, |at, alone| {
                if may_be_evicted(inventory, &inventory.entries[at]) {
                    chosen.push(at);
                } else {
                    young += 1;
                    waiting += alone;
                }
            });
        }
        Self {
            evicted: chosen,
            young,
            waiting,
        }
    }
}

/// Says of each blob whether one of these results needs it.
pub(super) fn needed(inventory: &Inventory, entries: &[&Entry]) -> Vec<bool> {
    let mut needed = vec![false; inventory.blobs.len()];
    for entry in entries {
        for blob in needs(inventory, entry) {
            needed[blob as usize] = true;
        }
    }
    needed
}

/// Returns the blobs that a result needs, its own among them, each once.
fn needs<'a>(inventory: &'a Inventory, entry: &'a Entry) -> impl Iterator<Item = u32> + 'a {
    // It is among them but for inventories that nobody listed: no look-up is needed to see that.
    let is_own = |blob: &u32| inventory.blobs[*blob as usize].id == entry.result;
    let has_own = entry.blobs.iter().any(is_own);
    let own = (!has_own).then(|| inventory.number(&entry.result));
    entry.blobs.iter().copied().chain(own.flatten())
}

/// Says whether nothing speaks against evicting a result: no pin, and nobody used it just now.
fn may_be_evicted(inventory: &Inventory, entry: &Entry) -> bool {
    // Of a result that does not stand, only blobs could go.
    let can_go = entry.stands || inventory.unknown.is_empty();
    can_go && !entry.pinned && !is_young(inventory, entry)
}

/// Says whether somebody recorded or used a result just now.
fn is_young(inventory: &Inventory, entry: &Entry) -> bool {
    let own = inventory.number(&entry.result);
    let written = own.map_or(0, |own| inventory.blobs[own as usize].modified);
    [entry.last_use, written]
        .map(|it| age_of(inventory, it) <= YOUNG)
        .contains(&true)
}

/// Returns what was not used for longer than results stay, the oldest first.
fn by_age(inventory: &Inventory, policy: &Policy) -> Vec<usize> {
    let Some(most) = policy.max_age.map(nanos) else {
        return Vec::new();
    };
    let entries = inventory.entries.iter().enumerate();
    let is_old = |entry: &Entry| inventory.now.saturating_sub(entry.last_use) > most;
    let old = entries.filter(|(_, entry)| is_old(entry) && may_be_evicted(inventory, entry));
    let mut old: Vec<_> = old.map(|(at, entry)| (entry.last_use, at)).collect();
    old.sort_unstable();
    old.into_iter().map(|(_, at)| at).collect()
}

/// Returns what its label has newer results enough of, the oldest first.
fn by_number(inventory: &Inventory, policy: &Policy) -> Vec<usize> {
    let Some(most) = policy.keep_last else {
        return Vec::new();
    };
    let mut by_label: HashMap<&str, Vec<(u64, usize)>> = HashMap::new();
    for (at, entry) in inventory.entries.iter().enumerate() {
        let of_label = by_label.entry(&entry.label).or_default();
        of_label.push((entry.started, at));
    }
    let mut old = Vec::new();
    for of_label in by_label.values_mut() {
        of_label.sort_unstable_by_key(|(started, at)| (Reverse(*started), *at));
        let beyond = of_label.iter().skip(most);
        old.extend(beyond.filter(|(_, at)| may_be_evicted(inventory, &inventory.entries[*at])));
    }
    old.sort_unstable();
    old.into_iter().map(|(_, at)| at).collect()
}

/// Who needs what, while results are evicted one after the other.
struct Sharing<'a> {
    inventory: &'a Inventory,
    /// Of each blob, how many results need it, and the exclusive or of their indices: where only
    /// one is left, that is its index.
    needed_by: Vec<(usize, usize)>,
    is_evicted: Vec<bool>,
    /// Of each result, the bytes of disk that evicting it alone gives back.
    alone: Vec<u64>,
    /// Bytes of disk that the store takes.
    standing: u64,
}

impl<'a> Sharing<'a> {
    fn new(inventory: &'a Inventory, standing: u64) -> Self {
        let mut needed_by = vec![(0, 0); inventory.blobs.len()];
        for (at, entry) in inventory.entries.iter().enumerate() {
            for blob in needs(inventory, entry) {
                let (count, who) = &mut needed_by[blob as usize];
                (*count, *who) = (*count + 1, *who ^ at);
            }
        }
        let mut sharing = Self {
            inventory,
            alone: inventory.entries.iter().map(|it| it.key_disk).collect(),
            is_evicted: vec![false; inventory.entries.len()],
            needed_by,
            standing,
        };
        for blob in 0..inventory.blobs.len() {
            let blob = u32::try_from(blob).expect("an inventory numbers blobs with 32 bits");
            sharing.credit_the_last(blob);
        }
        sharing
    }

    /// Returns the bytes of disk that a blob gives back once nothing needs it.
    fn gives_back(&self, blob: u32) -> u64 {
        let stays = self.inventory.also_named.has(blob);
        if stays {
            return 0;
        }
        self.inventory.blobs[blob as usize].disk
    }

    /// Counts a blob for the only result that needs it. Returns that, if there is one.
    fn credit_the_last(&mut self, blob: u32) -> Option<usize> {
        let (1, who) = self.needed_by[blob as usize] else {
            return None;
        };
        self.alone[who] += self.gives_back(blob);
        Some(who)
    }

    /// Takes a result away. Returns those that give back more alone, since it is gone.
    fn evict(&mut self, at: usize) -> Vec<usize> {
        if std::mem::replace(&mut self.is_evicted[at], true) {
            return Vec::new();
        }
        let mut last_ones = Vec::new();
        let inventory = self.inventory;
        let key = inventory.entries[at].key_disk;
        self.standing = self.standing.saturating_sub(key);
        for blob in needs(inventory, &inventory.entries[at]) {
            let (count, who) = &mut self.needed_by[blob as usize];
            (*count, *who) = (*count - 1, *who ^ at);
            if *count == 0 {
                self.standing = self.standing.saturating_sub(self.gives_back(blob));
            }
            last_ones.extend(self.credit_the_last(blob));
        }
        last_ones
    }

    /// Evicts the least valuable until the store takes at most nine tenths of `most`, so that the
    /// next results do not make it collect again; nothing if it fits already. Each is told with the
    /// bytes that it gives back alone.
    fn evict_down_to(&mut self, most: u64, mut choose: impl FnMut(usize, u64)) {
        if self.standing <= most {
            return;
        }
        let aim = most - most / 10;
        let entries = self.inventory.entries.iter().enumerate();
        let left = entries.filter(|(at, _)| !self.is_evicted[*at]);
        let left = left.filter(|(_, entry)| !entry.pinned);
        let ranked = left.map(|(at, _)| (self.idle(at), Reverse(at)));
        let mut heap: BinaryHeap<(u64, Reverse<usize>)> = ranked.collect();
        while self.standing > aim {
            let Some((idle, Reverse(at))) = heap.pop() else {
                return;
            };
            // Whoever gives back more since it was ranked stands in the heap again.
            if self.is_evicted[at] || idle != self.idle(at) {
                continue;
            }
            choose(at, self.alone[at]);
            for last in self.evict(at) {
                if !self.inventory.entries[last].pinned {
                    heap.push((self.idle(last), Reverse(last)));
                }
            }
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a rank needs no more than the first digits"
    )]
    /// Returns how long a result has been idle for its worth, as bits that are ordered like the
    /// numbers, none of which is negative.
    fn idle(&self, at: usize) -> u64 {
        let entry = &self.inventory.entries[at];
        let idle = self.inventory.now.saturating_sub(entry.last_use);
        (idle as f64 / weight(entry.duration, self.alone[at])).to_bits()
    }
}

/// Returns how much longer than others a result stays, by what it costs and what it takes.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rank needs no more than the first digits"
)]
fn weight(duration: u64, alone: u64) -> f64 {
    let seconds = duration as f64 / 1e9;
    let mib = (alone as f64 / f64::from(1 << 20)).max(LEAST_MIB);
    1.0 + seconds / mib
}
