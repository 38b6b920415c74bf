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
//! and record is read once, and let go at once: what stays is numbers. What an earlier listing has
//! read and the store has as it was is not read again: only what is there is looked at.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::inventory::{Blob, Entry, Inventory};
use super::standing::{History, Standing, list_blobs, list_keys, list_leftovers, list_runs};
use crate::action::{ComponentKind, KeyRecord};
use crate::digest::near;
use crate::digest::{BlobId, Key};
use crate::fs::PathError;
use crate::store::{
    Found, LocalStore, Pin, RESULT_LIMIT, Recalled, ResultSays, RunName, Shelf, StoredResult, Walk,
    share_out,
};
use crate::tree::{Content, Entry as TreeEntry, Tree};

/// So many results or records are read by one thread before it takes more.
const PIECE: usize = 64;

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
    let mut recalled = store.recalled(now);
    list_blobs(&mut walk, &mut inventory);
    let history = list_runs((store, &recalled), &mut walk, &mut inventory);
    let standing = list_keys((store, &recalled), &mut walk, &mut inventory);
    recalled.keep_names();
    let (pins, unreadable) = pins()?;
    inventory.pins = pins;
    inventory.unknown.extend(unreadable);
    list_leftovers(&mut walk, &mut inventory);
    inventory.small_files += walk.small_files();
    inventory.directories = walk.directories();
    Reach::new((&walk, &recalled), &mut inventory).follow(standing, &history);
    recalled.keep();
    inventory.unknown.extend(walk.problems());
    inventory.unknown.sort_unstable();
    Ok(inventory)
}

/// Texts of which many are the same, each kept once.
#[derive(Debug, Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// Follows names from results to blobs.
struct Reach<'a> {
    walk: &'a Walk,
    recalled: &'a Recalled,
    inventory: &'a mut Inventory,
    /// Which entries need which listing; it may be in the trash.
    listings: Vec<(BlobId, u32)>,
    /// Which entries need which record, by its number.
    records: Vec<(u32, u32)>,
    /// Where blobs in the trash stand among the leftovers.
    trash: HashMap<BlobId, u32>,
}

/// A result that is to be read, and what is known of it without that.
struct Named {
    entry: Entry,
    /// The newest entry of history of its key, which has the label where its blob is gone.
    newest: Option<RunName>,
}

/// What reading a result came to.
enum Read {
    Whole(Names),
    /// It is gone or damaged; its own blob may be there.
    Lost(Option<u32>),
    /// It cannot be read or understood, in words.
    Unknown(String),
}

/// What a result says.
struct Names {
    /// Its own key.
    key: Key,
    label: Arc<str>,
    started: u64,
    duration: u64,
    /// What it names that is there, its own blob included, and what lies in the trash.
    blobs: Vec<u32>,
    trashed: Vec<u32>,
    listings: Vec<BlobId>,
    record: Option<u32>,
}

