//! What names what: the making of an [`Inventory`].
//!
//! ```text
//! key's file ─┐            ┌─▶ log, files          ┌─▶ files
//! history ────┼─▶ result ──┼─▶ listing ────────────┘
//! pin ────────┘            └─▶ record ─▶ texts of code (as long as the record is named)
//! history ────────────────────▶ record
//! ```
//!
//! Blobs are listed first and names after them: whatever is named later than that was stored or
//! freshened later, too, and is told by its time when a plan is carried out. Each result, listing
//! and record is read once, and let go at once: what stays is numbers.

use std::collections::{HashMap, HashSet};

use super::inventory::{Blob, Entry, Inventory, Leftover, LeftoverKind, nanos};
use crate::action::{ComponentKind, KeyRecord};
use crate::digest::{BlobId, Key};
use crate::fs::PathError;
use crate::store::{
    Found, KeyState, ListedFile, LocalStore, OutputContent, Pin, RESULT_LIMIT, RunState, StoredAs,
    StoredResult, Walk,
};
use crate::tree::{Content, Entry as TreeEntry, Tree};

/// A lease that was written to within so many nanoseconds is held: its holder does so every two
/// seconds.
const HELD: u64 = 60_000_000_000;

/// Takes the inventory of a store at the time `now` of its own clock.
pub(super) fn take_with(
    store: &LocalStore,
    now: u64,
    pins: impl FnOnce() -> Result<(Vec<Pin>, Vec<String>), PathError>,
) -> Result<Inventory, PathError> {
    let mut inventory = Inventory {
        now,
        ..Inventory::default()
    };
    let Some(mut walk) = store.walk()? else {
        return Ok(inventory);
    };
    list_blobs(&mut walk, &mut inventory);
    let history = list_runs(store, &mut walk, &mut inventory);
    let standing = list_keys(store, &mut walk, &mut inventory);
    let (pins, unreadable) = pins()?;
    inventory.pins = pins;
    inventory.unknown.extend(unreadable);
    list_leftovers(&mut walk, &mut inventory);
    inventory.small_files += walk.small_files();
    inventory.directories = walk.directories();
    Reach::new(&walk, &mut inventory).follow(standing, &history);
    inventory.unknown.extend(walk.problems());
    inventory.unknown.sort_unstable();
    Ok(inventory)
}

/// What history says of keys, results and records.
#[derive(Debug, Default)]
struct History {
    labels: Vec<String>,
    label_numbers: HashMap<String, usize>,
    /// The time of each key's newest entry, and its label.
    keys: HashMap<Key, (u64, usize)>,
    /// The newest time at which an entry named a result.
    results: HashMap<BlobId, u64>,
}

impl History {
    fn number(&mut self, label: String) -> usize {
        let next = self.labels.len();
        *self.label_numbers.entry(label).or_insert_with_key(|label| {
            self.labels.push(label.clone());
            next
        })
    }

    fn label(&self, key: &Key) -> String {
        let known = self.keys.get(key);
        known.map_or_else(String::new, |(_, number)| self.labels[*number].clone())
    }
}

/// What stands for a key.
struct Standing {
    key: Key,
    result: BlobId,
    /// When its file was written or touched.
    modified: u64,
    /// The bytes of disk that its file takes.
    disk: u64,
}

fn list_blobs(walk: &mut Walk, inventory: &mut Inventory) {
    let Inventory { blobs, index, .. } = inventory;
    walk.blobs(|id, facts| {
        blobs.push(Blob {
            id,
            size: facts.signature.size,
            disk: facts.disk,
            modified: nanos(facts.signature.mtime),
        });
    });
    blobs.sort_unstable_by_key(|blob| blob.id);
    // A name may come twice in a listing that goes on while names change.
    blobs.dedup_by_key(|blob| blob.id);
    let numbered = (0_u32..).zip(blobs.iter());
    *index = numbered.map(|(number, blob)| (blob.id, number)).collect();
}

fn list_runs(store: &LocalStore, walk: &mut Walk, inventory: &mut Inventory) -> History {
    let mut history = History::default();
    walk.runs(|name, time, facts, state| {
        inventory.runs.push((name.to_owned(), time, facts.disk));
        // What a stranger says was run keeps nothing, and cannot keep anything from going.
        if !store.heeds(facts.owner) {
            return;
        }
        let entry = match state {
            RunState::Entry(entry) => *entry,
            RunState::Damaged(_) => return,
            RunState::Unknown => {
                let text = format!("`runs/{name}` is of a later version");
                return inventory.unknown.push(text);
            }
            RunState::Unreadable(reason) => {
                return inventory.unknown.push(format!("`runs/{name}`: {reason}"));
            }
        };
        let label = history.number(entry.label);
        let newest = history.keys.entry(entry.key).or_insert((time, label));
        *newest = (*newest).max((time, label));
        if let Some(result) = entry.result {
            let newest = history.results.entry(result).or_insert(time);
            *newest = time.max(*newest);
        }
        inventory.also_name(&entry.record, time);
    });
    inventory.runs.sort_unstable();
    history
}

