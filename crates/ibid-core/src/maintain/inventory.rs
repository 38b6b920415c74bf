//! What a store holds, and what names what: one pass that reads and changes nothing.
//!
//! The only source of what is reachable. Whatever cannot be read or understood is listed in
//! [`Inventory::unknown`], and then nothing that merely seems unreachable may go.
//!
//! What is certainly damaged (other bytes than its name promises, twice) can name nothing that
//! anybody could use: every reader refuses it. So a damaged result needs no blobs but its own, a
//! damaged listing adds none, a damaged entry of history is passed over as it is everywhere. Only
//! a key's file, whose bytes nothing promises, is unknown when it is damaged, until a look-up had
//! the chance to put it aside. Right bytes that are
//! not understood are of a later version: unknown. A record that is not understood hides texts of
//! code at most, which explain and decide nothing; they are not waited for.

use std::sync::Arc;

use super::named::AlsoNamed;
use super::reach;
use crate::digest::near::{self, Starts};
use crate::digest::{BlobId, Key};
use crate::fs::{PathError, Timestamp};
use crate::store::{LocalStore, Pin, RunName};

/// One blob, by its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub id: BlobId,
    /// Its length in bytes.
    pub size: u64,
    /// The bytes of disk that it takes.
    pub disk: u64,
    /// When it was written or last freshened, in nanoseconds since 1970 as its file system stamps.
    pub modified: u64,
}

/// One result: what stands for a key, or what only history names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// The blob of the result.
    pub result: BlobId,
    /// Whether the key's file names it.
    pub stands: bool,
    /// What history calls the step; results of one step share the text.
    pub label: Arc<str>,
    /// When the command started, in nanoseconds since 1970.
    pub started: u64,
    /// How long the command ran, in nanoseconds: what computing it again costs.
    pub duration: u64,
    /// When it was last recorded, restored or found up to date, in nanoseconds since 1970.
    pub last_use: u64,
    /// Whether a pin protects it.
    pub pinned: bool,
    /// What it needs and what goes with it, its own blob and the texts of code that its record
    /// names included: indices into [`Inventory::blobs`], sorted, each once.
    pub blobs: Vec<u32>,
    /// What it needs and what lies in the trash: indices into [`Inventory::leftovers`], sorted,
    /// each once. Nothing is there that only history names: that was evicted.
    pub trashed: Vec<u32>,
    /// The bytes of disk that its key's file takes, if it stands.
    pub key_disk: u64,
}

/// What kind of leftover it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    /// A file that never got its name: its writer was killed.
    Staged,
    /// A lease whose holder is gone.
    Lease,
    /// Something in the trash.
    Trash,
    /// A restored tree for a caller that wanted a path.
    View,
}

/// Something that goes when it is old enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// Its path below the version's directory, as `trash/blobs/ab/<hex>`.
    pub path: String,
    /// The bytes of disk that it takes.
    pub disk: u64,
    /// Since when it lies there, in nanoseconds since 1970.
    pub since: u64,
    /// For a blob in the trash: its name, and when it was written or last freshened.
    pub blob: Option<(BlobId, u64)>,
}

/// What a store holds.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// All blobs, in the order of their names.
    pub blobs: Vec<Blob>,
    /// All results: those that stand, then those that only history or a pin names.
    pub entries: Vec<Entry>,
    /// Where their names begin.
    pub(super) starts: Starts,
    /// Blobs that history names, and the texts of code that they name, whether or not a result
    /// needs them too: indices into `blobs`, each with the newest time at which something named
    /// it. They stay when the results go that need them.
    pub also_named: AlsoNamed,
    /// History's files, the oldest first, with the bytes of disk that they take.
    pub runs: Vec<(RunName, u64)>,
    /// Keys that are invalidated, and since when.
    pub tombstones: Vec<(Key, u64)>,
    /// Keys whose file is damaged, each with what `unknown` tells of it.
    pub damaged: Vec<(Key, String)>,
    /// Pins that can be read.
    pub pins: Vec<Pin>,
    /// What goes when it is old enough.
    pub leftovers: Vec<Leftover>,
    /// Bytes of disk that keys' files, pins and the like take.
    pub small_files: u64,
    /// Bytes of disk that directories take, which no collection gives back.
    pub directories: u64,
    /// The store's own clock: the stamp of a file touched there, else the caller's time.
    pub now: u64,
    /// What could not be read or understood, in words. Unless this is empty, what nothing seems to
    /// name stays.
    pub unknown: Vec<String>,
}

impl Inventory {
    /// Returns where a blob stands in [`Inventory::blobs`], if it is there.
    pub fn number(&self, blob: &BlobId) -> Option<u32> {
        number(&self.blobs, &self.starts, blob)
    }

    /// Returns when the file was last modified that had the place of a blob in the trash when it was
    /// listed, if one had: then what lies in the trash is a copy.
    pub(super) fn placed(&self, leftover: &Leftover) -> Option<u64> {
        let number = self.number(&leftover.blob?.0)?;
        Some(self.blobs[number as usize].modified)
    }
}

/// Returns where a blob stands among blobs in the order of their names, which begin where `starts`
/// says, if it says anything.
pub(super) fn number(blobs: &[Blob], starts: &Starts, blob: &BlobId) -> Option<u32> {
    let leading = near::leading(blob.digest().as_bytes());
    let about = starts.about(leading, blobs.len());
    let about = about.unwrap_or_else(|| near::guess(leading, (0, u64::MAX), blobs.len()));
    let at = near::find_near(blobs.len(), about, |at| blobs[at].id.cmp(blob))?;
    u32::try_from(at).ok()
}

/// Lists a store and reads what names what. `now` counts where no file can be touched.
pub fn take(store: &LocalStore, now: u64) -> Result<Inventory, PathError> {
    let now = store.own_clock().map_or(now, nanos);
    reach::take_with(store, now, || store.pins())
}

/// Lists a store, and once more if a key's file is damaged. A look-up puts that aside, where
/// something may be written. Whatever is damaged still can be of no use to anybody, be it another
/// user's or a directory: it names nothing, so that it does not stop collections for good.
pub fn take_settled(store: &LocalStore, now: u64) -> Result<Inventory, PathError> {
    let first = take(store, now)?;
    if first.damaged.is_empty() {
        return Ok(first);
    }
    if store.is_writable() {
        for (key, _) in &first.damaged {
            store.look_up(key);
        }
    }
    let mut inventory = take(store, now)?;
    let (still, new) = std::mem::take(&mut inventory.damaged)
        .into_iter()
        .partition(|damaged| first.damaged.contains(damaged));
    inventory.damaged = new;
    let still: Vec<(Key, String)> = still;
    inventory
        .unknown
        .retain(|text| !still.iter().any(|(_, of_key)| of_key == text));
    Ok(inventory)
}

/// Turns a stamp of a file system into nanoseconds since 1970.
pub(super) fn nanos(stamp: Timestamp) -> u64 {
    u64::try_from(stamp.as_nanos().max(0)).unwrap_or(u64::MAX)
}
