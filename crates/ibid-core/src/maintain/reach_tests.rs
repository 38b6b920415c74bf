//! What is reachable: over generated stores, and in odd cases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ibid_testkit::TempDir;
use proptest::prelude::*;

use super::*;
use crate::action::{Component, ComponentName, Trigger};
use crate::digest::encoding::{Encoder, Value};
use crate::store::{
    Lookup, Outcome, OutputContent, Replace, RunEntry, RunInfo, RunOutcome, StoreOptions, StoredAs,
    StoredOutput, StreamLogRef,
};
use crate::tree::RelPath;

/// A store of one test.
struct Bench {
    dir: TempDir,
    store: LocalStore,
    runs: u64,
}

/// What one run of a step gives; every number stands for a content.
#[derive(Clone, Debug, Default)]
struct Case {
    key: u8,
    files: Vec<u8>,
    tree: Option<Vec<u8>>,
    digest_only: Vec<u8>,
    log: Option<u8>,
    code: Vec<u8>,
}

fn content(number: u8) -> Vec<u8> {
    vec![number; 10 + usize::from(number)]
}

fn blob(number: u8) -> BlobId {
    BlobId::of(&content(number))
}

fn key_of(number: u8) -> Key {
    Key::derive(&[number])
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        Self {
            dir,
            store,
            runs: 0,
        }
    }

    fn take(&self) -> Inventory {
        self.take_with_pins(Vec::new())
    }

    fn take_with_pins(&self, pins: Vec<Pin>) -> Inventory {
        take_with(&self.store, 0, || Ok((pins, Vec::new()))).unwrap()
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.join("store/v1").join(below)
    }

    fn path_of(&self, place: &str, digest: &str) -> PathBuf {
        self.path(&format!("{place}/{}/{digest}", &digest[..2]))
    }

    fn put(&self, number: u8) -> BlobId {
        self.store.put_bytes(&content(number)).unwrap().blob
    }

    /// Stores a record whose key is not that of the case: nothing here asks for that.
    fn record(&self, code: &[u8]) -> BlobId {
        let component = |number: &u8| {
            let mut encoder = Encoder::new();
            Content::File {
                executable: false,
                blob: blob(*number),
            }
            .encode(&mut encoder);
            Component {
                kind: ComponentKind::Code,
                name: ComponentName::Bytes(vec![*number]),
                value: Value::decode(encoder.as_bytes()).unwrap(),
            }
        };
        for number in code {
            self.put(*number);
        }
        let code: BTreeSet<u8> = code.iter().copied().collect();
        let record = KeyRecord::new(code.iter().map(component).collect());
        self.store.put_bytes(&record.encode()).unwrap().blob
    }

    fn tree(&self, numbers: &[u8]) -> Tree {
        let entries = numbers.iter().map(|number| {
            let entry = TreeEntry::File {
                executable: false,
                size: content(*number).len() as u64,
                blob: self.put(*number),
            };
            (RelPath::new(format!("d/{number}")).unwrap(), entry)
        });
        let tree = Tree::from_entries(entries).unwrap();
        self.store.put_bytes(&tree.encode()).unwrap();
        tree
    }

    fn file(&self, number: u8, stored_as: StoredAs) -> StoredOutput {
        if stored_as == StoredAs::Content {
            self.put(number);
        }
        StoredOutput {
            name: vec![number],
            at: None,
            content: OutputContent::File {
                executable: false,
                size: content(number).len() as u64,
                blob: blob(number),
            },
            stored_as,
        }
    }

    fn result(&self, case: &Case) -> StoredResult {
        let files = case.files.iter();
        let files = files.map(|number| self.file(*number, StoredAs::Content));
        let others = case.digest_only.iter();
        let others = others.map(|number| self.file(*number, StoredAs::Digest));
        let tree = case.tree.iter().map(|numbers| StoredOutput {
            name: b"tree".to_vec(),
            at: None,
            content: OutputContent::Tree(self.tree(numbers).id()),
            stored_as: StoredAs::Content,
        });
        StoredResult {
            key: key_of(case.key),
            outcome: Outcome {
                exit_code: 0,
                outputs: files.chain(others).chain(tree).collect(),
            },
            run: RunInfo {
                record: self.record(&case.code),
                log: case.log.map(|number| StreamLogRef {
                    blob: self.put(number),
                    size: content(number).len() as u64,
                }),
                started: self.runs,
                duration: 7,
                host: "h".to_owned(),
                user: None,
                version: "0".to_owned(),
                label: format!("p/{}", case.key % 3),
            },
        }
    }

    /// Runs a step: its result replaces what stood, and history tells of it.
    fn run(&mut self, case: &Case) -> BlobId {
        self.runs += 1;
        let result = self.result(case);
        self.store.record(&result, &[], Replace::Yes).unwrap();
        let named = BlobId::of(&result.encode());
        self.append(case, result.run.record, Some(named));
        named
    }

    /// Runs a step that fails: history has its record, and there is no result.
    fn fail(&mut self, case: &Case) -> BlobId {
        self.runs += 1;
        let record = self.record(&case.code);
        self.append(case, record, None);
        record
    }

    fn append(&self, case: &Case, record: BlobId, result: Option<BlobId>) {
        let entry = RunEntry {
            time: self.runs,
            label: format!("p/{}", case.key % 3),
            key: key_of(case.key),
            record,
            result,
            outcome: RunOutcome::Ran,
            triggers: vec![Trigger::New],
            reason: String::new(),
            changed: Vec::new(),
            compared_to: None,
            exit_code: Some(0),
            signal: None,
            duration: 0,
            saved: 0,
            root: "r".to_owned(),
            host: "h".to_owned(),
        };
        self.store.append(&entry).unwrap();
    }

    /// Deletes every blob that the inventory calls unreachable.
    fn delete_unreachable(&self, inventory: &Inventory) -> usize {
        let named = reachable(inventory);
        let lost = inventory.blobs.iter().filter(|it| !named.contains(&it.id));
        let lost: Vec<_> = lost.map(|blob| blob.id.hex()).collect();
        for hex in &lost {
            std::fs::remove_file(self.path_of("blobs", hex)).unwrap();
        }
        lost.len()
    }

    /// Reads all that giving a stored result back needs.
    fn restore(&self, result: &StoredResult) -> Vec<Vec<u8>> {
        let read = |blob: &BlobId| self.store.read_blob(blob, 1 << 20).unwrap();
        let mut bytes = vec![read(&result.run.record)];
        bytes.extend(result.run.log.map(|log| read(&log.blob)));
        for output in &result.outcome.outputs {
            match &output.content {
                OutputContent::File { blob, .. } if output.stored_as == StoredAs::Content => {
                    bytes.push(read(blob));
                }
                OutputContent::Tree(tree) => {
                    for (_, entry) in self.store.listing(tree).unwrap().iter() {
                        if let TreeEntry::File { blob, .. } = entry {
                            bytes.push(read(blob));
                        }
                    }
                }
                OutputContent::File { .. } | OutputContent::Link(_) => {}
            }
        }
        bytes
    }

    fn found(&self, key: u8) -> Option<StoredResult> {
        match self.store.look_up(&key_of(key)) {
            Lookup::Found(result) => Some(*result),
            Lookup::Tombstone(_) | Lookup::Absent(_) => None,
        }
    }
}

