//! `Recalled`: what a listing has to know of the files that it goes through, as far as an earlier
//! one has read them.
//!
//! Blobs are known by their digests, and what such bytes say never changes: a table says what a
//! whole blob says, and whoever asks has just seen that a file of that name and length is there. If
//! it was damaged since, more is taken for needed than is. Files of keys and of history are known
//! only while their status is what it was, and only if they were at rest when they were read: a
//! file that was replaced within one tick of the clock looks like the one before.

use super::local::LocalStore;
use super::recall::{Name, Table};
use super::run_index::RunName;
use super::sharing_out::both;
use crate::digest::{BlobId, Digest, Key};
use crate::fs::{FileSystemKind, Signature};

/// Stamps of two files may be the same within so many nanoseconds.
const GRANULARITY: u128 = 2_000_000_000;

/// What is known of a store's files.
#[derive(Debug)]
pub struct Recalled {
    /// When the listing began, in nanoseconds since 1970.
    begun: u64,
    /// By key, the status of its file and its result.
    keys: Table,
    /// By name, the status of an entry of history and what it names.
    runs: Table,
    results: Table,
    /// By blob of a record, the texts of code that it names.
    records: Table,
}

/// What an entry of history says that a listing heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSays<'a> {
    /// The key.
    pub key: Key,
    /// The blob of the record.
    pub record: BlobId,
    /// The result that was stored or used.
    pub result: Option<BlobId>,
    /// What history calls the step.
    pub label: &'a str,
}

/// What a result says that a listing heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultSays<'a> {
    /// Its key.
    pub key: Key,
    /// The blob of its record.
    pub record: BlobId,
    /// When the command started.
    pub started: u64,
    /// How long it ran.
    pub duration: u64,
    /// What history calls the step.
    pub label: &'a str,
    blobs: &'a [[u8; BLOB]],
}

/// What is known of an entry of history while its status is what it was.
pub(super) struct RunKnown<'a>(&'a [u8]);

impl<'a> RunKnown<'a> {
    /// Returns what it names, if this is its status.
    pub(super) fn with(&self, signature: &Signature) -> Option<RunSays<'a>> {
        let mut body = same(self.0, &status(signature))?;
        let (key, record) = (digest(&mut body)?, digest(&mut body)?);
        let (has_result, mut body) = body.split_first()?;
        let result = digest(&mut body)?;
        Some(RunSays {
            key: Key::new(key),
            record: BlobId::new(record),
            result: (*has_result != 0).then(|| BlobId::new(result)),
            label: std::str::from_utf8(body).ok()?,
        })
    }
}

/// A blob, and before it whether it is a listing.
const BLOB: usize = 33;

impl<'a> ResultSays<'a> {
    /// Returns the blobs that the result names beside its record, and whether each is a listing.
    pub fn blobs(&self) -> impl Iterator<Item = (BlobId, bool)> + use<'a> {
        self.blobs.iter().map(|[is_listing, digest @ ..]| {
            let blob = BlobId::new(Digest::from_bytes(*digest));
            (blob, *is_listing != 0)
        })
    }

    /// Writes down what a decoded result says.
    pub fn encode(result: &super::StoredResult) -> Vec<u8> {
        let (run, label) = (&result.run, result.run.label.as_bytes());
        let mut body = Vec::with_capacity(128 + label.len());
        body.extend_from_slice(result.key.digest().as_bytes());
        body.extend_from_slice(run.record.digest().as_bytes());
        body.extend_from_slice(&run.started.to_le_bytes());
        body.extend_from_slice(&run.duration.to_le_bytes());
        body.extend_from_slice(&(label.len() as u64).to_le_bytes());
        body.extend_from_slice(label);
        for (blob, is_listing) in result.needs() {
            body.push(u8::from(is_listing));
            body.extend_from_slice(blob.digest().as_bytes());
        }
        body
    }

    /// Reads it again.
    pub fn decode(mut body: &'a [u8]) -> Option<Self> {
        let (key, record) = (digest(&mut body)?, digest(&mut body)?);
        let (started, duration) = (number(&mut body)?, number(&mut body)?);
        let length = usize::try_from(number(&mut body)?).ok()?;
        let (label, blobs) = body.split_at_checked(length)?;
        let (blobs, []) = blobs.as_chunks() else {
            return None;
        };
        Some(Self {
            key: Key::new(key),
            record: BlobId::new(record),
            started,
            duration,
            label: std::str::from_utf8(label).ok()?,
            blobs,
        })
    }
}

impl LocalStore {
    /// Opens what is known of this store's files, for a listing that begins `now` by the store's
    /// own clock.
    pub fn recalled(&self, now: u64) -> Recalled {
        let place = self.recall.get();
        let kind = place.and_then(|_| FileSystemKind::of(self.dir()).ok());
        let by_status = place.filter(|_| kind.is_some_and(FileSystemKind::keeps_stamps));
        let ((keys, results), (runs, records)) = both(
            place.is_some(),
            || {
                (
                    Table::open(by_status, "keys"),
                    Table::open(place, "results"),
                )
            },
            || {
                (
                    Table::open(by_status, "runs"),
                    Table::open(place, "records"),
                )
            },
        );
        Recalled {
            begun: now,
            keys,
            runs,
            results,
            records,
        }
    }
}

