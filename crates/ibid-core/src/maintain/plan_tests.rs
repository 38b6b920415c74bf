//! Laws of planning, over generated stores, and its rules one by one.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::digest::{BlobId, Digest, Key};
use crate::maintain::inventory::{Blob, Leftover};
use crate::store::{LabelHash, RunName};

const NOW: u64 = 1_000 * 24 * 3600 * 1_000_000_000;
const HOUR: u64 = 3600 * 1_000_000_000;
const DAY: u64 = 24 * HOUR;

fn id(number: usize) -> BlobId {
    // Blobs are numbered in the order of their names.
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    BlobId::new(Digest::from_bytes(bytes))
}

/// An entry of history that ended so long ago.
fn run(age: u64, disk: u64) -> (RunName, u64) {
    let name = RunName {
        time: NOW - age,
        label: LabelHash(0),
        random: 0,
    };
    (name, disk)
}

/// A store with blobs of these sizes, all of them `age` old.
fn store(sizes: &[u64], age: u64) -> Inventory {
    let blobs: Vec<Blob> = sizes
        .iter()
        .enumerate()
        .map(|(at, disk)| Blob {
            id: id(at),
            size: *disk,
            disk: *disk,
            modified: NOW - age,
        })
        .collect();
    Inventory {
        blobs,
        now: NOW,
        ..Inventory::default()
    }
}

/// A result that was used `idle` ago and whose own blob is the first of those that it needs.
fn entry(label: &str, idle: u64, blobs: &[u32]) -> Entry {
    let mut sorted = blobs.to_vec();
    sorted.sort_unstable();
    Entry {
        key: Key::new(*id(blobs[0] as usize).digest()),
        result: id(blobs[0] as usize),
        stands: true,
        label: label.into(),
        started: NOW - idle,
        duration: 0,
        last_use: NOW - idle,
        pinned: false,
        blobs: sorted,
        trashed: Vec::new(),
        key_disk: 0,
    }
}

fn trash_of(disk: u64, age: u64) -> Leftover {
    Leftover {
        kind: LeftoverKind::Trash,
        path: format!("trash/{age}"),
        disk,
        since: NOW - age,
        blob: None,
    }
}

fn policy(max_size: Option<u64>) -> Policy {
    Policy {
        max_size,
        ..Policy::unreachable_only(Policy::GRACE)
    }
}

#[test]
fn the_longest_unused_goes_first_until_nine_tenths_are_left() {
    let mut inventory = store(&[100; 10], DAY);
    let idle = [3, 9, 1, 7, 5, 8, 2, 6, 4, 10];
    for (at, days) in (0..).zip(idle) {
        inventory.entries.push(entry("a", days * DAY, &[at]));
    }
    let plan = plan(&inventory, &policy(Some(800)));
    assert_eq!(plan.evict, [9, 1, 5], "720 of 800 are aimed at");
    assert_eq!((plan.before, plan.after), (1000, 800));
    assert_eq!(plan.discard, [1, 5, 9]);
    assert_eq!(plan.purge, [1, 5], "the third fits into the trash");
}

#[test]
fn what_fits_stays_and_trash_makes_room_before_results_do() {
    let mut inventory = store(&[100; 9], DAY);
    inventory.entries = (0..9).map(|at| entry("a", DAY, &[at])).collect();
    inventory.leftovers = vec![trash_of(60, HOUR), trash_of(60, 2 * HOUR)];
    let plan = plan(&inventory, &policy(Some(1000)));
    assert!(plan.evict.is_empty());
    assert_eq!(plan.delete, [1], "the older one is enough");
    assert_eq!(plan.after, 960);
}

#[test]
fn what_took_long_to_compute_and_takes_little_stays_longer() {
    let mut inventory = store(&[1 << 20, 1 << 20, 64 << 20], 90 * DAY);
    let of = |at: u32, seconds: u64, days: u64| Entry {
        duration: seconds * 1_000_000_000,
        ..entry("a", days * DAY, &[at])
    };
    // Weighed: 10 days, 30 days / 11, 20 days / 1.9.
    inventory.entries = vec![of(0, 0, 10), of(1, 10, 30), of(2, 60, 20)];
    let order = |most| plan(&inventory, &policy(Some(most))).evict;
    assert_eq!(order(0), [2, 0, 1]);
}