fn list_keys(store: &LocalStore, walk: &mut Walk, inventory: &mut Inventory) -> Vec<Standing> {
    let mut standing = Vec::new();
    walk.keys(|key, facts, state| {
        let disk = facts.disk;
        inventory.small_files += disk;
        // A stranger's file is a miss, whatever it says: it answers no request, and may go first.
        let is_heeded = store.heeds(facts.owner);
        let modified = if is_heeded {
            nanos(facts.signature.mtime)
        } else {
            0
        };
        let mut unknown = |reason: &str| {
            let text = format!("the file of key {}: {reason}", key.short());
            inventory.unknown.push(text.clone());
            text
        };
        match state {
            KeyState::Result(result) => standing.push(Standing {
                key,
                result,
                modified,
                disk,
            }),
            KeyState::Tombstone(tombstone) => {
                // A file that was copied here may claim an older time than it came.
                let since = tombstone.when.max(modified);
                inventory.tombstones.push((key, since));
            }
            _ if !is_heeded => {}
            KeyState::Unknown(what) => {
                unknown(&format!("a later version wrote it: {what}"));
            }
            KeyState::Unreadable(reason) => {
                unknown(&reason);
            }
            KeyState::Damaged(reason) => {
                let text = unknown(&format!("damaged: {reason}"));
                inventory.damaged.push((key, text));
            }
        }
    });
    standing.sort_unstable_by_key(|standing| standing.key);
    standing.dedup_by_key(|standing| standing.key);
    list_tombstones(walk, inventory);
    inventory.damaged.sort_unstable();
    standing
}

/// Adds the invalidations that are remembered, of each key the newest.
fn list_tombstones(walk: &mut Walk, inventory: &mut Inventory) {
    walk.tombstones(|key, facts, state| {
        inventory.small_files += facts.disk;
        let modified = nanos(facts.signature.mtime);
        let since = match state {
            KeyState::Tombstone(tombstone) => tombstone.when.max(modified),
            // It names nothing, whatever it is.
            _ => modified,
        };
        inventory.tombstones.push((key, since));
    });
    let newest_first = |(key, since): &(Key, u64)| (*key, std::cmp::Reverse(*since));
    inventory.tombstones.sort_unstable_by_key(newest_first);
    inventory.tombstones.dedup_by_key(|(key, _)| *key);
}

fn list_leftovers(walk: &mut Walk, inventory: &mut Inventory) {
    let Inventory { leftovers, now, .. } = inventory;
    let mut add = |kind, file: ListedFile| {
        let signature = file.facts.signature;
        let since = match kind {
            // Being moved is a change of status only.
            LeftoverKind::Trash => signature.ctime,
            LeftoverKind::Staged | LeftoverKind::Lease | LeftoverKind::View => {
                signature.last_change()
            }
        };
        let since = nanos(since);
        if kind == LeftoverKind::Lease && since.saturating_add(HELD) > *now {
            return;
        }
        let blob = file.path.strip_prefix("trash/blobs/");
        let blob = blob.and_then(|below| below.get(3..)?.parse().ok());
        leftovers.push(Leftover {
            kind,
            path: file.path,
            disk: file.disk,
            since,
            blob: blob.map(|blob| (blob, nanos(signature.mtime))),
        });
    };
    walk.staged(|file| add(LeftoverKind::Staged, file));
    walk.leases(|file| add(LeftoverKind::Lease, file));
    walk.trash(|file| add(LeftoverKind::Trash, file));
    walk.views(|file| add(LeftoverKind::View, file));
    leftovers.sort_unstable_by(|a, b| a.path.cmp(&b.path));
}

impl Inventory {
    /// Notes that something beside results names a blob, if that is there.
    fn also_name(&mut self, blob: &BlobId, time: u64) {
        if let Some(number) = self.index.get(blob) {
            let newest = self.also_named.entry(*number).or_insert(time);
            *newest = time.max(*newest);
        }
    }
}

/// Follows names from results to blobs.
struct Reach<'a> {
    walk: &'a Walk,
    inventory: &'a mut Inventory,
    /// Which entries need which listing; it may be in the trash.
    listings: Vec<(BlobId, u32)>,
    /// Which entries need which record, by its number.
    records: Vec<(u32, u32)>,
    /// Where blobs in the trash stand among the leftovers.
    trash: HashMap<BlobId, u32>,
}

