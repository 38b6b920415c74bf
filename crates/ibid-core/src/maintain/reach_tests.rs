//! What is reachable, over generated stores; odd cases and the memory of listings stand beside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ibid_testkit::TempDir;
use proptest::prelude::*;

use super::*;
use crate::action::{Component, ComponentName, Trigger};
use crate::digest::encoding::{Encoder, Value};
use crate::maintain::inventory::nanos;
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

#[path = "reach_cases.rs"]
mod cases;
#[path = "recall_laws.rs"]
mod recall_laws;
