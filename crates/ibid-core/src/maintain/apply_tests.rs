//! Applying, on a real store.
#![expect(
    clippy::disallowed_methods,
    reason = "tests make the files of a store older than they are"
)]

use std::cell::Cell;
use std::fs::{File, FileTimes};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ibid_testkit::TempDir;
use proptest::prelude::*;

use super::*;
use crate::digest::{BlobId, Key};
use crate::maintain::{Policy, plan, take, take_settled};
use crate::store::{
    Lookup, Outcome, OutputContent, Pin, Replace, RunInfo, Sharing, StoreOptions, StoredAs,
    StoredOutput, StoredResult, TrustedOwners,
};

const DAY: u64 = 24 * 3600;

struct Bench {
    dir: TempDir,
    store: LocalStore,
    results: Vec<StoredResult>,
}

impl Bench {
    /// Makes a store with results of one step; the first was used longest ago.
    fn with(count: u64) -> Self {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        let results = (0..count).map(|number| stored(&store, number)).collect();
        let bench = Self {
            dir,
            store,
            results,
        };
        for number in 0..count {
            bench.make_older(number, (count - number) * DAY);
        }
        bench
    }

    fn blob_path(&self, blob: &BlobId) -> std::path::PathBuf {
        let hex = blob.hex();
        let shard = self.dir.join("store/v1/blobs").join(&hex[..2]);
        shard.join(hex)
    }

    fn make_older(&self, number: u64, seconds: u64) {
        let result = &self.results[usize::try_from(number).unwrap()];
        let key = result.key.hex();
        let shard = self.dir.join("store/v1/keys").join(&key[..2]);
        age(&shard.join(&key), seconds);
        age(&self.blob_path(&BlobId::of(&result.encode())), seconds);
        age(&self.blob_path(&result.run.record), seconds);
        age(&self.blob_path(&output_of(result)), seconds);
    }

    fn standing(&self) -> Vec<bool> {
        let stands = |result: &StoredResult| match self.store.look_up(&result.key) {
            Lookup::Found(found) => {
                let blob = output_of(&found);
                assert!(self.store.seems_present(&blob, None), "it stands whole");
                true
            }
            Lookup::Tombstone(_) | Lookup::Absent(_) => false,
        };
        self.results.iter().map(stands).collect()
    }

    fn policy(&self, parts: u64) -> (Inventory, Policy) {
        let inventory = take(&self.store, 0).unwrap();
        let all: u64 = inventory.blobs.iter().map(|blob| blob.disk).sum();
        let policy = Policy {
            max_size: Some(all * parts / 8 + inventory.small_files),
            ..Policy::unreachable_only(Policy::GRACE)
        };
        (inventory, policy)
    }
}

fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    let file = File::open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn output_of(result: &StoredResult) -> BlobId {
    match &result.outcome.outputs[0].content {
        OutputContent::File { blob, .. } => *blob,
        OutputContent::Tree(_) | OutputContent::Link(_) => panic!("it is a file"),
    }
}

fn stored(store: &LocalStore, number: u64) -> StoredResult {
    let content = vec![u8::try_from(number).unwrap(); 400_000];
    let output = store.put_bytes(&content).unwrap();
    let record = store.put_bytes(&number.to_be_bytes()).unwrap();
    let result = StoredResult {
        key: Key::derive(&number.to_be_bytes()),
        outcome: Outcome {
            exit_code: 0,
            outputs: vec![StoredOutput {
                name: b"out".to_vec(),
                at: None,
                content: OutputContent::File {
                    executable: false,
                    size: output.size,
                    blob: output.blob,
                },
                stored_as: StoredAs::Content,
            }],
        },
        run: RunInfo {
            record: record.blob,
            log: None,
            started: number,
            duration: 0,
            host: String::new(),
            user: None,
            version: String::new(),
            label: "work/out".to_owned(),
        },
    };
    store.record(&result, &[], Replace::No).unwrap();
    result
}

#[test]
fn a_quiet_store_becomes_what_the_plan_says() {
    let bench = Bench::with(8);
    let (inventory, policy) = bench.policy(5);
    let planned = plan(&inventory, &policy);
    let done = apply(&bench.store, &inventory, &planned).unwrap();
    let expected = Done {
        evicted: planned.evict.len(),
        discarded: planned.discard.len(),
        deleted: planned.deletions(&inventory),
        freed: planned.before - planned.after,
        ..Done::default()
    };
    assert_eq!(done, expected);
    assert!(planned.evict.len() >= 3 && !planned.purge.is_empty());
    let gone = planned.evict.len();
    let standing: Vec<bool> = (0..8).map(|number| number >= gone).collect();
    assert_eq!(bench.standing(), standing, "the least used went");
    let after = take(&bench.store, 0).unwrap();
    let again = plan(&after, &policy);
    assert!(
        again.evict.is_empty() && again.discard.is_empty(),
        "{again:?}"
    );
}