impl<'a> Reach<'a> {
    fn new(walk: &'a Walk, inventory: &'a mut Inventory) -> Self {
        let leftovers = (0..).zip(&inventory.leftovers);
        let trash = leftovers.filter_map(|(at, leftover)| Some((leftover.blob?.0, at)));
        Self {
            walk,
            trash: trash.collect(),
            inventory,
            listings: Vec::new(),
            records: Vec::new(),
        }
    }

    fn follow(mut self, standing: Vec<Standing>, history: &History) {
        let pinned: HashSet<Key> = self.inventory.pins.iter().map(|pin| pin.key).collect();
        let pins = self.inventory.pins.iter();
        let pins: HashMap<BlobId, u64> = pins
            .filter_map(|pin| Some((pin.result?, pin.when)))
            .collect();
        let mut seen = HashSet::with_capacity(standing.len());
        for Standing {
            key,
            result,
            modified,
            disk,
        } in standing
        {
            seen.insert(result);
            let newest = history.keys.get(&key).map_or(0, |(time, _)| *time);
            let entry = Entry {
                key,
                result,
                stands: true,
                label: String::new(),
                started: 0,
                duration: 0,
                last_use: modified.max(newest),
                pinned: pinned.contains(&key) || pins.contains_key(&result),
                blobs: Vec::new(),
                trashed: self.trash.get(&result).copied().into_iter().collect(),
                key_disk: disk,
            };
            self.standing(entry, history);
        }
        let mut others: Vec<_> = history.results.keys().chain(pins.keys()).copied().collect();
        others.retain(|result| self.inventory.index.contains_key(result) && seen.insert(*result));
        others.sort_unstable();
        for result in others {
            let named = history.results.get(&result).max(pins.get(&result));
            self.remembered(result, *named.unwrap_or(&0), pins.contains_key(&result));
        }
        self.read_listings();
        self.read_records();
        for entry in &mut self.inventory.entries {
            entry.blobs.sort_unstable();
            entry.blobs.dedup();
            entry.blobs.shrink_to_fit();
            entry.trashed.sort_unstable();
            entry.trashed.dedup();
        }
    }

    /// Adds what stands for a key. Of a result that is gone or damaged only the key's file is
    /// left to evict, and the damaged blob.
    fn standing(&mut self, mut entry: Entry, history: &History) {
        // Whoever looks the key up takes a result in the trash back.
        let found = match self.walk.read(&entry.result) {
            Found::Absent => self.walk.read_discarded(&entry.result),
            found => found,
        };
        match found {
            Found::Whole(bytes) => self.decoded(entry, &bytes),
            Found::Unreadable(reason) => self.unknown_result(&entry.result, &reason),
            Found::Absent | Found::Damaged => {
                entry.label = history.label(&entry.key);
                entry.blobs.extend(self.inventory.index.get(&entry.result));
                self.inventory.entries.push(entry);
            }
        }
    }

    /// Adds a result that no key's file names, if it is still there and whole.
    fn remembered(&mut self, result: BlobId, last_use: u64, pinned: bool) {
        match self.walk.read(&result) {
            Found::Whole(bytes) => {
                let entry = Entry {
                    // Its own key is read with it.
                    key: Key::new(*result.digest()),
                    result,
                    stands: false,
                    label: String::new(),
                    started: 0,
                    duration: 0,
                    last_use,
                    pinned,
                    blobs: Vec::new(),
                    trashed: Vec::new(),
                    key_disk: 0,
                };
                self.decoded(entry, &bytes);
            }
            Found::Unreadable(reason) => self.unknown_result(&result, &reason),
            Found::Absent | Found::Damaged => {}
        }
    }

    fn unknown_result(&mut self, result: &BlobId, reason: &str) {
        let text = format!("the result {}: {reason}", result.short());
        self.inventory.unknown.push(text);
        self.inventory.also_name(result, self.inventory.now);
    }

    /// Adds an entry with what its result says.
    fn decoded(&mut self, mut entry: Entry, bytes: &[u8]) {
        // No look-up reads it either, and decoding takes many times its length.
        if bytes.len() as u64 > RESULT_LIMIT {
            return self.unknown_result(&entry.result, "it is too large for a result");
        }
        let result = match StoredResult::decode(bytes) {
            Ok(result) => result,
            Err(error) => return self.unknown_result(&entry.result, &error.to_string()),
        };
        let number = u32::try_from(self.inventory.entries.len()).expect("fewer results than 2^32");
        let index = &self.inventory.index;
        entry.blobs.extend(index.get(&entry.result));
        let named = result.blobs().filter_map(|(blob, _)| index.get(&blob));
        entry.blobs.extend(named);
        if entry.stands {
            let named = result.blobs().filter_map(|(it, _)| self.trash.get(&it));
            entry.trashed.extend(named);
        }
        let stored = result.outcome.outputs.iter();
        let stored = stored.filter(|output| output.stored_as == StoredAs::Content);
        let listings = stored.filter_map(|output| match &output.content {
            OutputContent::Tree(tree) => Some((tree.listing(), number)),
            OutputContent::File { .. } | OutputContent::Link(_) => None,
        });
        self.listings.extend(listings);
        if let Some(record) = index.get(&result.run.record) {
            self.records.push((*record, number));
        }
        if !entry.stands {
            entry.key = result.key;
        }
        entry.label = result.run.label;
        (entry.started, entry.duration) = (result.run.started, result.run.duration);
        self.inventory.entries.push(entry);
    }