fn reachable(inventory: &Inventory) -> BTreeSet<BlobId> {
    let needed = inventory.entries.iter().flat_map(|entry| &entry.blobs);
    let named = needed
        .copied()
        .chain(inventory.also_named.iter().map(|(number, _)| number));
    named
        .map(|number| inventory.blobs[number as usize].id)
        .collect()
}

fn blobs_of(inventory: &Inventory, entry: &Entry) -> BTreeSet<BlobId> {
    let id = |number: &u32| inventory.blobs[*number as usize].id;
    entry.blobs.iter().map(id).collect()
}

#[derive(Clone, Debug)]
enum Event {
    Run(Case),
    Fail(Case),
    Crash(u8),
    Invalidate(u8),
}

fn case() -> impl Strategy<Value = Case> {
    let some = || prop::collection::vec(0..12_u8, 0..3);
    let tree = prop::option::of(prop::collection::vec(0..12_u8, 0..4));
    let parts = (0..5_u8, some(), tree, some());
    (parts, prop::option::of(0..12_u8), some()).prop_map(
        |((key, files, tree, digest_only), log, code)| Case {
            key,
            files,
            tree,
            digest_only,
            log,
            code,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => case().prop_map(Event::Run),
        1 => case().prop_map(Event::Fail),
        1 => (0..24_u8).prop_map(Event::Crash),
        1 => (0..5_u8).prop_map(Event::Invalidate),
    ]
}

fn play(events: &[Event]) -> Bench {
    let mut bench = Bench::new();
    bench.play(events);
    bench
}

impl Bench {
    fn play(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Run(case) => {
                    self.run(case);
                }
                Event::Fail(case) => {
                    self.fail(case);
                }
                Event::Crash(number) => {
                    self.put(*number);
                }
                Event::Invalidate(key) => self.store.invalidate(&key_of(*key), 1, "").unwrap(),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn without_what_is_unreachable_every_hit_still_restores(
        events in prop::collection::vec(event(), 0..12),
    ) {
        let bench = play(&events);
        let hits = || -> BTreeMap<u8, _> {
            let found = (0..5).filter_map(|key| Some((key, bench.found(key)?)));
            found.map(|(key, result)| (key, bench.restore(&result))).collect()
        };
        let before = hits();
        let old = bench.store.entries(usize::MAX).unwrap();
        let old: Vec<_> = old.iter().filter_map(|entry| entry.result).collect();
        let inventory = bench.take();
        prop_assert!(inventory.unknown.is_empty(), "{:?}", inventory.unknown);
        bench.delete_unreachable(&inventory);
        prop_assert_eq!(hits(), before);
        for result in old {
            bench.restore(&bench.store.read_result(&result).unwrap());
        }
        for run in bench.store.entries(usize::MAX).unwrap() {
            prop_assert!(bench.store.seems_present(&run.record, None));
        }
        prop_assert_eq!(bench.delete_unreachable(&bench.take()), 0);
    }

    #[test]
    fn an_entry_needs_just_what_restoring_it_reads(events in prop::collection::vec(event(), 0..12)) {
        let bench = play(&events);
        let inventory = bench.take();
        for entry in &inventory.entries {
            let needs = blobs_of(&inventory, entry);
            let result = bench.store.read_result(&entry.result).unwrap();
            let read = bench.restore(&result).into_iter();
            let mut expected: BTreeSet<_> = read.map(|bytes| BlobId::of(&bytes)).collect();
            let trees = result.outcome.outputs.iter().filter_map(|output| match &output.content {
                OutputContent::Tree(tree) => Some(tree.listing()),
                OutputContent::File { .. } | OutputContent::Link(_) => None,
            });
            expected.extend(trees);
            expected.insert(entry.result);
            let record = bench.store.read_blob(&result.run.record, 1 << 20).unwrap();
            let record = KeyRecord::decode(&record).unwrap();
            let texts = record.components().iter().filter_map(|c| c.kind.content(&c.value));
            expected.extend(texts.filter_map(|content| match content {
                Content::File { blob, .. } => Some(blob),
                Content::Tree(_) | Content::Link { .. } => None,
            }));
            prop_assert_eq!(needs, expected);
            prop_assert_eq!(entry.stands, bench.found_blob(entry.key) == Some(entry.result));
        }
    }
}

impl Bench {
    fn found_blob(&self, key: Key) -> Option<BlobId> {
        match self.store.look_up(&key) {
            Lookup::Found(result) => Some(BlobId::of(&result.encode())),
            Lookup::Tombstone(_) | Lookup::Absent(_) => None,
        }
    }
}

#[test]
fn a_store_that_is_not_there_is_empty() {
    let bench = Bench::new();
    let inventory = bench.take();
    assert!(inventory.blobs.is_empty() && inventory.unknown.is_empty());
    assert_eq!(inventory.small_files, 0);
    assert!(!bench.dir.join("store").exists());
}

fn one() -> Case {
    Case {
        key: 1,
        files: vec![1],
        tree: Some(vec![2, 3]),
        digest_only: vec![4],
        log: Some(5),
        code: vec![6],
    }
}

#[test]
fn an_entry_says_what_its_result_says_and_when_it_was_used() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    let modified = std::fs::metadata(bench.path_of("keys", &key_of(1).hex()));
    let modified = modified.unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    let inventory = bench.take();
    let entry = &inventory.entries[0];
    assert_eq!((entry.key, entry.result), (key_of(1), result));
    assert_eq!(
        (&*entry.label, entry.started, entry.duration),
        ("p/1", 1, 7)
    );
    assert_eq!(u128::from(entry.last_use), modified.as_nanos());
    assert!(entry.stands && !entry.pinned);
    // Result, record, log, file, listing, two files of it, text of code.
    assert_eq!(entry.blobs.len(), 8);
    assert!(entry.blobs.is_sorted());
}

#[test]
fn history_names_results_that_were_replaced_and_records_of_failed_runs() {
    let mut bench = Bench::new();
    let old = bench.run(&Case {
        files: vec![9],
        ..one()
    });
    let new = bench.run(&one());
    let failed = bench.fail(&Case {
        key: 2,
        code: vec![8],
        ..Case::default()
    });
    let inventory = bench.take();
    let entries: Vec<_> = inventory
        .entries
        .iter()
        .map(|it| (it.result, it.stands))
        .collect();
    assert_eq!(entries, [(new, true), (old, false)]);
    assert_eq!(
        (inventory.entries[1].key, inventory.entries[1].last_use),
        (key_of(1), 1)
    );
    let named = |blob: &BlobId| inventory.also_named.get(inventory.number(blob)?);
    assert_eq!((named(&failed), named(&blob(8))), (Some(3), Some(3)));
    let record = bench.record(&[6]);
    assert_eq!((named(&record), named(&blob(6))), (Some(2), Some(2)));
    assert_eq!(named(&blob(9)), None);
    let runs: Vec<_> = inventory.runs.iter().map(|(name, _)| name.time).collect();
    assert_eq!(runs, [1, 2, 3]);
}

#[test]
fn a_pin_protects_what_stands_and_what_stood_when_it_was_made() {
    let mut bench = Bench::new();
    let old = bench.run(&Case {
        files: vec![9],
        ..one()
    });
    bench.run(&one());
    bench.run(&Case { key: 2, ..one() });
    for path in std::fs::read_dir(bench.path("runs")).unwrap() {
        std::fs::remove_file(path.unwrap().path()).unwrap();
    }
    let pin = Pin {
        key: key_of(1),
        result: Some(old),
        label: "p/1".to_owned(),
        when: 40,
        why: String::new(),
    };
    let inventory = bench.take_with_pins(vec![pin]);
    let entries = inventory.entries.iter();
    let mut entries: Vec<_> = entries.map(|it| (it.key, it.stands, it.pinned)).collect();
    entries.sort();
    let mut expected = [
        (key_of(1), true, true),
        (key_of(1), false, true),
        (key_of(2), true, false),
    ];
    expected.sort();
    assert_eq!(entries, expected);
    let pinned = inventory
        .entries
        .iter()
        .find(|it| it.result == old)
        .unwrap();
    assert_eq!(pinned.last_use, 40);
}

#[test]
fn pins_that_cannot_be_read_are_unknown() {
    let bench = Bench::new();
    bench.put(1);
    let unreadable = || Ok((Vec::new(), vec!["a pin".to_owned()]));
    let inventory = take_with(&bench.store, 0, unreadable).unwrap();
    assert_eq!(inventory.unknown, ["a pin"]);
}

#[test]
fn a_keys_file_that_is_not_understood_is_unknown() {
    let mut bench = Bench::new();
    bench.run(&one());
    let path = bench.path_of("keys", &key_of(1).hex());
    // A kind of a later version, and bytes that are nothing.
    for (bytes, damaged) in [(&b"\x82\x65later\x02"[..], false), (&b"\0\0\0"[..], true)] {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let inventory = bench.take();
        assert_eq!(inventory.unknown.len(), 1, "{:?}", inventory.unknown);
        let expected = if damaged { vec![key_of(1)] } else { Vec::new() };
        let damaged: Vec<Key> = inventory.damaged.iter().map(|(key, _)| *key).collect();
        assert_eq!(damaged, expected);
    }
    bench.store.look_up(&key_of(1));
    assert!(bench.take().unknown.is_empty(), "a look-up put it aside");
}

#[test]
fn a_shard_that_is_a_link_is_unknown_and_not_followed() {
    let mut bench = Bench::new();
    bench.run(&one());
    let shard = bench.path(&format!("keys/{}", &key_of(1).hex()[..2]));
    let elsewhere = bench.dir.join("elsewhere");
    std::fs::rename(&shard, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &shard).unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.unknown.len(), 1, "{:?}", inventory.unknown);
    assert!(inventory.entries.iter().all(|entry| !entry.stands));
}