#[test]
fn a_pin_protects_the_least_used() {
    let bench = Bench::with(8);
    let result = &bench.results[0];
    let pin = Pin {
        key: result.key,
        result: Some(BlobId::of(&result.encode())),
        label: "work/out".to_owned(),
        when: 0,
        why: String::new(),
    };
    bench.store.pin(&pin).unwrap();
    let (inventory, policy) = bench.policy(2);
    let planned = plan(&inventory, &policy);
    apply(&bench.store, &inventory, &planned).unwrap();
    let standing = bench.standing();
    assert!(standing[0] && !standing[1] && !standing[2], "{standing:?}");
}

#[test]
fn a_view_goes_when_it_is_old_and_nobody_reads_it() {
    let bench = Bench::with(1);
    let key = bench.results[0].key;
    let mut view = bench.store.make_view(&key).unwrap();
    view.show().unwrap();
    let collect = || {
        let mut inventory = take(&bench.store, 0).unwrap();
        inventory.now += 40 * DAY * 1_000_000_000;
        let plan = plan(&inventory, &Policy::unreachable_only(Policy::GRACE));
        let done = apply(&bench.store, &inventory, &plan).unwrap();
        (done.spared, bench.store.views().standing(&key).is_some())
    };
    assert_eq!(collect(), (1, true));
    assert!(view.root().is_dir());
    drop(view);
    assert_eq!(collect(), (0, false));
    assert_eq!(bench.standing(), [true]);
}

#[test]
fn what_was_used_since_it_was_listed_is_spared_with_all_that_it_needs() {
    let bench = Bench::with(8);
    let (inventory, policy) = bench.policy(2);
    let planned = plan(&inventory, &policy);
    // One blob was freshened; another key was invalidated, so what stands there is no result.
    age(&bench.blob_path(&output_of(&bench.results[0])), 0);
    bench
        .store
        .invalidate(&bench.results[1].key, 1, "")
        .unwrap();
    let done = apply(&bench.store, &inventory, &planned).unwrap();
    assert!(done.spared > 0);
    let has = |blob: &BlobId| bench.store.seems_present(blob, None);
    assert!(has(&output_of(&bench.results[0])));
    assert!(has(&output_of(&bench.results[1])));
    assert!(has(&BlobId::of(&bench.results[1].encode())));
    assert!(matches!(
        bench.store.look_up(&bench.results[1].key),
        Lookup::Tombstone(_)
    ));
}

#[test]
fn an_interrupt_leaves_whole_results_and_the_next_collection_goes_on() {
    for steps in 0..20 {
        let bench = Bench::with(8);
        let (inventory, policy) = bench.policy(2);
        let planned = plan(&inventory, &policy);
        let left = Cell::new(steps);
        let goes_on = || left.replace(left.get() - 1) > 0;
        let done = apply_while(&bench.store, &inventory, &planned, &goes_on).unwrap();
        assert!(done.interrupted);
        bench.standing();
        let inventory = take(&bench.store, 0).unwrap();
        let planned = plan(&inventory, &policy);
        apply(&bench.store, &inventory, &planned).unwrap();
        let kept = bench.standing();
        assert!(kept[7] && !kept[0], "{steps}: {kept:?}");
    }
}

/// Trusts one user, and cannot tell of another.
#[derive(Debug)]
struct Directory;

const MEMBER: u32 = 4002;
const UNTOLD: u32 = 4003;
const STRANGER: u32 = 4666;

impl TrustedOwners for Directory {
    fn trusts(&self, owner: u32, _group: u32) -> Result<bool, String> {
        if owner == UNTOLD {
            return Err("no answer".to_owned());
        }
        Ok(owner == MEMBER)
    }
}