#[test]
fn of_shared_contents_the_last_owner_gives_back_the_disk() {
    let mut inventory = store(&[1, 1, 1000, 500], 90 * DAY);
    let long = |blobs: &[u32]| Entry {
        duration: HOUR,
        ..entry("a", 10 * DAY, blobs)
    };
    inventory.entries = vec![long(&[0, 2]), long(&[1, 2]), entry("b", DAY, &[3])];
    let plan = plan(&inventory, &policy(Some(600)));
    assert!(!plan.discard.contains(&2) || plan.evict.contains(&0) && plan.evict.contains(&1));
    assert!(plan.after <= 600);
}

#[test]
fn age_evicts_what_was_not_used_and_forgets_history() {
    let mut inventory = store(&[10; 4], 300 * DAY);
    inventory.entries = vec![
        entry("a", 200 * DAY, &[0]),
        entry("a", 10 * DAY, &[1]),
        Entry {
            pinned: true,
            ..entry("a", 200 * DAY, &[2])
        },
    ];
    inventory.runs = vec![run(200 * DAY, 4), run(10 * DAY, 4)];
    inventory.also_named.note(3, NOW - 200 * DAY);
    let of_age = Policy {
        max_age: Some(Policy::MAX_AGE),
        ..policy(None)
    };
    let plan = plan(&inventory, &of_age);
    assert_eq!(plan.evict, [0]);
    assert_eq!(plan.discard, [0, 3]);
    assert_eq!(plan.forget, [0]);
}

#[test]
fn of_each_label_the_newest_stay_and_pins_beside_them() {
    let mut inventory = store(&[10; 6], 300 * DAY);
    inventory.entries = vec![
        entry("a", 5 * DAY, &[0]),
        entry("a", 4 * DAY, &[1]),
        entry("a", 3 * DAY, &[2]),
        entry("b", 9 * DAY, &[3]),
        Entry {
            pinned: true,
            ..entry("a", 6 * DAY, &[4])
        },
    ];
    let newest = Policy {
        keep_last: Some(1),
        ..policy(None)
    };
    assert_eq!(plan(&inventory, &newest).evict, [0, 1]);
}

#[test]
fn what_nothing_names_goes_after_the_grace() {
    let mut inventory = store(&[10; 4], 0);
    for (blob, age) in inventory.blobs.iter_mut().zip([23, 25, 25, 25]) {
        blob.modified = NOW - age * HOUR;
    }
    inventory.entries = vec![entry("a", 300 * DAY, &[2])];
    inventory.also_named.note(3, NOW - 300 * DAY);
    assert_eq!(plan(&inventory, &policy(None)).discard, [1]);
    inventory.unknown = vec!["a key's file".to_owned()];
    assert!(plan(&inventory, &policy(None)).is_empty());
}

#[test]
fn what_a_wrong_clock_stamped_is_not_kept_for_ever() {
    let mut inventory = store(&[100; 4], 0);
    for (blob, ahead) in inventory.blobs.iter_mut().zip([23, 25, 25, 25]) {
        blob.modified = NOW + ahead * HOUR;
    }
    let ahead = |hours, blob| Entry {
        last_use: NOW + hours * HOUR,
        ..entry("a", 0, &[blob])
    };
    inventory.entries = vec![ahead(25, 2), ahead(23, 3)];
    inventory.leftovers = [23, 25]
        .map(|hours| Leftover {
            since: NOW + hours * HOUR,
            ..trash_of(10, 0)
        })
        .to_vec();
    let by_age = Policy {
        max_age: Some(Policy::MAX_AGE),
        ..policy(None)
    };
    let kept = plan(&inventory, &by_age);
    assert!(kept.evict.is_empty(), "it may have been used just now");
    assert_eq!((kept.discard, kept.delete), (vec![1], vec![1]));
    assert_eq!(plan(&inventory, &policy(Some(10))).evict, [0]);
}

#[test]
fn directories_that_nothing_gives_back_do_not_empty_a_small_store() {
    let mut inventory = store(&[100; 8], 2 * DAY);
    inventory.entries = (0..8).map(|at| entry("a", DAY, &[at])).collect();
    inventory.directories = 5000;
    assert!(plan(&inventory, &policy(Some(1100))).evict.is_empty());
    assert_eq!(plan(&inventory, &policy(Some(1000))).evict.len(), 2);
    assert_eq!(plan(&inventory, &policy(Some(1000))).before, 5800);
}

