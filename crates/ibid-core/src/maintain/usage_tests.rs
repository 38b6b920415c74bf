//! Sums against what they mean: evict, and see what is left.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::digest::{BlobId, Digest, Key};
use crate::maintain::{Blob, Leftover};
use crate::store::{LabelHash, RunName};

const DAY: u64 = 86_400 * 1_000_000_000;

fn blob(number: u8, size: u64) -> Blob {
    Blob {
        id: BlobId::new(Digest::from_bytes([number; 32])),
        size,
        disk: size.next_multiple_of(4096),
        modified: 0,
    }
}

fn entry(label: u8, last_use: u64, blobs: &BTreeSet<u32>) -> Entry {
    let digest = Digest::from_bytes([label; 32]);
    Entry {
        key: Key::new(digest),
        result: BlobId::new(digest),
        stands: true,
        label: label.to_string().into(),
        started: 0,
        duration: 0,
        last_use,
        pinned: label == 0,
        blobs: blobs.iter().copied().collect(),
        trashed: Vec::new(),
        key_disk: 0,
    }
}

/// Inventories of at most ten blobs, five labels and forty results over two years.
fn inventory() -> impl Strategy<Value = Inventory> {
    let sizes = prop::collection::vec(0..20_000_u64, 1..10);
    sizes.prop_flat_map(|sizes| {
        let count = u32::try_from(sizes.len()).unwrap();
        let blobs: Vec<_> = (0_u8..).zip(sizes).map(|(n, size)| blob(n, size)).collect();
        let needs = prop::collection::btree_set(0..count, 0..6);
        let entries = prop::collection::vec((0..5_u8, 0..730_u64, needs), 0..40);
        let named = prop::collection::hash_map(0..count, any::<u64>(), 0..3);
        (Just(blobs), entries, named).prop_map(|(blobs, entries, also_named)| Inventory {
            blobs,
            entries: entries
                .iter()
                .map(|(label, day, needs)| entry(*label, day * DAY, needs))
                .collect(),
            also_named: also_named.into_iter().collect(),
            now: 730 * DAY,
            ..Inventory::default()
        })
    })
}

/// Bytes of disk of what the entries that stay need, or history names.
fn reachable(inventory: &Inventory, stays: impl Fn(&Entry) -> bool) -> u64 {
    let entries = inventory.entries.iter().filter(|entry| stays(entry));
    let mut needed: BTreeSet<u32> = entries.flat_map(|entry| entry.blobs.clone()).collect();
    needed.extend(inventory.also_named.iter().map(|(number, _)| number));
    let disk = |number: u32| inventory.blobs[number as usize].disk;
    needed.into_iter().map(disk).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exclusive_is_what_evicting_all_of_a_label_gives_back(inventory in inventory()) {
        let all = reachable(&inventory, |_| true);
        for label in usage(&inventory).labels {
            let without = reachable(&inventory, |entry| *entry.label != *label.label);
            prop_assert_eq!(label.exclusive, all - without, "{}", label.label);
            prop_assert!(label.exclusive <= label.disk, "{}", label.label);
        }
    }

    #[test]
    fn exclusive_is_what_evicting_a_band_of_age_gives_back(inventory in inventory()) {
        let all = reachable(&inventory, |_| true);
        let mut younger = None;
        for band in usage(&inventory).ages {
            let age = |entry: &Entry| (inventory.now - entry.last_use) / 1_000_000_000;
            let belongs = |entry: &Entry| {
                younger.is_none_or(|younger| age(entry) > younger)
                    && band.up_to.is_none_or(|end| age(entry) <= end)
            };
            let without = reachable(&inventory, |entry| !belongs(entry));
            prop_assert_eq!(band.exclusive, all - without);
            let count = inventory.entries.iter().filter(|entry| belongs(entry)).count();
            prop_assert_eq!(band.results, count);
            younger = band.up_to;
        }
    }

    #[test]
    fn parts_add_up_to_the_whole(inventory in inventory()) {
        let usage = usage(&inventory);
        let results = |counts: Vec<usize>| counts.into_iter().sum::<usize>();
        let by_label = usage.labels.iter().map(|label| label.results).collect();
        prop_assert_eq!(results(by_label), usage.results);
        let by_age = usage.ages.iter().map(|band| band.results).collect();
        prop_assert_eq!(results(by_age), usage.results);
        let logical: u64 = usage.labels.iter().map(|label| label.logical).sum();
        prop_assert_eq!(logical, usage.logical);
        prop_assert!(usage.distinct <= usage.logical);
        prop_assert_eq!(usage.blobs, reachable(&inventory, |_| true) + usage.unreachable);
        prop_assert_eq!(usage.disk, usage.blobs);
    }

    #[test]
    fn labels_come_largest_first(inventory in inventory()) {
        let labels = usage(&inventory).labels;
        prop_assert!(labels.is_sorted_by_key(|label| Reverse(label.exclusive)));
    }
}

#[test]
fn a_second_result_of_the_same_content_is_what_sharing_saves() {
    let shared = BTreeSet::from([0]);
    let inventory = Inventory {
        blobs: vec![blob(0, 5000)],
        entries: vec![entry(0, 1, &shared), entry(0, 7, &shared)],
        ..Inventory::default()
    };
    let usage = usage(&inventory);
    assert_eq!((usage.logical, usage.distinct), (10_000, 5000));
    let expected = LabelUsage {
        label: "0".to_owned(),
        results: 2,
        logical: 10_000,
        disk: 8192,
        exclusive: 8192,
        last_use: 7,
        pinned: 2,
    };
    assert_eq!(usage.labels, [expected]);
}

#[test]
fn leftovers_small_files_and_history_count_in_the_whole() {
    let leftover = |kind, disk| Leftover {
        kind,
        path: String::new(),
        disk,
        since: 0,
        blob: None,
    };
    let name = RunName {
        time: 0,
        label: LabelHash(0),
        random: 0,
    };
    let inventory = Inventory {
        blobs: vec![blob(0, 1)],
        leftovers: vec![
            leftover(LeftoverKind::Trash, 1),
            leftover(LeftoverKind::Staged, 10),
            leftover(LeftoverKind::View, 100),
        ],
        runs: vec![(name, 1000)],
        small_files: 10_000,
        ..Inventory::default()
    };
    let usage = usage(&inventory);
    assert_eq!((usage.trash, usage.leftovers), (1, 110));
    assert_eq!((usage.unreachable, usage.disk), (4096, 15_207));
}

#[test]
fn a_result_of_the_future_is_young() {
    let mut inventory = Inventory {
        entries: vec![entry(0, 5 * DAY, &BTreeSet::new())],
        now: DAY,
        ..Inventory::default()
    };
    assert_eq!(usage(&inventory).ages[0].results, 1);
    inventory.now = 900 * DAY;
    assert_eq!(usage(&inventory).ages[5].results, 1);
}
