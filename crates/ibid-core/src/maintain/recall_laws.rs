//! What an earlier listing has read is known to the next, and makes no difference otherwise.

use super::*;
use crate::store::RecallPlace;

/// Later than anything that a test stores: all of it is at rest.
const LATER: u64 = u64::MAX / 2;

impl Bench {
    /// Opens the store anew, with the memory of listings or without it.
    fn opened(&self, place: Option<RecallPlace>) -> LocalStore {
        let store = LocalStore::open(&self.dir.join("store"), StoreOptions::default()).unwrap();
        if let Some(place) = place {
            store.recall_in(place);
        }
        store
    }

    fn place(&self) -> RecallPlace {
        RecallPlace::new(&self.dir.join("local"), "machine", self.store.dir())
    }

    /// Lists with the memory of earlier listings.
    fn recall(&self, now: u64) -> Inventory {
        list(&self.opened(Some(self.place())), now)
    }

    fn read_all(&self, now: u64) -> Inventory {
        list(&self.opened(None), now)
    }

    /// Writes other bytes of the same length where a blob lies.
    fn spoil(&self, blob: &BlobId) {
        let path = self.path_of("blobs", &blob.hex());
        let length = std::fs::metadata(&path).unwrap().len();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, vec![7; usize::try_from(length).unwrap()]).unwrap();
    }
}

fn list(store: &LocalStore, now: u64) -> Inventory {
    take_with(store, now, || Ok((Vec::new(), Vec::new()))).unwrap()
}

/// Says all that an inventory says of names.
fn said(inventory: &Inventory) -> impl PartialEq + std::fmt::Debug + use<> {
    let also_named: BTreeMap<u32, u64> = inventory.also_named.iter().collect();
    let Inventory {
        blobs,
        entries,
        runs,
        unknown,
        tombstones,
        ..
    } = inventory.clone();
    (also_named, blobs, entries, runs, unknown, tombstones)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_listing_that_recalls_says_what_one_says_that_reads_all(
        rounds in prop::collection::vec(prop::collection::vec(event(), 0..6), 1..4),
        is_later in any::<bool>(),
    ) {
        let mut bench = Bench::new();
        let now = if is_later { LATER } else { 0 };
        for events in rounds {
            bench.play(&events);
            let all = bench.read_all(now);
            prop_assert_eq!(said(&bench.recall(now)), said(&all));
            prop_assert_eq!(said(&bench.recall(now)), said(&all));
        }
    }
}

#[test]
fn what_was_read_once_is_not_read_again() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    let before = bench.recall(LATER);
    assert_eq!(before.entries.len(), 1);
    bench.spoil(&result);
    let entry = |inventory: &Inventory| inventory.entries[0].clone();
    assert_eq!(entry(&bench.recall(LATER)), entry(&before));
    assert_eq!(entry(&bench.read_all(LATER)).blobs.len(), 1);
}

#[test]
fn a_blob_of_another_length_or_that_is_gone_is_looked_at() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    bench.recall(LATER);
    let path = bench.path_of("blobs", &result.hex());
    std::fs::remove_file(&path).unwrap();
    assert!(bench.recall(LATER).entries[0].blobs.is_empty());
    std::fs::write(&path, b"short").unwrap();
    assert_eq!(bench.recall(LATER).entries[0].blobs.len(), 1);
}

#[test]
fn a_key_is_known_only_while_its_file_is_the_one_that_was_read_at_rest() {
    let mut bench = Bench::new();
    let first = bench.run(&one());
    assert_eq!(bench.recall(LATER).entries[0].result, first);
    let mut other = one();
    other.files.push(11);
    let second = bench.run(&other);
    let stands = |inventory: &Inventory| inventory.entries.iter().find(|it| it.stands).cloned();
    assert_eq!(stands(&bench.recall(LATER)).unwrap().result, second);
    assert_eq!(stands(&bench.recall(LATER)).unwrap().result, second);
}

#[test]
fn what_is_younger_than_two_ticks_of_a_coarse_clock_is_read_again() {
    let mut bench = Bench::new();
    bench.run(&one());
    let store = bench.opened(Some(bench.place()));
    let now = nanos(store.own_clock().unwrap());
    let learnt = |now| {
        let key = bench.path_of("keys", &key_of(one().key).hex());
        let signature = crate::fs::Facts::of_link(&key).unwrap().signature;
        list(&store, now);
        bench
            .opened(Some(bench.place()))
            .recalled(now)
            .knows_key(&key_of(one().key), &signature)
    };
    assert!(!learnt(now));
    assert!(learnt(now + 10_000_000_000));
}