    /// Adds what listings name to the entries that need them; each is read once.
    fn read_listings(&mut self) {
        let mut listings = std::mem::take(&mut self.listings);
        listings.sort_unstable();
        listings.dedup();
        for group in listings.chunk_by(|(a, _), (b, _)| a == b) {
            let (named, trashed) = self.named_by_listing(&group[0].0);
            for (_, entry) in group {
                let entry = &mut self.inventory.entries[*entry as usize];
                entry.blobs.extend_from_slice(&named);
                if entry.stands {
                    entry.trashed.extend_from_slice(&trashed);
                }
            }
        }
    }

    /// Returns what a listing names: blobs in place, and those in the trash.
    fn named_by_listing(&mut self, listing: &BlobId) -> (Vec<u32>, Vec<u32>) {
        let found = match self.walk.read(listing) {
            Found::Absent => self.walk.read_discarded(listing),
            found => found,
        };
        let reason = match found {
            Found::Absent | Found::Damaged => return Default::default(),
            Found::Unreadable(reason) => reason,
            Found::Whole(bytes) => match Tree::decode(&bytes) {
                Ok(tree) => return self.named_by_tree(&tree),
                Err(error) => error.to_string(),
            },
        };
        let text = format!("the listing {}: {reason}", listing.short());
        self.inventory.unknown.push(text);
        Default::default()
    }

    fn named_by_tree(&self, tree: &Tree) -> (Vec<u32>, Vec<u32>) {
        let named = tree.iter().filter_map(|(_, entry)| match entry {
            TreeEntry::File { blob, .. } => Some(blob),
            // A link is restored as its text; what it leads to is not stored with it.
            TreeEntry::Link(_) | TreeEntry::LinkOut { .. } | TreeEntry::Dir => None,
        });
        let named: Vec<&BlobId> = named.collect();
        let numbers = |of: &HashMap<BlobId, u32>| {
            let mut numbers: Vec<u32> = named.iter().filter_map(|it| of.get(it).copied()).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        (numbers(&self.inventory.index), numbers(&self.trash))
    }

    /// Adds the texts of code that records name: to the entries that need the record, and to what
    /// history names if it names the record.
    fn read_records(&mut self) {
        let mut needed = std::mem::take(&mut self.records);
        needed.sort_unstable();
        let by_history = self.inventory.also_named.keys().copied();
        let mut records: Vec<u32> = needed.iter().map(|(record, _)| *record).collect();
        records.extend(by_history);
        records.sort_unstable();
        records.dedup();
        for record in records {
            let texts = self.texts_of(record);
            let from = needed.partition_point(|(other, _)| *other < record);
            let by_entries = needed[from..].iter().take_while(|(it, _)| *it == record);
            for (_, entry) in by_entries {
                let entry = &mut self.inventory.entries[*entry as usize];
                entry.blobs.extend_from_slice(&texts);
            }
            if let Some(time) = self.inventory.also_named.get(&record).copied() {
                for text in texts {
                    let newest = self.inventory.also_named.entry(text).or_insert(time);
                    *newest = time.max(*newest);
                }
            }
        }
    }

    /// Returns the texts of code that a record names and that are stored.
    fn texts_of(&mut self, record: u32) -> Vec<u32> {
        let id = self.inventory.blobs[record as usize].id;
        let record = match self.walk.read(&id) {
            Found::Whole(bytes) => KeyRecord::decode(&bytes),
            Found::Absent | Found::Damaged => return Vec::new(),
            Found::Unreadable(reason) => {
                let text = format!("the record {}: {reason}", id.short());
                self.inventory.unknown.push(text);
                return Vec::new();
            }
        };
        let Ok(record) = record else {
            return Vec::new();
        };
        let code = record.components().iter();
        let code = code.filter(|component| component.kind == ComponentKind::Code);
        let texts = code.filter_map(|code| match code.kind.content(&code.value)?.resolved() {
            Content::File { blob, .. } => self.inventory.index.get(blob).copied(),
            Content::Tree(_) | Content::Link { .. } => None,
        });
        texts.collect()
    }
}

#[cfg(test)]
#[path = "reach_tests.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "tests change the files of a store behind its back"
)]
mod tests;
