//! What takes how much: an inventory, added up.
//!
//! Pure. Two measures stand side by side: what results hold, each for itself (`logical`), and the
//! disk that would be free again without them (`exclusive`). A blob that two labels need is in
//! neither's `exclusive`; one that history names stays when results go, so it is in nobody's.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::inventory::{Entry, Inventory, LeftoverKind};

/// The ends of the bands of age, in seconds: a day, a week, 30 and 90 days, a year.
const BANDS: [u64; 5] = [86_400, 604_800, 2_592_000, 7_776_000, 31_536_000];

/// What one label takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelUsage {
    /// What history calls the step.
    pub label: String,
    /// How many results it has.
    pub results: usize,
    /// Bytes of all contents, each as often as one of its results has it.
    pub logical: u64,
    /// Bytes of disk of all that its results need, each blob once, others' need or not.
    pub disk: u64,
    /// Bytes of disk that evicting all of it would give back.
    pub exclusive: u64,
    /// When one of them was last used, in nanoseconds since 1970.
    pub last_use: u64,
    /// How many of them are pinned.
    pub pinned: usize,
}

/// Results that were last used in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeBand {
    /// The oldest age in seconds that still belongs here; `None` for the last band.
    pub up_to: Option<u64>,
    /// How many results.
    pub results: usize,
    /// Bytes of disk that evicting all of them would give back.
    pub exclusive: u64,
}

/// What a store takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of disk, everything included.
    pub disk: u64,
    /// Bytes of disk of the blobs.
    pub blobs: u64,
    /// Bytes of disk of blobs that nothing names.
    pub unreachable: u64,
    /// Bytes of disk of the trash.
    pub trash: u64,
    /// Bytes of disk of other leftovers: staged files, dead leases, views.
    pub leftovers: u64,
    /// How many blobs.
    pub blob_count: usize,
    /// How many results.
    pub results: usize,
    /// Bytes of all contents, each as often as a result has it.
    pub logical: u64,
    /// Bytes of the same contents, each once: what is kept of them.
    pub distinct: u64,
    /// By label, the largest first.
    pub labels: Vec<LabelUsage>,
    /// By age of the last use, the youngest first.
    pub ages: Vec<AgeBand>,
}

/// Adds an inventory up.
pub fn usage(inventory: &Inventory) -> Usage {
    let entries = &inventory.entries;
    let (labels, label_of) = by_label(entries);
    let ages: Vec<_> = entries.iter().map(|entry| band(entry, inventory)).collect();
    let by_label = exclusive(inventory, &label_of, labels.len());
    let by_age = exclusive(inventory, &ages, BANDS.len() + 1);
    let mut usage = Usage {
        blob_count: inventory.blobs.len(),
        results: entries.len(),
        labels,
        ages: bands(),
        ..Usage::default()
    };
    for (label, bytes) in usage.labels.iter_mut().zip(by_label) {
        label.exclusive = bytes;
    }
    for (band, bytes) in usage.ages.iter_mut().zip(by_age) {
        band.exclusive = bytes;
    }
    let mut counted = HashSet::new();
    for ((entry, label), age) in entries.iter().zip(label_of).zip(ages) {
        usage.ages[age].results += 1;
        let new = |number: &&u32| counted.insert((label, **number));
        let disk = entry.blobs.iter().filter(new);
        let disk: u64 = disk.map(|it| inventory.blobs[*it as usize].disk).sum();
        let label = &mut usage.labels[label];
        label.disk = label.disk.saturating_add(disk);
        label.results += 1;
        label.pinned += usize::from(entry.pinned);
        label.last_use = label.last_use.max(entry.last_use);
        let sizes = entry.blobs.iter().map(|number| size_of(inventory, *number));
        let bytes = sizes.fold(0, u64::saturating_add);
        label.logical = label.logical.saturating_add(bytes);
        usage.logical = usage.logical.saturating_add(bytes);
    }
    let largest_first = |it: &LabelUsage| (Reverse((it.exclusive, it.disk)), it.label.clone());
    usage.labels.sort_by_cached_key(largest_first);
    add_up(&mut usage, inventory);
    usage
}

/// Adds up what belongs to no label.
fn add_up(usage: &mut Usage, inventory: &Inventory) {
    let mut needed = vec![false; inventory.blobs.len()];
    for number in inventory.entries.iter().flat_map(|entry| &entry.blobs) {
        needed[*number as usize] = true;
    }
    for (number, blob) in (0_u32..).zip(&inventory.blobs) {
        usage.blobs = usage.blobs.saturating_add(blob.disk);
        if needed[number as usize] {
            usage.distinct = usage.distinct.saturating_add(blob.size);
        } else if !inventory.also_named.has(number) {
            usage.unreachable = usage.unreachable.saturating_add(blob.disk);
        }
    }
    for leftover in &inventory.leftovers {
        let sum = match leftover.kind {
            LeftoverKind::Trash => &mut usage.trash,
            LeftoverKind::Staged | LeftoverKind::Lease | LeftoverKind::View => &mut usage.leftovers,
        };
        *sum = sum.saturating_add(leftover.disk);
    }
    let runs = inventory.runs.iter().map(|(_, disk)| *disk);
    let parts = [
        usage.blobs,
        usage.trash,
        usage.leftovers,
        inventory.small_files,
        inventory.directories,
    ];
    usage.disk = parts.into_iter().chain(runs).fold(0, u64::saturating_add);
}

/// Returns all labels, and the number of each entry's.
fn by_label(entries: &[Entry]) -> (Vec<LabelUsage>, Vec<usize>) {
    let mut labels: Vec<LabelUsage> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let number_of = |entry| {
        let Entry { label, .. }: &Entry = entry;
        *numbers.entry(label).or_insert_with(|| {
            labels.push(LabelUsage {
                label: label.to_string(),
                ..LabelUsage::default()
            });
            labels.len() - 1
        })
    };
    let label_of = entries.iter().map(number_of).collect();
    (labels, label_of)
}

fn bands() -> Vec<AgeBand> {
    let ends = BANDS.into_iter().map(Some).chain([None]);
    ends.map(|up_to| AgeBand {
        up_to,
        ..AgeBand::default()
    })
    .collect()
}

/// Returns the number of the band that an entry belongs to.
fn band(entry: &Entry, inventory: &Inventory) -> usize {
    let age = inventory.now.saturating_sub(entry.last_use) / 1_000_000_000;
    BANDS.partition_point(|end| *end < age)
}

/// Returns for each group of entries the bytes of disk of what only this group needs.
fn exclusive(inventory: &Inventory, group_of: &[usize], groups: usize) -> Vec<u64> {
    #[derive(Clone, Copy, PartialEq)]
    enum Owner {
        None,
        One(usize),
        Many,
    }
    let mut owners = vec![Owner::None; inventory.blobs.len()];
    for (number, _) in inventory.also_named.iter() {
        owners[number as usize] = Owner::Many;
    }
    for (entry, group) in inventory.entries.iter().zip(group_of) {
        for number in &entry.blobs {
            let owner = &mut owners[*number as usize];
            *owner = match *owner {
                Owner::None => Owner::One(*group),
                one if one == Owner::One(*group) => one,
                Owner::One(_) | Owner::Many => Owner::Many,
            };
        }
    }
    let mut sums = vec![0_u64; groups];
    for (owner, blob) in owners.into_iter().zip(&inventory.blobs) {
        if let Owner::One(group) = owner {
            sums[group] = sums[group].saturating_add(blob.disk);
        }
    }
    sums
}

fn size_of(inventory: &Inventory, number: u32) -> u64 {
    inventory.blobs[number as usize].size
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