impl Recalled {
    /// Returns the result that the file of a key names.
    pub(super) fn key(&self, key: &Key, signature: &Signature) -> Option<BlobId> {
        let body = self.keys.get(key.digest().as_bytes())?;
        let body = same(body, &status(signature))?;
        Some(BlobId::new(Digest::from_bytes(*body.as_array()?)))
    }

    /// Says whether the file of a key need not be read.
    #[cfg(test)]
    pub(crate) fn knows_key(&self, key: &Key, signature: &Signature) -> bool {
        self.key(key, signature).is_some()
    }

    pub(super) fn learn_key(&self, key: &Key, signature: &Signature, result: &BlobId) {
        if self.is_at_rest(signature) && self.keys.learns() {
            let body = [&status(signature)[..], result.digest().as_bytes()].concat();
            self.keys.learn(*key.digest().as_bytes(), body);
        }
    }

    /// Returns what is known of an entry of history, to be held against its status. Names are
    /// asked for in ascending order; `place` is where the next may stand.
    pub(super) fn run(&self, name: &RunName, place: &mut usize) -> Option<RunKnown<'_>> {
        self.runs.get_after(&run_name(name), place).map(RunKnown)
    }

    pub(super) fn learn_run(&self, name: &RunName, signature: &Signature, says: &RunSays<'_>) {
        if !self.is_at_rest(signature) || !self.runs.learns() {
            return;
        }
        let mut body = status(signature).to_vec();
        body.extend_from_slice(says.key.digest().as_bytes());
        body.extend_from_slice(says.record.digest().as_bytes());
        body.push(u8::from(says.result.is_some()));
        let none = [0; 32];
        let result = says.result.as_ref();
        body.extend_from_slice(result.map_or(&none, |it| it.digest().as_bytes()));
        body.extend_from_slice(says.label.as_bytes());
        self.runs.learn(run_name(name), body);
    }

    /// Returns what the result in a blob of this length says.
    pub fn result(&self, blob: &BlobId, size: u64) -> Option<ResultSays<'_>> {
        let body = self.results.get(blob.digest().as_bytes())?;
        ResultSays::decode(same(body, &size.to_le_bytes())?)
    }

    /// Remembers what a result says, as [`ResultSays::encode`] has written it down.
    pub fn learn_result(&self, blob: &BlobId, size: u64, says: &[u8]) {
        if self.results.learns() {
            let body = [&size.to_le_bytes(), says].concat();
            self.results.learn(*blob.digest().as_bytes(), body);
        }
    }

    /// Returns the texts of code that the record in a blob of this length names.
    pub fn texts(
        &self,
        blob: &BlobId,
        size: u64,
    ) -> Option<impl Iterator<Item = BlobId> + use<'_>> {
        let body = self.records.get(blob.digest().as_bytes())?;
        let (texts, []) = same(body, &size.to_le_bytes())?.as_chunks() else {
            return None;
        };
        let digests = texts.iter().map(|digest| Digest::from_bytes(*digest));
        Some(digests.map(BlobId::new))
    }

    /// Remembers them.
    pub fn learn_texts(&self, blob: &BlobId, size: u64, texts: &[BlobId]) {
        if self.records.learns() {
            let mut body = size.to_le_bytes().to_vec();
            for text in texts {
                body.extend_from_slice(text.digest().as_bytes());
            }
            self.records.learn(*blob.digest().as_bytes(), body);
        }
    }

    /// Lets go of what is known of keys and history, and writes what was learnt of them.
    pub fn keep_names(&mut self) {
        for table in [&mut self.keys, &mut self.runs] {
            std::mem::take(table).keep();
        }
    }

    /// Writes what was learnt.
    pub fn keep(mut self) {
        self.keep_names();
        self.results.keep();
        self.records.keep();
    }

    /// Says whether a file that is changed from now on will have another status.
    fn is_at_rest(&self, signature: &Signature) -> bool {
        let last = u128::try_from(signature.last_change().as_nanos().max(0));
        last.is_ok_and(|last| last + GRANULARITY < u128::from(self.begun))
    }
}

/// The name of an entry of history, in order of time as its file is.
fn run_name(name: &RunName) -> Name {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&name.time.to_be_bytes());
    bytes[8..12].copy_from_slice(&name.label.0.to_be_bytes());
    bytes[12..20].copy_from_slice(&name.random.to_be_bytes());
    bytes
}

/// What changes when a file does.
fn status(signature: &Signature) -> [u8; 48] {
    let mut bytes = [0; 48];
    let [mtime, ctime] = [signature.mtime, signature.ctime];
    bytes[..8].copy_from_slice(&signature.device.to_le_bytes());
    bytes[8..16].copy_from_slice(&signature.inode.to_le_bytes());
    bytes[16..24].copy_from_slice(&signature.size.to_le_bytes());
    bytes[24..32].copy_from_slice(&mtime.seconds.to_le_bytes());
    bytes[32..36].copy_from_slice(&mtime.nanos.to_le_bytes());
    bytes[36..44].copy_from_slice(&ctime.seconds.to_le_bytes());
    bytes[44..].copy_from_slice(&ctime.nanos.to_le_bytes());
    bytes
}

/// Returns what follows, if the body begins like this.
fn same<'a>(body: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    body.strip_prefix(begin)
}

fn digest(body: &mut &[u8]) -> Option<Digest> {
    let (bytes, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(Digest::from_bytes(*bytes))
}

fn number(body: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(u64::from_le_bytes(*bytes))
}