#[test]
fn the_young_are_spared_even_where_the_budget_is_broken() {
    let mut inventory = store(&[100; 3], 2 * DAY);
    inventory.entries = vec![entry("a", HOUR, &[0, 2]), entry("a", 0, &[1])];
    inventory.blobs[2].modified = NOW - YOUNG;
    let plan = plan(&inventory, &policy(Some(10)));
    assert_eq!(plan.evict, [0]);
    assert_eq!(plan.discard, [0]);
    assert_eq!(plan.after, 200);
}

#[test]
fn nothing_valuable_goes_in_place_of_what_is_young_and_worth_less() {
    let mut inventory = store(&[100; 3], 2 * DAY);
    let second = 1_000_000_000;
    let costly = Entry {
        duration: 100 * second,
        ..entry("a", 90 * second, &[0])
    };
    let young = |at| entry("a", 50 * second, &[at]);
    inventory.entries = vec![costly, young(1), young(2)];
    let small = policy(Some(150));
    assert_eq!(plan(&inventory, &small).evict, <[usize; 0]>::default());
    inventory.now += 30 * second;
    assert_eq!(plan(&inventory, &small).evict, [1, 2]);
}

#[test]
fn while_something_is_not_understood_evicting_by_size_gives_nothing_back() {
    let mut inventory = store(&[100; 3], 300 * DAY);
    inventory.entries = vec![
        entry("a", 200 * DAY, &[0]),
        Entry {
            stands: false,
            ..entry("a", 200 * DAY, &[1])
        },
        entry("a", DAY, &[2]),
    ];
    inventory.unknown = vec!["a shard".to_owned()];
    let strict = Policy {
        max_age: Some(Policy::MAX_AGE),
        ..policy(Some(10))
    };
    let plan = plan(&inventory, &strict);
    assert_eq!(plan.evict, [0], "what stands can go by its key's file");
    assert!(plan.discard.is_empty());
}

#[test]
fn leftovers_go_when_they_are_old_whatever_the_user_says_of_the_grace() {
    let mut inventory = store(&[], 0);
    let of = |kind, age| Leftover {
        kind,
        ..trash_of(1, age)
    };
    inventory.leftovers = vec![
        of(LeftoverKind::Staged, 2 * HOUR),
        of(LeftoverKind::Staged, 25 * HOUR),
        of(LeftoverKind::View, 29 * DAY),
        of(LeftoverKind::View, 31 * DAY),
        of(LeftoverKind::Trash, 2 * HOUR),
    ];
    let soon = Policy::unreachable_only(Duration::from_hours(1));
    assert_eq!(plan(&inventory, &soon).delete, [1, 3, 4]);
}

#[test]
fn views_go_before_results_and_the_longest_unused_first() {
    let mut inventory = store(&[100; 2], 300 * DAY);
    inventory.entries = vec![entry("a", DAY, &[0]), entry("a", DAY, &[1])];
    let view = |age| Leftover {
        kind: LeftoverKind::View,
        ..trash_of(100, age)
    };
    inventory.leftovers = vec![view(HOUR), view(2 * HOUR), view(YOUNG / 2)];
    let goes = |most| {
        let plan = plan(&inventory, &policy(Some(most)));
        (plan.delete, !plan.evict.is_empty())
    };
    assert_eq!(goes(500), (vec![], false));
    assert_eq!(goes(400), (vec![1], false));
    assert_eq!(goes(300), (vec![0, 1], false));
    // What was made just now may be read, and stays even if results go for it.
    assert_eq!(goes(200), (vec![0, 1], true));
}

#[test]
fn tombstones_outlive_the_manifests_that_they_contradict() {
    let mut inventory = store(&[], 0);
    let key = |number| Key::new(*id(number).digest());
    inventory.tombstones = vec![(key(0), NOW - 300 * DAY), (key(1), NOW - 400 * DAY)];
    let aged = |days: u64| Policy {
        max_age: Some(Duration::from_secs(days * 86_400)),
        ..policy(None)
    };
    assert_eq!(plan(&inventory, &aged(180)).tombstones, [1]);
    assert!(plan(&inventory, &aged(500)).is_empty());
    assert!(plan(&inventory, &policy(None)).is_empty());
}