#[test]
fn a_result_that_is_gone_or_damaged_leaves_only_its_keys_file_to_evict() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    let path = bench.path_of("blobs", &result.hex());
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let hollow = |bench: &Bench| {
        let inventory = bench.take();
        assert!(inventory.unknown.is_empty(), "{:?}", inventory.unknown);
        let entry = &inventory.entries[0];
        assert_eq!((&*entry.label, entry.stands), ("p/1", true));
        entry.blobs.len()
    };
    assert_eq!(hollow(&bench), 0);
    std::fs::write(&path, vec![0; bytes.len()]).unwrap();
    assert_eq!(hollow(&bench), 1);
    assert!(path.exists(), "taking an inventory changes nothing");
}

#[test]
fn a_result_in_the_trash_still_names_what_it_needs_if_a_key_names_it() {
    let mut bench = Bench::new();
    let result = bench.run(&one());
    let trash = bench.path_of("trash/blobs", &result.hex());
    std::fs::create_dir_all(trash.parent().unwrap()).unwrap();
    std::fs::rename(bench.path_of("blobs", &result.hex()), &trash).unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.entries[0].blobs.len(), 7);
    std::fs::remove_file(bench.path_of("keys", &key_of(1).hex())).unwrap();
    assert!(
        bench.take().entries.is_empty(),
        "evicted: only history names it"
    );
}

