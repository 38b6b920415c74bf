//! Blobs: each read to its end by one of two threads, and what was found of it.
//!
//! A long file of holes is read only where something needs just as many bytes, and no further.
//!
//! What is wrong is read once more from a new descriptor, because on a network file system a
//! replaced file can look cut (hazard B5). What is not there is looked for in the trash, from where
//! every reader takes it back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::FlawKind;
use super::again::Recheck;
use super::book::{Book, instead};
use crate::digest::BlobId;
use crate::fs::{self, Facts, FileKind, HashError, Meter, Signature, Threads};
use crate::store::{LocalStore, Unusable};

/// As many blobs are read at a time: one computes while the other waits for the disk.
const READERS: usize = 2;

/// How much is asked of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All its bytes.
    All,
    /// Whether a regular file has its name.
    Status,
}

/// What a blob is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is right, and so long.
    Whole(u64),
    /// Its flaw is noted at this path.
    Flawed(PathBuf, FlawKind),
    /// It is this long file of holes at this path: it is read once it is known whether anything needs
    /// as many bytes. Whoever asked asks again then.
    Hollow(PathBuf, Signature),
    /// It is nowhere.
    Missing,
}

/// What was found of blobs so far.
pub(super) struct States<'a> {
    store: &'a LocalStore,
    reading: Reading,
    meter: &'a Meter,
    known: HashMap<BlobId, State>,
    /// The files of holes that something asked for, and whether anything needs as many bytes.
    hollow: BTreeMap<BlobId, bool>,
    /// Those of them that were read, or found to be of no use.
    settled: HashSet<BlobId>,
    /// As many bytes of files of holes are expected to be read already.
    expected: HashMap<BlobId, u64>,
    read: (usize, u64),
}

/// What one look came to.
struct Looked {
    state: State,
    /// What is noted of a flawed one.
    reason: String,
    /// The file whose bytes were judged to be wrong.
    judged: Option<Signature>,
    /// The file could be read by nobody but the superuser.
    unreadable: bool,
    bytes: u64,
}

impl<'a> States<'a> {
    pub(super) fn new(store: &'a LocalStore, reading: Reading, meter: &'a Meter) -> Self {
        Self {
            store,
            reading,
            meter,
            known: HashMap::new(),
            hollow: BTreeMap::new(),
            settled: HashSet::new(),
            expected: HashMap::new(),
            read: (0, 0),
        }
    }

    /// Returns how many blobs were read, and how many bytes of them.
    pub(super) fn read(&self) -> (usize, u64) {
        self.read
    }

    /// Looks at those of these blobs that are not known yet, with two threads; each comes with the
    /// length that something needs, if that is known.
    pub(super) fn look_at(&mut self, blobs: &[(BlobId, Option<u64>)], book: &mut Book) {
        let fresh = blobs.iter().filter(|it| !self.known.contains_key(&it.0));
        let mut fresh: Vec<_> = fresh.map(|it| (it.0, it.1.unwrap_or(0))).collect();
        fresh.sort_unstable();
        fresh.dedup_by_key(|it| it.0);
        for (_, size) in &fresh {
            self.meter.add_total(*size);
        }
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let reader = || {
            while let Some(&(blob, size)) = fresh.get(next.fetch_add(1, Ordering::Relaxed)) {
                let looked = self.look(&blob, None);
                let mut found = found.lock().expect("no reader panics");
                found.push((blob, size, looked));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..READERS.min(fresh.len()) {
                // Where no thread is to be had, this one reads all.
                let _ = std::thread::Builder::new().spawn_scoped(scope, reader);
            }
            reader();
        });
        for (blob, size, looked) in found.into_inner().expect("no reader panics") {
            if matches!(looked.state, State::Hollow(..)) {
                self.expected.insert(blob, size);
            }
            self.take(blob, looked, book);
        }
    }

    /// Returns what a blob is worth, and looks at it if it was not looked at yet. `size` is the
    /// length that whoever asks needs, if it says one.
    pub(super) fn state(&mut self, blob: &BlobId, size: Option<u64>, book: &mut Book) -> State {
        let known = self.known.get(blob);
        // One that was not there may have been written meanwhile, or taken to the trash.
        if known.is_none_or(|known| *known == State::Missing) {
            let looked = self.look(blob, None);
            self.take(*blob, looked, book);
        }
        let state = self.known[blob].clone();
        let State::Hollow(_, file) = &state else {
            return state;
        };
        // Whatever it holds, its length is not what whoever asks says.
        if size.is_some_and(|size| size != file.size) {
            return State::Whole(file.size);
        }
        // Each is asked about once, whoever puts another there meanwhile.
        if self.settled.contains(blob) {
            return State::Missing;
        }
        *self.hollow.entry(*blob).or_default() |= size.is_some();
        state
    }

    /// Reads the files of holes that something asked for, if anything needs as many bytes. Others are
    /// damaged: whoever asked wants something that ibid takes into memory, which is never so long.
    pub(super) fn settle(&mut self, book: &mut Book) {
        for (blob, is_needed) in std::mem::take(&mut self.hollow) {
            self.settled.insert(blob);
            let Some(State::Hollow(path, file)) = self.known.get(&blob).cloned() else {
                continue;
            };
            let size = file.size;
            let looked = if is_needed {
                let expected = self.expected.remove(&blob).unwrap_or(0);
                self.meter.add_total(size.saturating_sub(expected));
                self.look(&blob, Some(size))
            } else if path == self.store.blob_path(&blob) {
                let reason = format!(
                    "nearly all of its {size} bytes are holes, and what needs it is never so long"
                );
                Looked::wrong(&path, reason, file)
            } else {
                Looked::sound(State::Missing)
            };
            self.take(blob, looked, book);
        }
    }

