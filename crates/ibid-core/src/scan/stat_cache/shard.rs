//! `Shards`: records in files of 4 KiB buckets, found by hash, shared by all processes.
//!
//! A record lies in its home bucket or in the neighbour, in the first slot from one that its name
//! chooses that was empty when it came. Both full: the shard is written anew at
//! twice the size and renamed over the old one; at the size limit the oldest entry makes way.
//! There is no lock: a record that another process overwrote, or that was written to a file just
//! replaced, is lost, and its file is hashed once more. Every failure is silent for that reason.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

use super::StatWrites;
use super::record::{NAME, Name, RECORD, Record};
use crate::digest::Digest;
use crate::fs::create_dirs;
use crate::fs::slots::{self, SlotFile};

const BUCKET: usize = 4096;
const SLOTS: usize = BUCKET / RECORD;
const SHARDS: usize = 16;

/// Sixteen shards of this many buckets hold four million files in half a gibibyte.
const MAX_BUCKETS: u64 = 1 << 13;

/// So many records are kept in memory before they are written: a tree that is hashed for the
/// first time writes each shard once.
const BATCH: usize = 1 << 17;

/// After so many looks at single buckets a shard is read whole: one call for all further looks.
const LOOKS: u32 = 64;

/// With so many new records per bucket a shard is written anew and not record by record.
const MANY_PER_BUCKET: u64 = 2;

/// From so many records on, shards are written side by side.
const MANY: usize = 1 << 12;

/// The files, and what has not been written to them yet.
#[derive(Debug)]
pub(super) struct Shards {
    dir: PathBuf,
    writes: StatWrites,
    salt: Digest,
    open: [Mutex<Slot>; SHARDS],
    /// Nothing until there is something, because a table draws random numbers when it is made.
    pending: Mutex<Option<HashMap<Name, Record>>>,
    /// Whether anything was ever pending: most processes learn nothing.
    learnt: AtomicBool,
}

/// Whether a shard has been opened.
#[derive(Debug, Default, Clone)]
enum Slot {
    #[default]
    Unopened,
    Absent,
    Open(Arc<Shard>),
}