#[test]
fn what_stays_for_being_young_is_counted_for_the_next_collection() {
    let mut inventory = store(&[100; 4], 2 * YOUNG);
    inventory.entries = (0..4).map(|at| entry("a", YOUNG, &[at])).collect();
    let young = plan(&inventory, &policy(Some(200)));
    assert_eq!((young.evict.len(), young.young, young.waiting), (0, 3, 200));
    inventory.entries = (0..4).map(|at| entry("a", 2 * YOUNG, &[at])).collect();
    let old = plan(&inventory, &policy(Some(200)));
    assert_eq!((old.evict.len(), old.young, old.waiting), (3, 0, 0));
}

#[test]
fn history_takes_a_quarter_of_the_budget_at_most() {
    let mut inventory = store(&[100; 2], 300 * DAY);
    inventory.entries = vec![entry("a", DAY, &[0])];
    inventory.also_named.note(1, NOW - 150 * DAY);
    inventory.runs = (0..100).map(|days| run(days * DAY, 4)).collect();
    let plan = plan(&inventory, &policy(Some(400)));
    assert_eq!(plan.discard, [1], "it is the oldest of history");
    assert_eq!(plan.forget, (25..100).collect::<Vec<_>>());
    assert!(plan.evict.is_empty(), "results are not crowded out");
}

prop_compose! {
    fn blob_facts()(disk in 0_u64..5000, age in prop_oneof![0..2 * YOUNG, 0..100 * DAY]) -> (u64, u64) {
        (disk, age)
    }
}