impl<'a> Reach<'a> {
    fn new((walk, recalled): (&'a Walk, &'a Recalled), inventory: &'a mut Inventory) -> Self {
        let leftovers = (0..).zip(&inventory.leftovers);
        let trash = leftovers.filter_map(|(at, leftover)| Some((leftover.blob?.0, at)));
        Self {
            walk,
            recalled,
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
        let mut keys = history.keys.as_slice();
        let standing = standing.into_iter().map(|it| {
            let newest = newest_of(&it.key, &mut keys);
            let time = newest.map_or(0, |newest| newest.time);
            let mut entry = entry_of(it.result, it.modified.max(time));
            entry.key = it.key;
            entry.stands = true;
            entry.pinned = pinned.contains(&it.key) || pins.contains_key(&it.result);
            entry.trashed = self.trash.get(&it.result).copied().into_iter().collect();
            entry.key_disk = it.disk;
            Named { entry, newest }
        });
        let mut named: Vec<Named> = standing.collect();
        let of_history = history.results.iter().map(|(result, _)| *result);
        let mut others: Vec<_> = of_history.chain(pins.keys().copied()).collect();
        others.sort_unstable();
        others.dedup();
        let mut seen = in_order(&named).into_iter().peekable();
        others.retain(|result| {
            while seen
                .next_if(|at| named[*at as usize].entry.result < *result)
                .is_some()
            {}
            let next = seen.peek().map(|at| &named[*at as usize].entry.result);
            next != Some(result) && self.inventory.number(result).is_some()
        });
        drop(seen);
        named.extend(others.into_iter().map(|result| {
            let last_use = history.named(&result).max(pins.get(&result).copied());
            let mut entry = entry_of(result, last_use.unwrap_or(0));
            entry.pinned = pins.contains_key(&result);
            Named {
                entry,
                newest: None,
            }
        }));
        self.read_results(named);
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

    /// Reads results in the order of their names, and adds them in their own order.
    fn read_results(&mut self, named: Vec<Named>) {
        let order = in_order(&named);
        let parts = share_out(order.len(), PIECE, |numbers| {
            let (mut reader, mut labels) = (Shelf::new(self.walk), Texts::default());
            let read = numbers.map(|number| {
                let at = order[number];
                let entry = &named[at as usize].entry;
                (at, self.read_result(entry, &mut reader, &mut labels))
            });
            read.collect::<Vec<_>>()
        });
        drop(order);
        let mut read: Vec<Option<Read>> = Vec::new();
        read.resize_with(named.len(), || None);
        for (at, of) in parts.into_iter().flatten() {
            read[at as usize] = Some(of);
        }
        self.inventory.entries.reserve_exact(named.len());
        for (Named { entry, newest }, read) in named.into_iter().zip(read) {
            match read.expect("every result was read") {
                // Of one that stands, the key's file is left to evict.
                Read::Lost(own) if entry.stands => {
                    let label = newest.and_then(|newest| self.walk.label_of(&newest));
                    self.inventory.entries.push(Entry {
                        label: label.unwrap_or_default().into(),
                        blobs: own.into_iter().collect(),
                        ..entry
                    });
                }
                Read::Lost(_) => {}
                Read::Whole(needed) => self.add(entry, needed),
                Read::Unknown(reason) => {
                    let text = format!("the result {}: {reason}", entry.result.short());
                    self.inventory.unknown.push(text);
                    if let Some(number) = self.inventory.number(&entry.result) {
                        self.inventory.also_name(number, self.inventory.now);
                    }
                }
            }
        }
    }

    fn add(&mut self, mut entry: Entry, names: Names) {
        let number = u32::try_from(self.inventory.entries.len()).expect("fewer results than 2^32");
        let listings = names.listings.into_iter();
        self.listings
            .extend(listings.map(|listing| (listing, number)));
        self.records
            .extend(names.record.map(|record| (record, number)));
        if !entry.stands {
            entry.key = names.key;
        }
        entry.label = names.label;
        (entry.started, entry.duration) = (names.started, names.duration);
        entry.blobs = names.blobs;
        entry.trashed.extend(names.trashed);
        self.inventory.entries.push(entry);
    }

    fn read_result(&self, entry: &Entry, reader: &mut Shelf<'_>, labels: &mut Texts) -> Read {
        let own = self.inventory.number(&entry.result);
        let size = own.map(|own| self.inventory.blobs[own as usize].size);
        let known = size.and_then(|size| self.recalled.result(&entry.result, size));
        if let Some(says) = known {
            return Read::Whole(self.names(entry, own, &says, labels));
        }
        let found = match reader.read(&entry.result, size) {
            // Whoever looks the key up takes a result in the trash back.
            Found::Absent if entry.stands => self.walk.read_discarded(&entry.result),
            found => found,
        };
        let bytes = match found {
            Found::Whole(bytes) => bytes,
            Found::Unreadable(reason) => return Read::Unknown(reason),
            Found::Absent | Found::Damaged => return Read::Lost(own),
        };
        // No look-up reads it either, and decoding takes many times its length.
        if bytes.len() as u64 > RESULT_LIMIT {
            return Read::Unknown("it is too large for a result".to_owned());
        }
        let says = match StoredResult::decode(&bytes) {
            Ok(result) => ResultSays::encode(&result),
            Err(error) => return Read::Unknown(error.to_string()),
        };
        self.recalled
            .learn_result(&entry.result, bytes.len() as u64, &says);
        let says = ResultSays::decode(&says).expect("it was written down just now");
        Read::Whole(self.names(entry, own, &says, labels))
    }

    /// Finds what a result says that it needs.
    fn names(
        &self,
        entry: &Entry,
        own: Option<u32>,
        says: &ResultSays<'_>,
        labels: &mut Texts,
    ) -> Names {
        let record = self.inventory.number(&says.record);
        let named = says
            .blobs()
            .filter_map(|(it, _)| self.inventory.number(&it));
        // Most name one output, and what grows later would be copied.
        let mut blobs = Vec::with_capacity(3);
        blobs.extend(own.into_iter().chain(record).chain(named));
        let mut trashed = Vec::new();
        if entry.stands && !self.trash.is_empty() {
            let named = std::iter::once(says.record).chain(says.blobs().map(|(it, _)| it));
            trashed.extend(named.filter_map(|it| self.trash.get(&it)));
        }
        let listings = says.blobs().filter(|(_, is_listing)| *is_listing);
        Names {
            key: says.key,
            label: labels.shared(says.label),
            started: says.started,
            duration: says.duration,
            blobs,
            trashed,
            listings: listings.map(|(listing, _)| listing).collect(),
            record,
        }
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
        let numbers = |of: &dyn Fn(&BlobId) -> Option<u32>| {
            let mut numbers: Vec<u32> = named.iter().filter_map(|it| of(it)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let in_place = numbers(&|blob| self.inventory.number(blob));
        (in_place, numbers(&|blob| self.trash.get(blob).copied()))
    }

    /// Adds the texts of code that records name: to the entries that need the record, and to what
    /// history names if it names the record.
    fn read_records(&mut self) {
        let mut needed = std::mem::take(&mut self.records);
        needed.sort_unstable();
        let by_history = self.inventory.also_named.iter().map(|(record, _)| record);
        let mut records: Vec<u32> = needed.iter().map(|(record, _)| *record).collect();
        records.extend(by_history);
        records.sort_unstable();
        records.dedup();
        let parts = share_out(records.len(), PIECE, |numbers| {
            let mut reader = Shelf::new(self.walk);
            let texts = numbers.map(|at| (records[at], self.texts_of(records[at], &mut reader)));
            let named = texts.filter(|(_, texts)| !texts.as_ref().is_ok_and(Vec::is_empty));
            named.collect::<Vec<_>>()
        });
        let mut read: Vec<_> = parts.into_iter().flatten().collect();
        read.sort_unstable_by_key(|(record, _)| *record);
        for (record, texts) in read {
            let texts = match texts {
                Ok(texts) => texts,
                Err(text) => {
                    self.inventory.unknown.push(text);
                    continue;
                }
            };
            let from = needed.partition_point(|(other, _)| *other < record);
            let by_entries = needed[from..].iter().take_while(|(it, _)| *it == record);
            for (_, entry) in by_entries {
                let entry = &mut self.inventory.entries[*entry as usize];
                entry.blobs.extend_from_slice(&texts);
            }
            if let Some(time) = self.inventory.also_named.get(record) {
                for text in texts {
                    self.inventory.also_name(text, time);
                }
            }
        }
    }

    /// Returns the texts of code that a record names and that are stored; where it cannot be read,
    /// that in words.
    fn texts_of(&self, record: u32, reader: &mut Shelf<'_>) -> Result<Vec<u32>, String> {
        let Blob { id, size, .. } = self.inventory.blobs[record as usize];
        if let Some(texts) = self.recalled.texts(&id, size) {
            return Ok(texts.filter_map(|it| self.inventory.number(&it)).collect());
        }
        let bytes = match reader.read(&id, Some(size)) {
            Found::Whole(bytes) => bytes,
            Found::Absent | Found::Damaged => return Ok(Vec::new()),
            Found::Unreadable(reason) => {
                return Err(format!("the record {}: {reason}", id.short()));
            }
        };
        let Some(texts) = texts_in(&bytes) else {
            return Ok(Vec::new());
        };
        self.recalled.learn_texts(&id, bytes.len() as u64, &texts);
        let numbers = texts.iter().filter_map(|text| self.inventory.number(text));
        Ok(numbers.collect())
    }
}

/// Returns the texts of code that a record names; `None` if it is not understood.
fn texts_in(record: &[u8]) -> Option<Vec<BlobId>> {
    // Most records name no code, and taking them apart costs more than reading them.
    let word = ComponentKind::Code.word().as_bytes();
    if !record.windows(word.len()).any(|part| part == word) {
        return Some(Vec::new());
    }
    let record = KeyRecord::decode(record).ok()?;
    let code = record.components().iter();
    let code = code.filter(|component| component.kind == ComponentKind::Code);
    let texts = code.filter_map(|code| match code.kind.content(&code.value)?.resolved() {
        Content::File { blob, .. } => Some(*blob),
        Content::Tree(_) | Content::Link { .. } => None,
    });
    Some(texts.collect())
}

/// Returns the newest entry of a key that is asked for after smaller ones, of which the entries go.
fn newest_of(key: &Key, keys: &mut &[(Key, RunName)]) -> Option<RunName> {
    while let Some(((of, newest), rest)) = keys.split_first() {
        match of.cmp(key) {
            Ordering::Less => *keys = rest,
            Ordering::Equal => return Some(*newest),
            Ordering::Greater => return None,
        }
    }
    None
}

/// Returns the places of results in the order of their names.
fn in_order(named: &[Named]) -> Vec<u32> {
    let result = |at: u32| &named[at as usize].entry.result;
    let leading = |at: u32| near::leading(result(at).digest().as_bytes());
    let mut order: Vec<(u64, u32)> = (0..)
        .take(named.len())
        .map(|at| (leading(at), at))
        .collect();
    // What is compared lies side by side; nearly always it tells.
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| result(a.1).cmp(result(b.1))));
    order.into_iter().map(|(_, at)| at).collect()
}

/// A result of which nothing is known but its name and when it was used.
fn entry_of(result: BlobId, last_use: u64) -> Entry {
    Entry {
        // Its own key is read with it.
        key: Key::new(*result.digest()),
        result,
        stands: false,
        label: Arc::default(),
        started: 0,
        duration: 0,
        last_use,
        pinned: false,
        blobs: Vec::new(),
        trashed: Vec::new(),
        key_disk: 0,
    }
}

#[cfg(test)]
#[path = "reach_tests.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "tests change the files of a store behind its back"
)]
mod tests;
