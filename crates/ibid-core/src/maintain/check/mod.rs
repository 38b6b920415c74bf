//! Whether what is stored is what it should be: one result, or all of the store.
//!
//! ```text
//! survey ──▶ blobs: every byte, two threads ──▶ results: what keys and history need ──▶ Checked
//!    └─────▶ small files, modes, owners, names
//! ```
//!
//! Reads every byte and believes no memory of having read it before. Changes nothing, needs no
//! lock, goes on after each flaw, and works on a store that may only be read (hazard F3). What
//! others do meanwhile is no flaw: a blob that is missing is looked for once more, in the trash
//! too, and whatever misses it is asked whether it still does.

mod again;
mod blobs;
mod book;
mod kind;
mod results;
mod small;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::BTreeMap;
use std::path::PathBuf;

use self::blobs::{Reading, States};
use self::book::Book;
use self::results::Needs;
use self::trust::Ground;
use crate::digest::{BlobId, Key};
use crate::fs::{FileKind, Meter, Signature};
use crate::store::{Left, LocalStore, Place, Survey};

pub(super) use again::{Recheck, objection, parts, recheck};
pub use kind::{FlawClass, FlawKind};

/// One flaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What kind it is.
    pub kind: FlawKind,
    /// Where it lies.
    pub path: PathBuf,
    /// What is wrong, in words.
    pub reason: String,
    /// Which file was judged, where it is a blob whose bytes are wrong.
    pub judged: Option<Signature>,
    /// Keys whose results it spoils, sorted; empty where none is known to.
    pub spoils: Vec<Key>,
}

/// What lies about until a collection takes it away: nothing of it is a flaw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Files that never got a name: their writers were killed, or write yet.
    pub staged: Left,
    /// Leases whose holder is gone.
    pub leases: Left,
    /// What is in the trash.
    pub trash: Left,
    /// Restored trees for callers that wanted a path.
    pub views: Left,
}

/// A result that cannot be used: what repairing puts aside, so that nothing names it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Whose result it is.
    pub(super) key: Key,
    /// The blob of the result.
    pub(super) result: BlobId,
    /// Whether the key's file names it.
    pub(super) stands: bool,
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Whether there is a store at all.
    pub exists: bool,
    /// Keys looked at.
    pub keys: usize,
    /// Results looked at, those that only history or a pin names included.
    pub results: usize,
    /// Blobs read.
    pub blobs: usize,
    /// Bytes read of them.
    pub bytes: u64,
    /// Files that a later version of ibid wrote, which this one cannot check.
    pub later: usize,
    /// All that is wrong, in the order of the paths.
    pub flaws: Vec<Flaw>,
    /// Links to directories that stand for directories of the layout.
    pub links: Vec<PathBuf>,
    /// What waits for a collection.
    pub leftovers: Leftovers,
    /// What history calls the steps of the keys that flaws spoil.
    pub labels: BTreeMap<Key, String>,
    pub(super) broken: Vec<Broken>,
}

/// Checks the whole store. `meter` moves with the bytes that are read.
pub fn check(store: &LocalStore, meter: &Meter) -> Checked {
    let survey = store.survey();
    let mut book = Book::default();
    if !survey.exists {
        return Checked::default();
    }
    let ground = Ground::of(store);
    for error in &survey.unreadable {
        book.unreadable(error);
    }
    for stranger in &survey.strangers {
        let reason = "no store has a file of this name".to_owned();
        book.add(FlawKind::Stranger, stranger, reason);
    }
    small::check_what_is_missing(store, &survey, &mut book);
    let mut blobs = Vec::new();
    for standing in &survey.standing {
        ground.judge(standing, &mut book);
        match standing.place {
            Place::Dir if standing.facts.signature.kind() != FileKind::Dir => {
                book.not_a(FlawKind::NotAFile, standing, "a directory");
            }
            Place::Blob(blob) => {
                // Others are read if something needs them.
                let is_read = !standing.facts.seems_hollow();
                blobs.push((blob, is_read.then_some(standing.facts.signature.size)));
            }
            _ => {}
        }
    }
    let mut states = States::new(store, Reading::All, meter);
    states.look_at(&blobs, &mut book);
    let mut needs = Needs::new(store, states, book);
    for standing in &survey.standing {
        match standing.place {
            Place::Key(key) => needs.key(&key),
            Place::Tag
            | Place::Description
            | Place::Generation
            | Place::Stamp
            | Place::Tombstone(_) => {
                small::check(store, standing, needs.book());
            }
            Place::Dir | Place::Blob(_) | Place::Run | Place::Pin(_) => {}
        }
    }
    // Each result is asked about once, by whoever is promised the most.
    for standing in &survey.standing {
        if let Place::Pin(key) = standing.place {
            needs.pin(&standing.path, &key);
        }
    }
    // The newest entry of a key gives its label, so the latest comes first.
    for standing in survey.standing.iter().rev() {
        if standing.place == Place::Run {
            needs.run(&standing.path);
        }
    }
    finished(needs, survey)
}

/// Checks all that the result of one key needs.
pub fn verify(store: &LocalStore, key: &Key, meter: &Meter) -> Checked {
    let mut book = Book::default();
    Ground::of(store).judge_file(&store.key_path(key), Place::Key(*key), &mut book);
    let states = States::new(store, Reading::All, meter);
    let mut needs = Needs::new(store, states, book);
    needs.key(key);
    finished(needs, Survey::default())
}

/// Checks all that one result of a key needs, whether or not it still stands for the key.
pub fn verify_result(store: &LocalStore, key: &Key, result: &BlobId, meter: &Meter) -> Checked {
    let states = States::new(store, Reading::All, meter);
    let mut needs = Needs::new(store, states, Book::default());
    needs.result(key, result);
    finished(needs, Survey::default())
}

/// Says whether a result and all that it needs seem to be there, by looking at files and reading
/// small ones, not at every byte: what is left to ask once damaged files are put aside.
pub(super) fn seems_usable(store: &LocalStore, broken: &Broken) -> bool {
    let meter = Meter::new();
    let states = States::new(store, Reading::Status, &meter);
    let mut needs = Needs::new(store, states, Book::default());
    if broken.stands {
        needs.key(&broken.key);
    } else {
        needs.result(&broken.key, &broken.result);
    }
    !needs.found_broken()
}

fn finished(needs: Needs<'_>, survey: Survey) -> Checked {
    let mut checked = needs.finish();
    checked.exists = survey.exists;
    checked.links = survey.links;
    checked.leftovers = Leftovers {
        staged: survey.staged,
        leases: survey.leases,
        trash: survey.trash,
        views: survey.views,
    };
    checked
}