#[derive(Debug)]
struct Shard {
    file: SlotFile,
    buckets: u64,
    looks: AtomicU32,
    /// All buckets as they were after the first [`LOOKS`]; empty if they could not be read. What
    /// others add later is not in it, so it may miss and never lies.
    image: OnceLock<Vec<u8>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Every value is whole between two statements, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash(name: &Name) -> u64 {
    let word = |at: usize| {
        let bytes = name[at..at + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes)
    };
    // The finaliser of MurmurHash3; inodes are consecutive numbers.
    let mut hash = word(0) ^ word(16);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Files that were made together often have inodes of one number but for its last byte, and then
/// lie in one shard: inputs and outputs of a small step cost one open file, not one each.
fn shard_of(name: &Name) -> usize {
    let mut neighbours = *name;
    neighbours[NAME - 8] = 0;
    usize::try_from(hash(&neighbours) >> 60).expect("four bits")
}

/// Returns the home bucket and its neighbour.
fn homes(name: &Name, buckets: u64) -> [u64; 2] {
    let home = hash(name) & (buckets - 1);
    [home, home ^ 1]
}

fn slot(bucket: &[u8], index: usize) -> &[u8; RECORD] {
    bucket[index * RECORD..]
        .first_chunk()
        .expect("a bucket holds whole records")
}

fn is_empty(slot: &[u8; RECORD]) -> bool {
    slot[..NAME] == [0; NAME]
}

/// Returns the slots of a bucket in the order in which a record of this name is looked for.
fn order(name: &Name) -> impl Iterator<Item = usize> + use<> {
    let first = usize::try_from(hash(name) >> 32 & 0xff).expect("eight bits");
    (first..first + SLOTS).map(|index| index % SLOTS)
}

/// Finds a record; the second value says whether there is room, so that it lies nowhere else.
/// Slots are filled and never emptied, so nothing lies behind an empty one.
fn find(bucket: &[u8], name: &Name, salt: &Digest) -> (Option<Record>, bool) {
    for index in order(name) {
        let bytes = slot(bucket, index);
        if bytes[..NAME] == *name
            && let Some(record) = Record::decode(bytes, salt)
        {
            return (Some(record), false);
        }
        if is_empty(bytes) {
            return (None, true);
        }
    }
    (None, false)
}

/// Returns where a record of this name belongs: over its predecessor, else where nothing is.
fn place(bucket: &[u8], name: &Name, salt: &Digest) -> Option<usize> {
    let fits = |index: &usize| {
        let bytes = slot(bucket, *index);
        bytes[..NAME] == *name || is_empty(bytes)
    };
    order(name)
        .find(fits)
        .or_else(|| order(name).find(|i| Record::decode(slot(bucket, *i), salt).is_none()))
}

/// Returns the slot whose file was hashed longest ago.
fn oldest(bucket: &[u8], salt: &Digest) -> usize {
    let age = |index: &usize| Record::decode(slot(bucket, *index), salt).map(|old| old.started);
    (0..SLOTS).min_by_key(age).unwrap_or(0)
}

impl Shards {
    pub(super) fn new(dir: &Path, machine_id: &str, writes: StatWrites) -> Self {
        let salt = Digest::of(format!("ibid stat cache 3\n{machine_id}").as_bytes());
        Self {
            dir: dir.to_owned(),
            writes,
            salt,
            open: std::array::from_fn(|_| Mutex::default()),
            pending: Mutex::default(),
            learnt: AtomicBool::new(false),
        }
    }

    /// Looks a record up. Writes nothing.
    pub(super) fn get(&self, name: &Name) -> Option<Record> {
        if self.learnt.load(Ordering::Acquire)
            && let Some(pending) = &*lock(&self.pending)
            && let Some(record) = pending.get(name)
        {
            return Some(*record);
        }
        let shard = self.shard(shard_of(name))?;
        for home in homes(name, shard.buckets) {
            let (found, room) = shard
                .look(home, |bucket| find(bucket, name, &self.salt))
                .ok()?;
            if found.is_some() || room {
                return found;
            }
        }
        None
    }

    /// Keeps a record, to be written with others.
    pub(super) fn put(&self, record: Record) {
        self.learnt.store(true, Ordering::Release);
        let mut guard = lock(&self.pending);
        let pending = guard.get_or_insert_default();
        let merged = match pending.get(&record.name) {
            Some(earlier) => record.merged_over(earlier),
            None => record,
        };
        pending.insert(record.name, merged);
        if pending.len() >= BATCH && self.writes == StatWrites::Allowed {
            let batch = std::mem::take(pending);
            drop(guard);
            self.write(batch);
        }
    }

    /// Writes what is pending, if anything may be written.
    pub(super) fn flush(&self) {
        if self.writes == StatWrites::Forbidden {
            return;
        }
        let batch = lock(&self.pending).take();
        if let Some(batch) = batch {
            self.write(batch);
        }
    }

    fn path(&self, index: usize) -> PathBuf {
        self.dir.join(format!("{index:x}"))
    }

    fn shard(&self, index: usize) -> Option<Arc<Shard>> {
        let mut slot = lock(&self.open[index]);
        if matches!(*slot, Slot::Unopened) {
            *slot = match Shard::open(&self.path(index)) {
                Ok(shard) => Slot::Open(Arc::new(shard)),
                Err(_) => Slot::Absent,
            };
        }
        match &*slot {
            Slot::Open(shard) => Some(Arc::clone(shard)),
            Slot::Unopened | Slot::Absent => None,
        }
    }

    fn write(&self, batch: HashMap<Name, Record>) {
        if batch.is_empty() || create_dirs(&self.dir, Some(0o700)).is_err() {
            return;
        }
        let mut by_shard: [Vec<Record>; SHARDS] = Default::default();
        for (name, record) in batch {
            by_shard[shard_of(&name)].push(record);
        }
        let many = by_shard.iter().map(Vec::len).sum::<usize>() > MANY;
        let write = |(index, records): (usize, Vec<Record>)| {
            if !records.is_empty() {
                // A cache that cannot be written is a cache that forgets.
                let _ = self.write_shard(index, &records);
            }
        };
        if many {
            by_shard.into_par_iter().enumerate().for_each(write);
        } else {
            by_shard.into_iter().enumerate().for_each(write);
        }
    }

    fn write_shard(&self, index: usize, records: &[Record]) -> io::Result<()> {
        let path = self.path(index);
        let shard = match self.shard(index) {
            Some(shard) if !shard.file.was_replaced(&path) => shard,
            _ => {
                *lock(&self.open[index]) = Slot::Unopened;
                match self.shard(index) {
                    Some(shard) => shard,
                    None => return self.rewrite(index, &[], records, 2),
                }
            }
        };
        if shard.image.get().is_some() {
            // The image does not learn what is written now.
            *lock(&self.open[index]) = Slot::Unopened;
        }
        if records.len() as u64 >= shard.buckets * MANY_PER_BUCKET && shard.buckets < MAX_BUCKETS {
            // What lies there stays where it is as long as there is room beside it.
            let mut image = shard.read_all()?;
            let all_fit = records
                .iter()
                .all(|record| insert_if_room(&mut image, record, &self.salt));
            if all_fit {
                return self.replace(index, &image);
            }
            let all = shard.records(&self.salt)?;
            return self.rewrite(index, &all, records, shard.buckets);
        }
        for (done, record) in records.iter().enumerate() {
            if !shard.insert(record, &self.salt)? {
                let all = shard.records(&self.salt)?;
                return self.rewrite(index, &all, &records[done..], shard.buckets * 2);
            }
        }
        Ok(())
    }

    /// Writes a shard anew, with room for everything.
    fn rewrite(&self, index: usize, old: &[Record], new: &[Record], least: u64) -> io::Result<()> {
        let count = (old.len() + new.len()) as u64;
        let wanted = (count * 2).div_ceil(SLOTS as u64).next_power_of_two();
        let buckets = wanted.max(least).min(MAX_BUCKETS);
        let size = usize::try_from(buckets).expect("the limit fits") * BUCKET;
        let mut image = vec![0; size];
        for record in old.iter().chain(new) {
            if !insert_if_room(&mut image, record, &self.salt) {
                let [home, _] = homes_in(&image, record);
                let at = home + oldest(&image[home..home + BUCKET], &self.salt) * RECORD;
                insert_at(&mut image, at, record, &self.salt);
            }
        }
        self.replace(index, &image)
    }

    /// Puts an image in the place of a shard.
    fn replace(&self, index: usize, image: &[u8]) -> io::Result<()> {
        slots::replace(&self.path(index), image).map_err(|error| error.source)?;
        *lock(&self.open[index]) = Slot::Unopened;
        Ok(())
    }
}

/// Returns where the home bucket of a record and its neighbour begin in the image of a whole shard.
fn homes_in(image: &[u8], record: &Record) -> [usize; 2] {
    let buckets = (image.len() / BUCKET) as u64;
    homes(&record.name, buckets)
        .map(|home| usize::try_from(home).expect("the image is in memory") * BUCKET)
}

/// Puts a record into the image of a whole shard; `false` if it has no room.
fn insert_if_room(image: &mut [u8], record: &Record, salt: &Digest) -> bool {
    let found = homes_in(image, record).into_iter().find_map(|start| {
        let bucket = &image[start..start + BUCKET];
        place(bucket, &record.name, salt).map(|index| start + index * RECORD)
    });
    if let Some(at) = found {
        insert_at(image, at, record, salt);
    }
    found.is_some()
}

/// Puts a record over what begins at `at`.
fn insert_at(image: &mut [u8], at: usize, record: &Record, salt: &Digest) {
    let earlier = image[at..].first_chunk().expect("a whole record");
    let merged = match Record::decode(earlier, salt) {
        Some(earlier) => record.merged_over(&earlier),
        None => *record,
    };
    image[at..at + RECORD].copy_from_slice(&merged.encode(salt));
}

impl Shard {
    fn open(path: &Path) -> io::Result<Self> {
        let file = SlotFile::open(path)?;
        // A file that was cut is used as far as it goes.
        let whole = file.opened_length() / BUCKET as u64;
        if whole < 2 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let buckets = (1 << whole.ilog2()).min(MAX_BUCKETS);
        Ok(Self {
            file,
            buckets,
            looks: AtomicU32::new(0),
            image: OnceLock::new(),
        })
    }

    /// Lends a bucket as it is, or as it was not long ago.
    fn look<T>(&self, bucket: u64, use_it: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        if self.image.get().is_none() && self.looks.fetch_add(1, Ordering::Relaxed) < LOOKS {
            return self.read_bucket(bucket, use_it);
        }
        let image = self
            .image
            .get_or_init(|| self.read_all().unwrap_or_default());
        let start = usize::try_from(bucket).expect("the limit fits") * BUCKET;
        match image.get(start..start + BUCKET) {
            Some(found) => Ok(use_it(found)),
            None => self.read_bucket(bucket, use_it),
        }
    }

    fn read_bucket<T>(&self, bucket: u64, use_it: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        let mut buffer = [0; BUCKET];
        self.read(bucket, &mut buffer)?;
        Ok(use_it(&buffer))
    }

    fn read(&self, bucket: u64, buffer: &mut [u8; BUCKET]) -> io::Result<()> {
        self.file.read_at(buffer, bucket * BUCKET as u64)
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.buckets).expect("the limit fits") * BUCKET;
        let mut image = vec![0; size];
        self.file.read_at(&mut image, 0)?;
        Ok(image)
    }

    /// Writes one record; `false` if it has no room.
    fn insert(&self, record: &Record, salt: &Digest) -> io::Result<bool> {
        let mut bucket = [0; BUCKET];
        let homes = homes(&record.name, self.buckets);
        for home in homes {
            self.read(home, &mut bucket)?;
            if let Some(index) = place(&bucket, &record.name, salt) {
                self.write_slot((home, index), record, &bucket, salt)?;
                return Ok(true);
            }
        }
        if self.buckets < MAX_BUCKETS {
            return Ok(false);
        }
        self.read(homes[0], &mut bucket)?;
        let at = (homes[0], oldest(&bucket, salt));
        self.write_slot(at, record, &bucket, salt)?;
        Ok(true)
    }

    fn write_slot(
        &self,
        (home, index): (u64, usize),
        record: &Record,
        bucket: &[u8; BUCKET],
        salt: &Digest,
    ) -> io::Result<()> {
        let merged = match Record::decode(slot(bucket, index), salt) {
            Some(earlier) => record.merged_over(&earlier),
            None => *record,
        };
        let offset = home * BUCKET as u64 + (index * RECORD) as u64;
        self.file.write_at(&merged.encode(salt), offset)
    }

    /// Returns every record that is whole.
    fn records(&self, salt: &Digest) -> io::Result<Vec<Record>> {
        let image = self.read_all()?;
        let records = image
            .chunks_exact(RECORD)
            .filter_map(|slot| Record::decode(slot.first_chunk()?, salt));
        Ok(records.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::sample;
    use super::*;
    use ibid_testkit::TempDir;

    type Damage = fn(&mut Vec<u8>);

    #[test]
    fn where_nothing_may_be_written_records_last_as_long_as_the_process() {
        let temp = TempDir::new();
        let dir = temp.join("stats");
        let shards = Shards::new(&dir, "m", StatWrites::Forbidden);
        for n in 0..=BATCH as u64 {
            shards.put(sample(n));
        }
        shards.flush();
        assert_eq!(shards.get(&sample(7).name), Some(sample(7)));
        assert!(!dir.exists());
    }

    #[test]
    fn records_survive_growth_and_are_found_by_another_process() {
        let dir = TempDir::new();
        let shards = Shards::new(dir.path(), "m", StatWrites::Allowed);
        for inode in 0..20_000 {
            shards.put(sample(inode));
        }
        shards.flush();
        let reopened = Shards::new(dir.path(), "m", StatWrites::Allowed);
        for inode in 0..20_000 {
            let record = sample(inode);
            assert_eq!(reopened.get(&record.name), Some(record), "{inode}");
        }
        assert_eq!(reopened.get(&sample(20_000).name), None);
        let copied = Shards::new(dir.path(), "other machine", StatWrites::Allowed);
        assert_eq!(copied.get(&sample(1).name), None);
    }

    #[test]
    fn batch_after_batch_keeps_what_was_written_before() {
        let dir = TempDir::new();
        for batch in 0..6 {
            let shards = Shards::new(dir.path(), "m", StatWrites::Allowed);
            // Half of them are files that are known already.
            let inodes = batch * 1_500..batch * 1_500 + 3_000;
            inodes.for_each(|inode| shards.put(sample(inode)));
            shards.flush();
            let reopened = Shards::new(dir.path(), "m", StatWrites::Allowed);
            let known = 0..batch * 1_500 + 3_000;
            let lost = known.filter(|inode| reopened.get(&sample(*inode).name).is_none());
            assert_eq!(lost.count(), 0, "after batch {batch}");
        }
    }

    #[test]
    fn an_absent_or_unwritable_directory_is_a_cache_that_forgets() {
        let shards = Shards::new(Path::new("/proc/nowhere"), "m", StatWrites::Allowed);
        shards.put(sample(1));
        shards.flush();
        assert_eq!(shards.get(&sample(1).name), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test damages its own files")]
    fn cut_torn_and_flipped_shards_give_misses_and_heal() {
        let dir = TempDir::new();
        // Far enough apart that every shard has some.
        let inodes = || (0..2_000).map(|index| index * 257);
        let fill = || {
            let shards = Shards::new(dir.path(), "m", StatWrites::Allowed);
            inodes().for_each(|inode| shards.put(sample(inode)));
            shards.flush();
        };
        fill();
        let paths: Vec<_> = (0..SHARDS).map(|i| dir.join(format!("{i:x}"))).collect();
        let damages: [Damage; 6] = [
            |bytes| bytes.clear(),
            |bytes| bytes.truncate(5000),
            |bytes| bytes.truncate(8192 + 77),
            |bytes| bytes.iter_mut().step_by(100).for_each(|byte| *byte ^= 4),
            |bytes| bytes.fill(0xff),
            |bytes| bytes.resize(bytes.len() + 40_000, 7),
        ];
        for damage in damages {
            for path in &paths {
                let mut bytes = std::fs::read(path).unwrap();
                damage(&mut bytes);
                std::fs::write(path, bytes).unwrap();
            }
            let shards = Shards::new(dir.path(), "m", StatWrites::Allowed);
            for inode in inodes() {
                let record = sample(inode);
                let got = shards.get(&record.name);
                assert!(got.is_none_or(|got| got == record));
            }
            drop(shards);
            fill();
            let healed = Shards::new(dir.path(), "m", StatWrites::Allowed);
            let found = inodes().filter(|inode| healed.get(&sample(*inode).name).is_some());
            assert_eq!(found.count(), 2_000);
        }
    }

    #[test]
    fn eight_threads_with_caches_opened_anew_never_see_a_false_record() {
        let dir = TempDir::new();
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let dir = dir.path();
                scope.spawn(move || {
                    for round in 0..20 {
                        let shards = Shards::new(dir, "m", StatWrites::Allowed);
                        for inode in 0..300 {
                            let inode = (inode * 7 + thread * 131 + round * 17) % 3_000;
                            let record = sample(inode);
                            let got = shards.get(&record.name);
                            assert!(got.is_none_or(|got| got == record));
                            shards.put(record);
                        }
                        shards.flush();
                    }
                });
            }
        });
    }
}