    /// Tells of the files of holes that nothing needs: they may be whole, and about to be named.
    pub(super) fn tell_unread(&self, book: &mut Book) {
        for (blob, state) in &self.known {
            if let State::Hollow(path, file) = state
                && *path == self.store.blob_path(blob)
            {
                let size = file.size;
                let reason = format!(
                    "nearly all of its {size} bytes are holes, and nothing needs a file of as many"
                );
                book.add(FlawKind::Unread, path, reason);
            }
        }
    }

    fn take(&mut self, blob: BlobId, looked: Looked, book: &mut Book) {
        self.read.0 += usize::from(looked.bytes > 0 || looked.state == State::Whole(0));
        self.read.1 += looked.bytes;
        if let State::Flawed(path, kind) = &looked.state {
            book.judged(*kind, path, looked.reason, looked.judged);
        } else if looked.unreadable {
            let reason = "its mode keeps its owner from reading it".to_owned();
            book.add(FlawKind::Unreadable, &self.store.blob_path(&blob), reason);
        }
        self.known.insert(blob, looked.state);
    }

    /// Looks at a blob; a long file of holes is read if it has as many bytes as `hollow` says.
    fn look(&self, blob: &BlobId, hollow: Option<u64>) -> Looked {
        let path = self.store.blob_path(blob);
        let looked = match self.reading {
            Reading::All => twice((blob, hollow), &path, self.meter),
            Reading::Status => status(&path),
        };
        if looked.state != State::Missing {
            return looked;
        }
        // Few lie there, and what is wrong of them is nobody's loss: the blob is missing.
        let trashed = self.store.trashed_blob_path(blob);
        let trashed = twice((blob, hollow), &trashed, self.meter);
        match trashed.state {
            State::Whole(_) | State::Hollow(..) => trashed,
            State::Flawed(..) | State::Missing => looked,
        }
    }
}

impl Looked {
    fn flawed(kind: FlawKind, path: &Path, reason: String) -> Self {
        Self {
            reason,
            ..Self::sound(State::Flawed(path.to_owned(), kind))
        }
    }

    fn wrong(path: &Path, reason: String, file: Signature) -> Self {
        Self {
            judged: Some(file),
            ..Self::flawed(FlawKind::BlobContent, path, reason)
        }
    }

    fn sound(state: State) -> Self {
        Self {
            state,
            reason: String::new(),
            judged: None,
            unreadable: false,
            bytes: 0,
        }
    }
}

/// Reads one blob again.
pub(super) fn recheck(blob: &BlobId, path: &Path) -> Recheck {
    let looked = hash((blob, None), path, &Meter::new());
    match looked.state {
        State::Whole(_) => Recheck::Sound,
        State::Hollow(..) => Recheck::Hollow,
        State::Missing => Recheck::Absent,
        State::Flawed(_, FlawKind::Unreadable) => Recheck::Unreadable(looked.reason),
        State::Flawed(..) => Recheck::Wrong,
    }
}

fn status(path: &Path) -> Looked {
    match Facts::of_link(path).map(|facts| facts.signature) {
        Ok(signature) if signature.kind() == FileKind::File => {
            Looked::sound(State::Whole(signature.size))
        }
        Err(error) if !error.is_absent() => {
            let reason = error.source.to_string();
            Looked::flawed(FlawKind::Unreadable, path, reason)
        }
        _ => Looked::sound(State::Missing),
    }
}

/// Reads a blob, and what is wrong once more.
fn twice(wanted: (&BlobId, Option<u64>), path: &Path, meter: &Meter) -> Looked {
    match hash(wanted, path, meter) {
        Looked {
            state: State::Flawed(_, FlawKind::BlobContent),
            ..
        } => hash(wanted, path, meter),
        looked => looked,
    }
}

fn hash((blob, hollow): (&BlobId, Option<u64>), path: &Path, meter: &Meter) -> Looked {
    let (file, facts) = match LocalStore::peek_open(path) {
        Ok(opened) => opened,
        Err(Unusable::NotAFile(found)) => {
            return Looked::flawed(FlawKind::NotAFile, path, instead(found, "a blob"));
        }
        Err(Unusable::Unreadable(error)) => {
            let reason = format!("cannot {}: {}", error.operation, error.source);
            return Looked::flawed(FlawKind::Unreadable, path, reason);
        }
        Err(_) => return Looked::sound(State::Missing),
    };
    let size = facts.signature.size;
    // Reading it could take days. What needs as many bytes is the only reason to.
    if hollow != Some(size) && fs::is_hollow(&file, &facts) {
        return Looked::sound(State::Hollow(path.to_owned(), facts.signature));
    }
    let wrong = |reason| Looked {
        bytes: size,
        ..Looked::wrong(path, reason, facts.signature)
    };
    match fs::hash_open(&file, path, size, Threads::One, meter) {
        Ok(digest) if digest == *blob.digest() => Looked {
            bytes: size,
            unreadable: facts.signature.mode & 0o400 == 0,
            ..Looked::sound(State::Whole(size))
        },
        Ok(digest) => wrong(format!(
            "its {size} bytes have the digest {}",
            digest.short()
        )),
        Err(HashError::Io(error)) => {
            let reason = format!("cannot {}: {}", error.operation, error.source);
            Looked::flawed(FlawKind::Unreadable, path, reason)
        }
        Err(error) => wrong(error.to_string()),
    }
}