#[test]
fn right_bytes_that_are_not_understood_are_unknown() {
    let mut bench = Bench::new();
    // A result and a listing of a later version: right digests, other forms.
    let bytes = b"\x81\x02";
    let later = bench.store.put_bytes(bytes).unwrap().blob;
    let mut result = bench.result(&one());
    result.outcome.outputs[0].content =
        OutputContent::Tree(crate::digest::TreeId::new(*later.digest()));
    bench.store.record(&result, &[], Replace::Yes).unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.unknown.len(), 1, "{:?}", inventory.unknown);
    bench.runs = 1;
    bench.append(&one(), result.run.record, Some(later));
    let inventory = bench.take();
    assert_eq!(inventory.unknown.len(), 2, "{:?}", inventory.unknown);
    assert!(inventory.also_named.has(inventory.number(&later).unwrap()));
}

#[test]
fn an_entry_of_history_is_unknown_if_it_is_whole_and_of_a_later_format() {
    let mut bench = Bench::new();
    bench.run(&one());
    let name = std::fs::read_dir(bench.path("runs")).unwrap().next();
    let path = name.unwrap().unwrap().path();
    for (bytes, unknown) in [(&b"\x82\x02\x61a"[..], 1), (&b"\0\0\0"[..], 0), (b"", 0)] {
        std::fs::write(&path, bytes).unwrap();
        let inventory = bench.take();
        assert_eq!(inventory.unknown.len(), unknown, "{:?}", inventory.unknown);
        assert_eq!(inventory.runs.len(), 1, "it can be forgotten");
    }
}