#[test]
fn pins_and_last_uses_of_strangers_keep_nothing() {
    if !ibid_testkit::needs_root("only root gives files away") {
        return;
    }
    for (owner, kept) in [(MEMBER, true), (UNTOLD, true), (STRANGER, false)] {
        let bench = Bench::with(3);
        let options = StoreOptions {
            sharing: Sharing::Group,
            trusted: Arc::new(Directory),
            ..StoreOptions::default()
        };
        let store = LocalStore::open(&bench.dir.join("store"), options).unwrap();
        let result = &bench.results[1];
        let pin = Pin {
            key: result.key,
            result: Some(BlobId::of(&result.encode())),
            label: "work/out".to_owned(),
            when: 0,
            why: String::new(),
        };
        bench.store.pin(&pin).unwrap();
        let v1 = bench.dir.join("store/v1");
        let give = |path: &Path| std::os::unix::fs::chown(path, Some(owner), None).unwrap();
        give(&v1.join("pins").join(result.key.hex()));
        // The file of the third key is of just now.
        let key = bench.results[2].key.hex();
        let file = v1.join("keys").join(&key[..2]).join(&key);
        age(&file, 0);
        give(&file);
        let policy = Policy {
            max_age: Some(Duration::from_hours(12)),
            ..Policy::unreachable_only(Policy::GRACE)
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = u64::try_from(now.unwrap().as_nanos()).unwrap();
        let inventory = take(&store, now).unwrap();
        assert_eq!(inventory.unknown, [""; 0]);
        apply(&store, &inventory, &plan(&inventory, &policy)).unwrap();
        assert!(
            !store
                .evict(&bench.results[0].key, &pin.result.unwrap())
                .unwrap()
                .went()
        );
        let standing: Vec<bool> = bench
            .results
            .iter()
            .map(|result| store.key_path(&result.key).exists())
            .collect();
        assert_eq!(standing, [false, kept, kept], "{owner}");
        let evicted = store
            .evict(&result.key, &pin.result.unwrap())
            .unwrap()
            .went();
        assert!(!evicted, "{owner}: pinned, or gone by now");
    }
}

#[test]
fn history_of_strangers_keeps_no_result_and_what_is_wrong_with_it_stops_nobody() {
    if !ibid_testkit::needs_root("only root gives files away") {
        return;
    }
    for (owner, kept) in [(0, true), (STRANGER, false)] {
        let bench = Bench::with(1);
        let result = &bench.results[0];
        let name = "00000000000000000007-0a1b2c3d-00000000000000ff";
        let runs = bench.dir.join("store/v1/runs");
        std::fs::create_dir_all(&runs).unwrap();
        // An entry of a later format, which might name anything.
        std::fs::write(runs.join(name), b"\x82\x02\x00").unwrap();
        std::os::unix::fs::chown(runs.join(name), Some(owner), None).unwrap();
        std::fs::remove_file(bench.store.key_path(&result.key)).unwrap();
        let inventory = take(&bench.store, 0).unwrap();
        let planned = plan(&inventory, &Policy::unreachable_only(Duration::ZERO));
        assert_eq!(inventory.unknown.is_empty(), !kept, "{owner}");
        assert_eq!(planned.discard.is_empty(), kept, "{owner}");
        assert_eq!(inventory.runs.len(), 1, "it goes by age as any other");
    }
}

#[test]
fn what_lies_in_the_trash_and_is_named_comes_back_before_the_trash_goes() {
    let bench = Bench::with(3);
    let [kept, evicted, _] = &bench.results[..] else {
        panic!("there are three");
    };
    for result in [kept, evicted] {
        for blob in [output_of(result), BlobId::of(&result.encode())] {
            let inventory = take(&bench.store, 0).unwrap();
            let modified = inventory.blobs[inventory.number(&blob).unwrap() as usize].modified;
            assert!(bench.store.discard_blob(&blob, modified).unwrap().went());
        }
    }
    let result = BlobId::of(&evicted.encode());
    assert!(bench.store.evict(&evicted.key, &result).unwrap().went());
    let mut inventory = take(&bench.store, 0).unwrap();
    // The stamps of a file system may be coarse.
    inventory.now += 1_000_000_000;
    let policy = Policy::unreachable_only(Duration::ZERO);
    let planned = plan(&inventory, &policy);
    assert_eq!((planned.take_back.len(), planned.evict.len()), (2, 0));
    apply(&bench.store, &inventory, &planned).unwrap();
    let has = |blob: &BlobId| bench.store.seems_present(blob, None);
    assert!(has(&output_of(kept)) && has(&BlobId::of(&kept.encode())));
    let after = take(&bench.store, 0).unwrap();
    let in_trash = after.leftovers.iter().filter_map(|it| Some(it.blob?.0));
    let gone = [output_of(evicted), BlobId::of(&evicted.encode())];
    assert!(!in_trash.into_iter().any(|blob| gone.contains(&blob)));
    assert_eq!(bench.standing(), [true, false, true]);
}

#[test]
fn a_damaged_keys_file_stops_no_collection_even_where_it_cannot_be_put_aside() {
    let bench = Bench::with(3);
    let path = |number: usize| bench.store.key_path(&bench.results[number].key);
    std::fs::remove_file(path(0)).unwrap();
    std::fs::write(path(0), "damaged").unwrap();
    // No look-up puts a directory aside.
    std::fs::remove_file(path(1)).unwrap();
    std::fs::create_dir(path(1)).unwrap();
    assert_eq!(take(&bench.store, 0).unwrap().unknown.len(), 2);
    let inventory = take_settled(&bench.store, 0).unwrap();
    assert_eq!(inventory.unknown, <[String; 0]>::default());
    assert_eq!(inventory.damaged, []);
    let planned = plan(&inventory, &Policy::unreachable_only(Duration::ZERO));
    let freed = [0, 1].map(|number: usize| output_of(&bench.results[number]));
    let discarded = planned
        .discard
        .iter()
        .map(|at| inventory.blobs[*at as usize].id);
    assert!(
        freed
            .iter()
            .all(|blob| discarded.clone().any(|it| it == *blob))
    );
}

/// A result among random ones: its output among few, days since its last use, whether its key is
/// replaced, invalidated after it, pinned.
type Made = (u64, u64, bool, bool, bool);

fn some_result() -> impl Strategy<Value = Made> {
    let rarely = || prop::bool::weighted(0.2);
    (0..6_u64, 1..400_u64, rarely(), rarely(), rarely())
}

fn some_policy() -> impl Strategy<Value = (Option<u64>, Option<u64>, Option<usize>, u64)> {
    let most = prop::option::of(0..12_u64);
    let days = || prop::option::of(1..400_u64);
    let grace = prop_oneof![Just(0), Just(24), Just(24 * 500)];
    (most, days(), prop::option::of(0..4_usize), grace)
}

fn made(bench: &Bench, number: u64, (output, days, replaced, invalid, pinned): Made) {
    let Bench { store, .. } = bench;
    let mut result = bench.results[0].clone();
    result.key = Key::derive(&(100 + number).to_be_bytes());
    result.run.label = format!("work/{}", number % 2);
    result.run.record = store.put_bytes(&(100 + number).to_be_bytes()).unwrap().blob;
    if let OutputContent::File { blob, size, .. } = &mut result.outcome.outputs[0].content {
        let content = vec![u8::try_from(output).unwrap(); 100_000];
        (*blob, *size) = (store.put_bytes(&content).unwrap().blob, 100_000);
    }
    for times in 0..=u64::from(replaced) {
        result.run.started = number + times;
        store.record(&result, &[], Replace::Yes).unwrap();
        age(&bench.blob_path(&BlobId::of(&result.encode())), days * DAY);
    }
    if pinned {
        let (key, result) = (result.key, Some(BlobId::of(&result.encode())));
        let (label, why) = (String::new(), String::new());
        let pin = Pin {
            key,
            result,
            label,
            when: 0,
            why,
        };
        store.pin(&pin).unwrap();
    }
    if invalid {
        store.invalidate(&result.key, 1, "").unwrap();
    }
    for blob in [result.run.record, output_of(&result)] {
        age(&bench.blob_path(&blob), days * DAY);
    }
    age(&store.key_path(&result.key), days * DAY);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn on_a_quiet_store_what_is_told_is_what_is_done(
        results in prop::collection::vec(some_result(), 0..12),
        (most, days, keep_last, grace) in some_policy(),
    ) {
        let bench = Bench::with(1);
        for (number, result) in (0..).zip(&results) {
            made(&bench, number, *result);
        }
        let policy = Policy {
            max_size: most.map(|most| most * 100_000),
            max_age: days.map(|days| Duration::from_secs(days * DAY)),
            keep_last,
            grace: Duration::from_secs(grace * 3600),
        };
        // Twice, so that there is a trash the second time.
        for _ in 0..2 {
            let told = take(&bench.store, 0).unwrap();
            let planned = plan(&told, &policy);
            let inventory = take(&bench.store, 0).unwrap();
            let files = |of: &Inventory, skip: &dyn Fn(u32) -> bool| -> BTreeSet<BlobId> {
                let blobs = (0..).zip(&of.blobs).filter(|(at, _)| !skip(*at));
                blobs.map(|(_, blob)| blob.id).collect()
            };
            let done = apply(&bench.store, &inventory, &plan(&inventory, &policy)).unwrap();
            let expected = Done {
                evicted: planned.evict.len(),
                discarded: planned.discard.len(),
                deleted: planned.deletions(&told),
                freed: planned.before - planned.after,
                ..Done::default()
            };
            prop_assert_eq!(done, expected);
            let after = take(&bench.store, 0).unwrap();
            let stays = files(&told, &|at| planned.discard.contains(&at));
            prop_assert_eq!(files(&after, &|_| false), stays);
            let total = plan(&after, &Policy::unreachable_only(Duration::MAX)).before;
            // Folders of the trash come to be.
            let folders = 4096 * (3 + 2 * planned.discard.len() + planned.evict.len()) as u64;
            prop_assert!((planned.after..=planned.after + folders).contains(&total));
        }
    }
}
