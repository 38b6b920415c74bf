//! `Table`: what earlier listings of a store read, kept beside the store on this host, so that the
//! next listing reads only what is new.
//!
//! ```text
//! file    pieces of at most some MiB, each: length u32, checksum, records
//! record  name [32], length u32, body; in ascending order of the names
//! ```
//!
//! A table only ever saves a reading. Whoever asks gives what must be as it was (a content's length,
//! a file's status), and reads where that differs or nothing is known. Checksums are keyed with the
//! machine, the version of ibid, the store and the table, so that what was damaged, copied here or
//! written by another version is not known. There is no lock: the last writer's file stays. All
//! failures are silent, because the answer to each is to read.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::digest::Digest;
use crate::digest::near::{self, Starts};
use crate::fs::{self, Staged};

/// The name of a record.
pub(super) type Name = [u8; 32];

/// So many bytes of records share one checksum, and a record more.
const PIECE: usize = 1 << 20;

/// A larger table is not read: positions in it have 32 bits.
const LIMIT: u64 = u32::MAX as u64;

const CHECKSUM: usize = 32;

/// A table is written when so many of its records are new or gone, as a part of all: it is written
/// whole, and what it does not know costs one reading each.
const CHANGED: usize = 64;

/// Where tables of a store lie, and what their checksums are keyed with.
#[derive(Clone, Debug)]
pub struct RecallPlace {
    dir: PathBuf,
    salt: Digest,
}

impl RecallPlace {
    /// Keeps tables of the store in `store` below the host-local folder `local`, which nobody else
    /// may write in.
    pub fn new(local: &Path, machine_id: &str, store: &Path) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let words = [machine_id.as_bytes(), version.as_bytes()];
        let mut salt = Digest::of(b"tables of listings");
        for word in words
            .into_iter()
            .chain([store.as_os_str().as_encoded_bytes()])
        {
            salt = Digest::keyed(&salt, word);
        }
        let of_store = Digest::of(store.as_os_str().as_encoded_bytes()).hex();
        Self {
            dir: local.join("listings").join(&of_store[..16]),
            salt,
        }
    }

    fn table(&self, table: &str) -> (PathBuf, Digest) {
        let salt = Digest::keyed(&self.salt, table.as_bytes());
        (self.dir.join(table), salt)
    }
}

/// One table, as it was when it was opened, and what was learnt since. Threads share it.
#[derive(Debug, Default)]
pub(super) struct Table {
    place: Option<(PathBuf, Digest)>,
    bytes: Vec<u8>,
    /// Where records begin, in the order of their names.
    records: Vec<u32>,
    /// Where names begin that have the same first bits.
    starts: Starts,
    /// Which of them were asked for.
    used: Vec<AtomicBool>,
    learnt: Mutex<Vec<(Name, Vec<u8>)>>,
}

impl Table {
    /// Opens a table, which need not be there; without a place it knows nothing, and learns
    /// nothing.
    pub(super) fn open(place: Option<&RecallPlace>, table: &str) -> Self {
        let Some((path, salt)) = place.map(|place| place.table(table)) else {
            return Self::default();
        };
        let bytes = fs::read_small(&path, LIMIT).unwrap_or_default();
        let records = records(&bytes, &salt);
        let leading = |at: &u32| bytes[*at as usize..].first_chunk().map_or(0, near::leading);
        Self {
            starts: Starts::of(records.iter().map(leading)),
            used: records.iter().map(|_| AtomicBool::new(false)).collect(),
            bytes,
            records,
            place: Some((path, salt)),
            learnt: Mutex::default(),
        }
    }

    fn name_at(&self, record: usize) -> &Name {
        let record = &self.bytes[self.records[record] as usize..];
        record.first_chunk().expect("a record begins with its name")
    }

    /// Says whether anything learnt is kept.
    pub(super) fn learns(&self) -> bool {
        self.place.is_some()
    }

    /// Returns what is known under a name.
    pub(super) fn get(&self, name: &Name) -> Option<&[u8]> {
        let about = self.starts.about(near::leading(name), self.records.len());
        self.get_after(name, &mut about.unwrap_or(0))
    }

    /// The same, looking first where `place` says, which is then where the next name may stand:
    /// for names that are asked for in ascending order.
    pub(super) fn get_after(&self, name: &Name, place: &mut usize) -> Option<&[u8]> {
        let name_at = |at: usize| Digest::from_bytes(*self.name_at(at));
        let wanted = Digest::from_bytes(*name);
        let at = near::find_near(self.records.len(), *place, |at| name_at(at).cmp(&wanted))?;
        *place = at + 1;
        self.used[at].store(true, Ordering::Relaxed);
        split(&self.bytes[self.records[at] as usize..]).map(|(_, body, _)| body)
    }