#[test]
fn tombstones_are_listed_with_their_time() {
    let bench = Bench::new();
    bench.store.invalidate(&key_of(1), u64::MAX, "why").unwrap();
    let inventory = bench.take();
    assert_eq!(inventory.tombstones, [(key_of(1), u64::MAX)]);
    assert!(inventory.entries.is_empty());
}

#[test]
fn all_files_of_a_store_are_counted_once() {
    let mut bench = Bench::new();
    bench.run(&one());
    bench.store.invalidate(&key_of(2), 1, "").unwrap();
    bench.store.invalidate(&key_of(2), 2, "").unwrap();
    let random = "0".repeat(32);
    std::fs::write(bench.path(&format!("tmp/{random}")), b"staged").unwrap();
    for below in ["leases", "views/one/sub", "trash/blobs/aa", "pins"] {
        std::fs::create_dir_all(bench.path(below)).unwrap();
    }
    let hex = "aa".repeat(32);
    for path in [
        format!("leases/{hex}"),
        format!("leases/o-{hex}"),
        format!("trash/blobs/aa/{hex}"),
        format!("trash/gone-{random}"),
        format!("pins/{hex}"),
        "views/one/sub/file".to_owned(),
    ] {
        std::fs::write(bench.path(&path), vec![1; 5000]).unwrap();
    }
    let now = u64::MAX;
    let inventory = take_with(&bench.store, now, || Ok((Vec::new(), Vec::new()))).unwrap();
    let leftovers = inventory.leftovers.iter();
    let paths: Vec<_> = leftovers.map(|it| (it.kind, it.path.clone())).collect();
    let expected = [
        (LeftoverKind::Lease, format!("leases/{hex}")),
        (LeftoverKind::Lease, format!("leases/o-{hex}")),
        (LeftoverKind::Staged, format!("tmp/{random}")),
        (LeftoverKind::Trash, format!("trash/blobs/aa/{hex}")),
        (LeftoverKind::Trash, format!("trash/gone-{random}")),
        (LeftoverKind::View, "views/one".to_owned()),
    ];
    assert_eq!(paths, expected);
    let total = crate::maintain::usage(&inventory).disk;
    // As `du` does; directories of views, of the trash and the like are counted like others.
    assert_eq!(total, du(&bench.dir.join("store")));
}