prop_compose! {
    fn some_entry(blobs: u32)(
        own in 0..blobs,
        more in prop::collection::btree_set(0..blobs, 0..5),
        (idle, age) in (prop_oneof![0..2 * YOUNG, 0..400 * DAY], 0..400 * DAY),
        duration in 0..10 * HOUR,
        label in 0..4_u8,
        (stands, pinned) in (any::<bool>(), prop::bool::weighted(0.2)),
    ) -> Entry {
        let mut needs = vec![own];
        needs.extend(more.into_iter().filter(|blob| *blob != own));
        Entry {
            started: NOW - age,
            duration,
            stands,
            pinned,
            ..entry(&label.to_string(), idle, &needs)
        }
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap()
}

prop_compose! {
    fn some_store()(facts in prop::collection::vec(blob_facts(), 1..40))(
        entries in prop::collection::vec(some_entry(count(&facts)), 0..30),
        trash in prop::collection::vec((0_u64..3000, 0..50 * HOUR), 0..6),
        named in prop::collection::vec((0..count(&facts), 0..400 * DAY), 0..5),
        runs in prop::collection::vec((0_u64..400 * DAY, 0_u64..50), 0..10),
        is_unknown in prop::bool::weighted(0.1),
        facts in Just(facts),
    ) -> Inventory {
        let mut inventory = store(&facts.iter().map(|(disk, _)| *disk).collect::<Vec<_>>(), 0);
        for (blob, (_, age)) in inventory.blobs.iter_mut().zip(&facts) {
            blob.modified = NOW - age;
        }
        inventory.also_named = named.into_iter().map(|(blob, age)| (blob, NOW - age)).collect();
        inventory.entries = entries;
        inventory.leftovers = trash.iter().map(|(disk, age)| trash_of(*disk, *age)).collect();
        inventory.runs = runs.iter().map(|(age, disk)| run(*age, *disk)).collect();
        inventory.unknown = Vec::from_iter(is_unknown.then(|| "something".to_owned()));
        inventory
    }
}

prop_compose! {
    fn some_policy()(
        max_size in prop::option::of(0_u64..80_000),
        max_age in prop::option::of(0_u64..400 * 86_400),
        keep_last in prop::option::of(0_usize..5),
        grace in 0_u64..40 * 3600,
    ) -> Policy {
        Policy {
            max_size,
            max_age: max_age.map(Duration::from_secs),
            keep_last,
            grace: Duration::from_secs(grace),
        }
    }
}

/// Returns the bytes of disk that young blobs take, and what young results need.
fn young(inventory: &Inventory) -> u64 {
    let is_young = |since: u64| NOW - since <= YOUNG;
    let blobs = (0..).zip(&inventory.blobs);
    let young = blobs.filter(|(_, blob)| is_young(blob.modified));
    let mut young: BTreeSet<u32> = young.map(|(at, _)| at).collect();
    for entry in &inventory.entries {
        if is_young(entry.last_use) || young.contains(&inventory.number(&entry.result).unwrap()) {
            young.extend(&entry.blobs);
        }
    }
    let disk = young.iter().map(|at| inventory.blobs[*at as usize].disk);
    disk.sum()
}

fn kept(inventory: &Inventory, plan: &Plan) -> Vec<Entry> {
    let entries = inventory.entries.iter().enumerate();
    let kept = entries.filter(|(at, _)| !plan.evict.contains(at));
    kept.map(|(_, entry)| entry.clone()).collect()
}

#[test]
fn records_that_history_names_stay_when_their_results_go() {
    let mut inventory = store(&[100; 3], 300 * DAY);
    inventory.entries = vec![entry("a", 9 * DAY, &[0, 1]), entry("a", 8 * DAY, &[2])];
    inventory.also_named.note(1, NOW - 9 * DAY);
    let evicting = plan(&inventory, &policy(Some(290)));
    assert_eq!((evicting.evict, evicting.discard), (vec![0], vec![0, 1]));
    let of_age = Policy {
        keep_last: Some(1),
        ..policy(None)
    };
    let evicting = plan(&inventory, &of_age);
    assert_eq!((evicting.evict, evicting.discard), (vec![0], vec![0]));
}

proptest! {
    #[test]
    fn nothing_that_is_pinned_goes_and_nothing_that_a_kept_result_needs(
        inventory in some_store(),
        policy in some_policy(),
    ) {
        let plan = plan(&inventory, &policy);
        for at in &plan.evict {
            prop_assert!(!inventory.entries[*at].pinned);
        }
        for entry in kept(&inventory, &plan) {
            for blob in &entry.blobs {
                prop_assert!(!plan.discard.contains(blob));
            }
        }
        let each_once = |indices: &[usize]| {
            indices.iter().collect::<BTreeSet<_>>().len() == indices.len()
        };
        prop_assert!(each_once(&plan.evict) && each_once(&plan.delete) && each_once(&plan.forget));
        for blob in &plan.discard {
            prop_assert!(inventory.unknown.is_empty());
            prop_assert!(NOW - inventory.blobs[*blob as usize].modified > YOUNG);
        }
        prop_assert!(plan.purge.iter().all(|blob| plan.discard.contains(blob)));
    }

    #[test]
    fn the_budget_is_kept_unless_pins_or_the_young_forbid(
        mut inventory in some_store(),
        policy in some_policy(),
    ) {
        inventory.unknown.clear();
        let plan = plan(&inventory, &policy);
        prop_assert!(plan.after <= plan.before);
        if policy.max_size.is_some_and(|most| plan.after > most) {
            let may_go = kept(&inventory, &plan).into_iter().find(|entry| {
                let own = inventory.blobs[inventory.number(&entry.result).unwrap() as usize];
                !entry.pinned && NOW - entry.last_use.max(own.modified) > YOUNG
            });
            let over = plan.after - policy.max_size.unwrap_or(0);
            prop_assert!(may_go.is_none() || over <= young(&inventory), "{may_go:?}");
            prop_assert_eq!(&plan.purge, &plan.discard);
            prop_assert_eq!(plan.delete.len(), inventory.leftovers.len());
        }
    }

    #[test]
    fn a_larger_budget_evicts_a_subset(
        inventory in some_store(),
        policy in some_policy(),
        more in 0_u64..40_000,
    ) {
        let Some(most) = policy.max_size else { return Ok(()) };
        let larger = Policy { max_size: Some(most + more), ..policy.clone() };
        let (less, more) = (plan(&inventory, &larger), plan(&inventory, &policy));
        prop_assert!(more.evict.starts_with(&less.evict));
        prop_assert!(less.forget.iter().all(|at| more.forget.contains(at)));
    }
}