    /// Remembers what was read. What was known under the name counts no longer.
    pub(super) fn learn(&self, name: Name, body: Vec<u8>) {
        if self.learns() {
            let mut learnt = self.learnt.lock().expect("no learner panics");
            learnt.push((name, body));
        }
    }

    /// Writes what was asked for and what was learnt, if that is worth it.
    pub(super) fn keep(self) {
        let Some((path, salt)) = &self.place else {
            return;
        };
        let mut learnt = self.learnt.into_inner().expect("no learner panics");
        let used = self.used.iter().filter(|it| it.load(Ordering::Relaxed));
        let gone = self.records.len() - used.count();
        if (learnt.len() + gone).saturating_mul(CHANGED) <= self.records.len() {
            return;
        }
        learnt.sort_unstable();
        learnt.dedup_by_key(|(name, _)| *name);
        let known = self.records.iter().zip(&self.used);
        let known = known.filter(|(_, used)| used.load(Ordering::Relaxed));
        let known = known.filter_map(|(at, _)| split(&self.bytes[*at as usize..]));
        let known = known.map(|(name, body, _)| (name, body));
        let learnt = learnt.iter().map(|(name, body)| (name, body.as_slice()));
        // What does not get there is read again.
        let _ = write(path, salt, merged(known, learnt));
    }
}

/// Joins two lists in the order of names; of two records of one name the latter counts.
fn merged<'a>(
    old: impl Iterator<Item = (&'a Name, &'a [u8])>,
    new: impl Iterator<Item = (&'a Name, &'a [u8])>,
) -> impl Iterator<Item = (&'a Name, &'a [u8])> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    std::iter::from_fn(move || {
        let Some((name, _)) = new.peek() else {
            return old.next();
        };
        match old.peek().map(|(other, _)| other.cmp(name)) {
            Some(std::cmp::Ordering::Less) => old.next(),
            Some(std::cmp::Ordering::Equal) => {
                old.next();
                new.next()
            }
            Some(std::cmp::Ordering::Greater) | None => new.next(),
        }
    })
}

fn write<'a>(
    path: &Path,
    salt: &Digest,
    records: impl Iterator<Item = (&'a Name, &'a [u8])>,
) -> Result<(), fs::PathError> {
    let dir = path.parent().expect("tables lie in a folder");
    fs::create_dirs(dir, Some(0o700))?;
    let mut staged = Staged::create(dir)?;
    let mut piece = Vec::new();
    for (name, body) in records {
        let Ok(length) = u32::try_from(body.len()) else {
            continue;
        };
        piece.extend_from_slice(name);
        piece.extend_from_slice(&length.to_le_bytes());
        piece.extend_from_slice(body);
        if piece.len() >= PIECE {
            write_piece(&mut staged, salt, &mut piece)?;
        }
    }
    write_piece(&mut staged, salt, &mut piece)?;
    staged.publish_over(path)
}

fn write_piece(
    staged: &mut Staged,
    salt: &Digest,
    piece: &mut Vec<u8>,
) -> Result<(), fs::PathError> {
    if let Ok(length) = u32::try_from(piece.len()) {
        staged.write_all(&length.to_le_bytes())?;
        staged.write_all(Digest::keyed(salt, piece).as_bytes())?;
        staged.write_all(piece)?;
    }
    piece.clear();
    Ok(())
}

/// Returns where the records of whole pieces begin, up to the first that is not whole.
fn records(bytes: &[u8], salt: &Digest) -> Vec<u32> {
    let mut records = Vec::new();
    let mut rest = bytes;
    let mut last = None;
    while let Some((piece, behind)) = whole_piece(rest, salt) {
        let mut left = piece;
        while let Some((name, _, after)) = split(left) {
            let at = bytes.len() - behind.len() - left.len();
            if last.is_some_and(|last| last >= name) {
                return records;
            }
            records.extend(u32::try_from(at));
            last = Some(name);
            left = after;
        }
        rest = behind;
    }
    records
}

fn whole_piece<'a>(bytes: &'a [u8], salt: &Digest) -> Option<(&'a [u8], &'a [u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let (piece, behind) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (Digest::keyed(salt, piece).as_bytes() == checksum).then_some((piece, behind))
}

/// Takes a record apart: its name, its body, and what follows.
fn split(bytes: &[u8]) -> Option<(&Name, &[u8], &[u8])> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((name, body, rest))
}

#[cfg(test)]
#[path = "recall_tests.rs"]
#[expect(clippy::disallowed_methods, reason = "a test damages its own files")]
mod tests;