fn du(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let facts = std::fs::symlink_metadata(path).unwrap();
    let below = facts.is_dir().then(|| std::fs::read_dir(path).unwrap());
    let below = below.into_iter().flatten();
    facts.blocks() * 512 + below.map(|it| du(&it.unwrap().path())).sum::<u64>()
}

#[test]
fn names_that_no_store_has_are_passed_over() {
    let mut bench = Bench::new();
    bench.run(&one());
    let before = bench.take();
    let hex = "ab".repeat(32);
    std::fs::create_dir_all(bench.path("blobs/ab")).unwrap();
    std::fs::create_dir_all(bench.path("trash")).unwrap();
    for path in [
        "blobs/README".to_owned(),
        "blobs/ab/short".to_owned(),
        format!("blobs/ab/{}", hex.to_uppercase()),
        format!("blobs/ab/{}", "ac".repeat(31)),
        format!("blobs/ab/{}", "cd".repeat(32)),
        "keys/x".to_owned(),
        "runs/today".to_owned(),
        "tmp/mine".to_owned(),
        "trash/mine".to_owned(),
    ] {
        std::fs::write(bench.path(&path), b"x").unwrap();
    }
    // Neither a directory nor a link is a blob.
    std::fs::create_dir(bench.path(&format!("blobs/ab/{hex}"))).unwrap();
    let link = bench.path(&format!("blobs/ab/{}", "ab".repeat(31) + "ff"));
    std::os::unix::fs::symlink("short", link).unwrap();
    let after = bench.take();
    assert_eq!(after.blobs, before.blobs);
    assert_eq!(after.entries, before.entries);
    assert_eq!(
        (after.leftovers, after.unknown),
        (before.leftovers, before.unknown)
    );
}

#[test]
fn a_lease_that_is_written_to_is_no_leftover() {
    let bench = Bench::new();
    bench.put(1);
    let path = bench.path(&format!("leases/{}", "aa".repeat(32)));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, b"").unwrap();
    let facts = crate::fs::Facts::of_link(&path).unwrap();
    let now = nanos(facts.signature.last_change());
    let leases = |now| {
        let inventory = take_with(&bench.store, now, || Ok((Vec::new(), Vec::new()))).unwrap();
        inventory.leftovers.len()
    };
    assert_eq!((leases(now + HELD - 1), leases(now + HELD)), (0, 1));
}

fn param(number: u32) -> Component {
    Component {
        kind: ComponentKind::Param,
        name: ComponentName::Text("number".to_owned()),
        value: Value::from(number.to_string().as_str()),
    }
}

/// Returns the most memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "makes a store of a quarter of a million files; run it alone, in a process of its own"]
fn fifty_thousand_results_fit_into_fifty_megabytes() {
    let mut bench = Bench::new();
    let results: u32 = 50_000;
    let template = bench.result(&one());
    for number in 0..results {
        let bytes = number.to_le_bytes();
        let mut result = template.clone();
        result.key = Key::derive(&bytes);
        let own = bench.store.put_bytes(&bytes).unwrap().blob;
        let record = KeyRecord::new(vec![param(number)]);
        result.run.record = bench.store.put_bytes(&record.encode()).unwrap().blob;
        result.outcome.outputs[0].content = OutputContent::File {
            executable: false,
            size: 4,
            blob: own,
        };
        bench.store.record(&result, &[], Replace::Yes).unwrap();
        let named = BlobId::of(&result.encode());
        bench.runs += 1;
        bench.append(&one(), result.run.record, Some(named));
    }
    let before = peak_memory();
    let inventory = bench.take();
    assert_eq!(inventory.entries.len(), results as usize);
    assert!(inventory.entries.iter().all(|entry| entry.blobs.len() == 7));
    let grown = peak_memory() - before;
    assert!(grown < 50 << 20, "{grown}");
}

#[path = "recall_laws.rs"]
mod recall_laws;
