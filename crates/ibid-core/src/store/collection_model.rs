//! The protocol of collection under random interleavings: writers, collectors, readers and
//! invalidations advance a step at a time over a real store, are killed between steps, and time
//! passes by setting all times back. Grace is a minute here, so nothing rests on it.
//!
//! Laws: what is found is what was recorded; an invalidation counts until something is recorded
//! after it; as long as the trash is not emptied nothing is lost, whoever is killed; if nobody is
//! killed in the middle of a move or a commit, nothing is lost at all; a commit heals everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ibid_testkit::TempDir;
use proptest::prelude::*;

use super::collection_tests::{age, key, open, result_of, stamp_of};
use super::format::KeyFile;
use super::trash::Moved;
use super::{
    LocalStore, Lookup, OutputContent, Recorded, Replace, StoreError, Stored, StoredResult,
};
use crate::digest::{BlobId, Key};
use crate::fs::{Signature, exists, list_dir};

const SECOND: u64 = 1_000_000_000;

/// What a collection spares: what is younger than this.
const SPARED: u64 = 60 * SECOND;

const PASSING: i64 = 100;

const NAMES: u8 = 2;

const CONTENTS: u8 = 3;

#[derive(Clone, Debug)]
enum Operation {
    Write(usize, u8, u8, bool),
    StepWriter(usize, usize),
    KillWriter(usize),
    Commit(u8, u8),
    Collect(usize, Option<u8>),
    StepCollector(usize, usize),
    KillCollector(usize),
    Read(u8),
    Invalidate(u8),
    Pass,
    EmptyTrash,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let (who, name, content) = (0..2_usize, 0..NAMES, 0..CONTENTS);
    let steps = prop_oneof![3 => Just(1_usize), 1 => 2..5_usize];
    prop_oneof![
        6 => (who.clone(), name.clone(), content.clone(), any::<bool>())
            .prop_map(|(who, name, content, replace)| Write(who, name, content, replace)),
        8 => (who.clone(), steps.clone()).prop_map(|(who, steps)| StepWriter(who, steps)),
        1 => who.clone().prop_map(KillWriter),
        4 => (name.clone(), content).prop_map(|(name, content)| Commit(name, content)),
        6 => (who.clone(), prop::option::of(name.clone()))
            .prop_map(|(who, evict)| Collect(who, evict)),
        10 => (who.clone(), steps).prop_map(|(who, steps)| StepCollector(who, steps)),
        1 => who.prop_map(KillCollector),
        1 => name.clone().prop_map(Read),
        4 => name.prop_map(Invalidate),
        4 => Just(Pass),
        3 => Just(EmptyTrash),
    ]
}

/// A process that commits a result.
struct Writer {
    store: LocalStore,
    name: u8,
    result: StoredResult,
    replace: Replace,
    stored: Vec<Stored>,
    landed: bool,
}

#[derive(Clone, Debug)]
enum Target {
    Key(Key, BlobId),
    Blob(BlobId, u64),
}

#[derive(Debug)]
enum Phase {
    Stamp,
    Keys,
    Blobs,
    Look,
    Move(Signature),
    Confirm,
    Done,
}

/// A process that collects.
struct Collector {
    store: LocalStore,
    evict: Option<Key>,
    now: u64,
    phase: Phase,
    named: BTreeMap<BlobId, BTreeSet<Key>>,
    results: BTreeMap<Key, BlobId>,
    listed: Vec<(BlobId, u64)>,
    targets: Vec<Target>,
}

impl Collector {
    fn new(store: LocalStore, evict: Option<Key>) -> Self {
        Self {
            store,
            evict,
            now: 0,
            phase: Phase::Stamp,
            named: BTreeMap::new(),
            results: BTreeMap::new(),
            listed: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn is_moving(&self) -> bool {
        matches!(self.phase, Phase::Confirm)
    }

    fn is_moving_a_key(&self) -> bool {
        self.is_moving() && matches!(self.targets.last(), Some(Target::Key(..)))
    }

    fn step(&mut self) {
        let phase = std::mem::replace(&mut self.phase, Phase::Done);
        self.phase = match phase {
            Phase::Stamp => match self.store.own_clock() {
                Some(now) => {
                    self.now = u64::try_from(now.as_nanos()).unwrap();
                    Phase::Keys
                }
                None => Phase::Done,
            },
            Phase::Keys => {
                self.read_keys();
                Phase::Blobs
            }
            Phase::Blobs => {
                self.list_blobs();
                Phase::Look
            }
            Phase::Look => self.look(),
            Phase::Move(seen) => self.take_away(&seen),
            Phase::Confirm => self.confirm(),
            Phase::Done => Phase::Done,
        };
    }

    fn read_keys(&mut self) {
        for key in self.store.keys().unwrap() {
            if let Lookup::Found(result) = self.store.look_up(&key) {
                let blob = BlobId::of(&result.encode());
                self.results.insert(key, blob);
                for (blob, _) in result.blobs().chain([(blob, None)]) {
                    self.named.entry(blob).or_default().insert(key);
                }
            }
        }
    }

    fn list_blobs(&mut self) {
        for blob in self.store.blobs().unwrap() {
            let path = self.store.layout.blob(&blob);
            if exists(&path).unwrap() {
                self.listed.push((blob, stamp_of(&path)));
            }
        }
        let unnamed = |blob: &BlobId| !self.named.contains_key(blob);
        let targets = self.old_blobs(unnamed);
        self.targets = targets;
        let evict = self
            .evict
            .and_then(|key| Some((key, *self.results.get(&key)?)));
        self.targets
            .extend(evict.map(|(key, result)| Target::Key(key, result)));
    }

    fn old_blobs(&self, goes: impl Fn(&BlobId) -> bool) -> Vec<Target> {
        let old = self
            .listed
            .iter()
            .filter(|(blob, modified)| goes(blob) && self.now.saturating_sub(*modified) > SPARED);
        old.map(|(blob, modified)| Target::Blob(*blob, *modified))
            .collect()
    }

    fn look(&mut self) -> Phase {
        let top = self.store.top().unwrap().unwrap();
        let seen = match self.targets.last() {
            None => return Phase::Done,
            Some(Target::Key(key, result)) => {
                let file = KeyFile::Result(*result).encode();
                self.store.removable(&top, key, &file).unwrap()
            }
            Some(Target::Blob(blob, modified)) => {
                self.store.discardable(&top, blob, *modified).unwrap()
            }
        };
        self.next_if_none(seen.map(Phase::Move))
    }

    fn take_away(&mut self, seen: &Signature) -> Phase {
        let top = self.store.top().unwrap().unwrap();
        let moved = match self.targets.last().unwrap() {
            Target::Key(key, _) => self.store.move_key_out(&top, key, seen),
            Target::Blob(blob, _) => self.store.move_blob_out(&top, blob, seen),
        };
        self.next_if_none((moved.unwrap() != Moved::Gone).then_some(Phase::Confirm))
    }

    fn next_if_none(&mut self, phase: Option<Phase>) -> Phase {
        phase.unwrap_or_else(|| {
            self.targets.pop();
            Phase::Look
        })
    }

    fn confirm(&mut self) -> Phase {
        let top = self.store.top().unwrap().unwrap();
        match self.targets.pop().unwrap() {
            Target::Key(key, result) => {
                let file = KeyFile::Result(result).encode();
                if self.store.confirm_evict(&top, &key, &file).unwrap() {
                    let only = BTreeSet::from([key]);
                    let freed = self.old_blobs(|blob| self.named.get(blob) == Some(&only));
                    self.targets.extend(freed);
                }
            }
            Target::Blob(blob, modified) => {
                self.store.confirm_discard(&top, &blob, modified).unwrap();
            }
        }
        Phase::Look
    }
}

struct World {
    dir: TempDir,
    writers: [Option<Writer>; 2],
    collectors: [Option<Collector>; 2],
    /// What was ever recorded for a key.
    recorded: BTreeMap<u8, BTreeSet<u8>>,
    invalidated: BTreeSet<u8>,
    ever_invalidated: BTreeSet<u8>,
    emptied: bool,
    torn: bool,
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new();
        open(&dir).put_bytes(b"a store").unwrap();
        Self {
            dir,
            writers: [None, None],
            collectors: [None, None],
            recorded: BTreeMap::new(),
            invalidated: BTreeSet::new(),
            ever_invalidated: BTreeSet::new(),
            emptied: false,
            torn: false,
        }
    }

    fn apply(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        match *operation {
            Operation::Write(who, name, content, replace) => {
                let is_new = self.writers[who].is_none();
                self.writers[who].get_or_insert_with(|| Writer {
                    store: open(&self.dir),
                    name,
                    result: result_of(key(&name.to_string()), &[content]),
                    replace: if replace { Replace::Yes } else { Replace::No },
                    stored: Vec::new(),
                    landed: false,
                });
                self.recorded.entry(name).or_default().insert(content);
                // What matters begins when its blobs are in.
                if is_new {
                    self.step_writer(who)?;
                    self.step_writer(who)?;
                }
            }
            Operation::StepWriter(who, steps) => {
                (0..steps).try_for_each(|_| self.step_writer(who))?;
            }
            Operation::Commit(name, content) => self.commit(name, content)?,
            Operation::KillWriter(who) => {
                self.torn |= self.writers[who].take().is_some_and(|it| it.landed);
            }
            Operation::Collect(who, evict) => {
                let evict = evict.map(|name| key(&name.to_string()));
                let store = open(&self.dir);
                if self.collectors[who].is_none() {
                    self.collectors[who] = Some(Collector::new(store, evict));
                    // What matters comes after the first look.
                    let is_early = |it: &Collector| !matches!(it.phase, Phase::Move(_));
                    while self.collectors[who].as_ref().is_some_and(is_early) {
                        self.step_collector(who);
                    }
                }
            }
            Operation::StepCollector(who, steps) => {
                (0..steps).for_each(|_| self.step_collector(who));
            }
            Operation::KillCollector(who) => {
                let killed = self.collectors[who].take();
                self.torn |= killed.is_some_and(|it| it.is_moving());
            }
            Operation::Read(name) => self.read(name)?,
            Operation::Invalidate(name) => {
                let key = key(&name.to_string());
                open(&self.dir).invalidate(&key, 0, "test").unwrap();
                self.invalidated.insert(name);
                self.ever_invalidated.insert(name);
            }
            Operation::Pass => self.pass(),
            Operation::EmptyTrash => self.empty_trash(),
        }
        Ok(())
    }

    fn step_writer(&mut self, who: usize) -> Result<(), TestCaseError> {
        let Some(writer) = &mut self.writers[who] else {
            return Ok(());
        };
        let Writer { store, result, .. } = writer;
        match (writer.stored.len(), writer.landed) {
            (0, _) => writer.stored.push(store.put_bytes(b"record").unwrap()),
            (1, _) => {
                let OutputContent::File { blob, .. } = result.outcome.outputs[0].content else {
                    unreachable!("every result here is a file");
                };
                let content = (0..CONTENTS).find(|content| BlobId::of(&[*content]) == blob);
                let stored = store.put_bytes(&[content.unwrap()]).unwrap();
                writer.stored.push(stored);
            }
            (_, false) => {
                let (recorded, stored) = store.land(result, writer.replace).unwrap();
                if recorded == Recorded::Ours {
                    self.invalidated.remove(&writer.name);
                }
                writer.stored.push(stored);
                writer.landed = true;
            }
            (_, true) => match store.confirm_landed(&result.key, &writer.stored) {
                Ok(()) => self.writers[who] = None,
                Err(StoreError::Vanished(_)) => {
                    prop_assert!(self.emptied, "nothing is lost while the trash is kept");
                    writer.stored.clear();
                    writer.landed = false;
                }
                Err(error) => prop_assert!(false, "{error:?}"),
            },
        }
        Ok(())
    }

    /// Commits as a third process would, without a pause.
    fn commit(&mut self, name: u8, content: u8) -> Result<(), TestCaseError> {
        let paused = self.writers[0].take();
        self.apply(&Operation::Write(0, name, content, true))?;
        while self.writers[0].is_some() {
            self.step_writer(0)?;
        }
        self.writers[0] = paused;
        Ok(())
    }

    fn step_collector(&mut self, who: usize) {
        let collector = &mut self.collectors[who];
        if let Some(it) = collector {
            it.step();
            if matches!(it.phase, Phase::Done) {
                *collector = None;
            }
        }
    }

    /// An invalidation counts until something is recorded, and again once that is evicted: a key
    /// that was ever invalidated is never absent, where manifests would count.
    fn invalidations_count(&self) -> Result<(), TestCaseError> {
        for name in &self.ever_invalidated {
            let found = open(&self.dir).look_up(&key(&name.to_string()));
            prop_assert_ne!(found, Lookup::Absent(super::MissReason::Absent));
        }
        for name in &self.invalidated {
            let found = open(&self.dir).look_up(&key(&name.to_string()));
            let counts = matches!(found, Lookup::Tombstone(_));
            prop_assert!(counts, "the invalidation of {name} is lost: {found:?}");
        }
        Ok(())
    }

    fn read(&self, name: u8) -> Result<(), TestCaseError> {
        let store = open(&self.dir);
        let found = store.look_up(&key(&name.to_string()));
        if let Lookup::Found(result) = found {
            let contents = self.recorded.get(&name).into_iter().flatten();
            let mut known = contents.map(|it| result_of(key(&name.to_string()), &[*it]));
            prop_assert!(known.any(|known| known == *result));
            self.read_blobs(&store, &result, false)?;
        }
        prop_assert_eq!(store.take_faults(), vec![]);
        Ok(())
    }

    fn read_blobs(
        &self,
        store: &LocalStore,
        result: &StoredResult,
        at_rest: bool,
    ) -> Result<(), TestCaseError> {
        for (blob, _) in result.blobs() {
            match store.read_blob(&blob, 100) {
                Ok(bytes) => prop_assert_eq!(BlobId::of(&bytes), blob),
                Err(problem) => {
                    let may_be_lost = self.emptied && (self.torn || !at_rest);
                    prop_assert!(may_be_lost, "{problem:?}");
                }
            }
        }
        Ok(())
    }

    /// Lets time pass: everything becomes older, what processes remember of it too.
    fn pass(&mut self) {
        for path in self.files() {
            age(&path, PASSING);
        }
        let nanos = PASSING.unsigned_abs() * SECOND;
        for stored in self
            .writers
            .iter_mut()
            .flatten()
            .flat_map(|it| &mut it.stored)
        {
            stored.modified.seconds -= PASSING;
        }
        for collector in self.collectors.iter_mut().flatten() {
            collector.now = collector.now.saturating_sub(nanos);
            for (_, modified) in &mut collector.listed {
                *modified -= nanos;
            }
            for target in &mut collector.targets {
                if let Target::Blob(_, modified) = target {
                    *modified -= nanos;
                }
            }
        }
    }

    /// Deletes the trash for good, as a collection does whose budget has no room for it: at any
    /// moment, also beside one that is just moving a blob.
    fn empty_trash(&mut self) {
        if self
            .collectors
            .iter()
            .flatten()
            .any(Collector::is_moving_a_key)
        {
            return;
        }
        self.emptied = true;
        let store = open(&self.dir);
        let mut emptier = Collector::new(open(&self.dir), None);
        emptier.step();
        let trashed = self.files().into_iter().filter_map(|path| {
            let blob: BlobId = path.file_name()?.to_str()?.parse().ok()?;
            (path == store.layout.trashed_blob(&blob)).then(|| (blob, stamp_of(&path)))
        });
        let trashed: Vec<_> = trashed.collect();
        emptier.step();
        for (blob, modified) in trashed {
            if emptier.named.contains_key(&blob) {
                store.take_back(&blob).unwrap();
            } else if emptier.now.saturating_sub(modified) > SPARED {
                store.delete_discarded(&blob, modified).unwrap();
            }
        }
        store.delete_leftover("trash/keys").unwrap();
    }

    /// All blobs, in place and in the trash.
    fn files(&self) -> Vec<PathBuf> {
        let v1 = self.dir.join("store/v1");
        let below = |dir: PathBuf| {
            let names = list_dir(&dir).unwrap_or_default().into_iter();
            names.map(move |(name, _)| dir.join(String::from_utf8(name).unwrap()))
        };
        let shards = ["blobs", "trash/blobs"].map(|dir| below(v1.join(dir)));
        shards.into_iter().flatten().flat_map(below).collect()
    }

    fn come_to_rest(&mut self) -> Result<(), TestCaseError> {
        for who in 0..2 {
            while self.collectors[who].is_some() {
                self.step_collector(who);
            }
            while self.writers[who].is_some() {
                self.step_writer(who)?;
            }
        }
        let store = open(&self.dir);
        for name in 0..NAMES {
            self.read(name)?;
            if let Lookup::Found(result) = store.look_up(&key(&name.to_string())) {
                self.read_blobs(&store, &result, true)?;
            }
        }
        Ok(())
    }

    /// A run of every key makes everything whole.
    fn heal(&mut self) -> Result<(), TestCaseError> {
        for name in 0..NAMES {
            self.commit(name, 0)?;
            let found = open(&self.dir).look_up(&key(&name.to_string()));
            let Lookup::Found(result) = found else {
                return Err(TestCaseError::fail(format!("{found:?}")));
            };
            let store = open(&self.dir);
            for (blob, _) in result.blobs() {
                prop_assert!(store.read_blob(&blob, 100).is_ok());
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn collection_beside_everything_loses_nothing_that_is_named(
        operations in prop::collection::vec(operation(), 1..120)
    ) {
        let mut world = World::new();
        for operation in &operations {
            world.apply(operation)?;
            world.invalidations_count()?;
        }
        world.come_to_rest()?;
        world.heal()?;
    }
}
