//! Reading files of the store as they stand: for checks that believe nothing and change nothing.
//!
//! Unlike a look-up, a peek puts nothing aside, remembers nothing and believes no memory. Whatever
//! stands at a name is opened without following it and without waiting for it, and nothing is read
//! beyond the limit of its kind.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::blobs::HASHED_FIRST;
use super::format::{KeyFile, StoredResult};
use super::layout::{FORMAT, TAG};
use super::local::LocalStore;
use super::pins::{self, Pin};
use super::results::{KEY_FILE_LIMIT, RESULT_LIMIT};
use super::run_index::RunName;
use super::{RunEntry, decoded, history};
use crate::action::KeyRecord;
use crate::digest::encoding::{DecodeError, Decoder};
use crate::digest::{BlobId, Key, TreeId};
use crate::fs::{self, Facts, FileKind, HashError, Meter, PathError, Threads};
use crate::tree::Tree;

/// Longer files are no descriptions.
const SMALL_LIMIT: u64 = 1 << 16;

/// What a key's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySays {
    /// This blob holds the result.
    Result(BlobId),
    /// Whatever was stored does not count any more.
    Tombstone,
}

/// Why a file of a store says nothing.
#[derive(Debug)]
pub enum Unusable {
    /// Nothing stands there.
    Absent,
    /// Something else than a regular file stands there.
    NotAFile(FileKind),
    /// It cannot be read; it may be whole.
    Unreadable(PathError),
    /// It is not what it should be, in words.
    Damaged(String),
    /// A later version of ibid wrote it.
    Later,
}

type Peeked<T> = Result<T, Unusable>;

impl LocalStore {
    /// Returns where a blob lies.
    pub fn blob_path(&self, blob: &BlobId) -> PathBuf {
        self.layout.blob(blob)
    }

    /// Returns where a blob lies that a collection has taken and nobody has missed yet.
    pub fn trashed_blob_path(&self, blob: &BlobId) -> PathBuf {
        let hex = blob.hex();
        let trash = self.layout.dir("trash").join("blobs");
        trash.join(&hex[..2]).join(hex)
    }

    /// Returns where a key's file lies.
    pub fn key_path(&self, key: &Key) -> PathBuf {
        self.layout.key(key)
    }

    /// Reads a key's file.
    pub fn peek_key(&self, key: &Key) -> Peeked<KeySays> {
        match KeyFile::decode(&read(&self.layout.key(key), KEY_FILE_LIMIT)?) {
            Ok(KeyFile::Result(blob)) => Ok(KeySays::Result(blob)),
            Ok(KeyFile::Tombstone(_)) => Ok(KeySays::Tombstone),
            Ok(KeyFile::Unknown(_)) => Err(Unusable::Later),
            Err(error) => Err(damaged(&error)),
        }
    }

    /// Fails unless what is remembered of a key's invalidation is a tombstone.
    pub fn peek_tombstone(&self, key: &Key) -> Peeked<()> {
        match KeyFile::decode(&read(&self.layout.tombstone(key), KEY_FILE_LIMIT)?) {
            Ok(KeyFile::Tombstone(_)) => Ok(()),
            Ok(KeyFile::Result(_)) => Err(Unusable::Damaged("it is no tombstone".to_owned())),
            Ok(KeyFile::Unknown(_)) => Err(Unusable::Later),
            Err(error) => Err(damaged(&error)),
        }
    }

    /// Reads the result in a blob.
    pub fn peek_result(&self, blob: &BlobId) -> Peeked<StoredResult> {
        let bytes = self.peek_blob(blob, RESULT_LIMIT)?;
        StoredResult::decode(&bytes).map_err(|error| later_or(&bytes, 4, 1, &error))
    }

    /// Reads the listing of a tree.
    pub fn peek_listing(&self, tree: &TreeId) -> Peeked<Tree> {
        let bytes = self.peek_blob(&tree.listing(), decoded::LISTING_LIMIT)?;
        Tree::decode(&bytes).map_err(|error| damaged(&error))
    }

    /// Fails unless a blob is the key record of `key`.
    pub fn peek_record(&self, key: &Key, blob: &BlobId) -> Peeked<()> {
        let bytes = self.peek_blob(blob, decoded::RECORD_LIMIT)?;
        if Key::derive(&bytes) != *key {
            return Err(Unusable::Damaged("it is that of another key".to_owned()));
        }
        // The key is derived from these bytes, so they are its record; one that cannot be read
        // has components that this version does not know.
        let decoded = KeyRecord::decode(&bytes);
        decoded.map(drop).map_err(|_| Unusable::Later)
    }

    /// Opens a blob, not verified, wherever it lies.
    pub fn peek_at_blob(&self, blob: &BlobId) -> Peeked<(File, PathBuf)> {
        match open(&self.layout.blob(blob)) {
            Err(Unusable::Absent) => {
                let path = self.trashed_blob_path(blob);
                open(&path).map(|(file, _)| (file, path))
            }
            opened => opened.map(|(file, _)| (file, self.layout.blob(blob))),
        }
    }

    /// Reads a blob of at most `limit` bytes, wherever it lies.
    fn peek_blob(&self, blob: &BlobId, limit: u64) -> Peeked<Vec<u8>> {
        let bytes = match read_of(blob, &self.layout.blob(blob), limit) {
            Err(Unusable::Absent) => read_of(blob, &self.trashed_blob_path(blob), limit)?,
            bytes => bytes?,
        };
        if BlobId::of(&bytes) == *blob {
            return Ok(bytes);
        }
        Err(Unusable::Damaged("wrong digest".to_owned()))
    }

    /// Reads an entry of history by its file.
    pub fn peek_run(&self, path: &Path) -> Peeked<RunEntry> {
        let bytes = read(path, history::LIMIT)?;
        let entry = RunEntry::decode(&bytes)
            .map_err(|error| later_or(&bytes, 17, history::FORMAT, &error))?;
        let name = path.file_name().unwrap_or_default();
        let name = RunName::parse(std::os::unix::ffi::OsStrExt::as_bytes(name));
        let fits = name.is_some_and(|name| {
            (name.time, name.label) == (entry.time, history::label_hash(&entry.label))
        });
        if fits {
            return Ok(entry);
        }
        Err(Unusable::Damaged(
            "its name is that of another entry".to_owned(),
        ))
    }

    /// Reads the pin of a key by its file: the result that it protects beside the key's own.
    pub fn peek_pin(&self, path: &Path, key: &Key) -> Peeked<Option<BlobId>> {
        let bytes = read(path, pins::LIMIT)?;
        let pin = Pin::decode(&bytes).map_err(|error| later_or(&bytes, 6, pins::FORMAT, &error))?;
        if pin.key == *key {
            return Ok(pin.result);
        }
        Err(Unusable::Damaged(format!(
            "it is that of another key, {}",
            pin.key.short()
        )))
    }

    /// Fails unless a store's description is one.
    pub fn peek_description(&self) -> Peeked<()> {
        let bytes = read(&self.dir().join("store.json"), SMALL_LIMIT)?;
        let json: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&error))?;
        let format = json.get("format").and_then(serde_json::Value::as_u64);
        match (format, json.get("uuid")) {
            (Some(1..=FORMAT), Some(serde_json::Value::String(_))) => Ok(()),
            (Some(_), _) => Err(Unusable::Damaged("it names no `uuid`".to_owned())),
            (None, _) => Err(Unusable::Damaged("it names no `format`".to_owned())),
        }
    }

    /// Fails unless backup programs take the store for a cache.
    pub fn peek_tag(&self) -> Peeked<()> {
        let bytes = read(&self.dir().join("CACHEDIR.TAG"), SMALL_LIMIT)?;
        let line = TAG.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if bytes.starts_with(line) {
            return Ok(());
        }
        let reason = "backup programs do not know it: its first line is another";
        Err(Unusable::Damaged(reason.to_owned()))
    }

    /// Fails unless the file that invalidations replace holds what they write.
    pub fn peek_generation(&self) -> Peeked<()> {
        let bytes = read(&self.layout.generation(), 1 << 10)?;
        if bytes.len() == 32 && bytes.iter().all(u8::is_ascii_hexdigit) {
            return Ok(());
        }
        Err(Unusable::Damaged(
            "it is not 32 hexadecimal digits".to_owned(),
        ))
    }
}

impl LocalStore {
    /// Opens a regular file of a store, and nothing else, without waiting.
    pub fn peek_open(path: &Path) -> Peeked<(File, Facts)> {
        open(path)
    }

    /// Fails unless the file that collections touch is a regular one.
    pub fn peek_stamp(&self) -> Peeked<()> {
        open(&self.layout.dir("collected")).map(drop)
    }
}

pub(super) fn open(path: &Path) -> Peeked<(File, Facts)> {
    let error = match fs::open_nofollow(path) {
        Ok((file, _)) => {
            let facts = Facts::of_open(&file, path).map_err(Unusable::Unreadable)?;
            return Ok((file, facts));
        }
        Err(error) => error,
    };
    match Facts::of_link(path).map(|facts| facts.signature.kind()) {
        Ok(FileKind::File) => Err(Unusable::Unreadable(error)),
        Ok(kind) => Err(Unusable::NotAFile(kind)),
        // A loop of links above it leads nowhere, and is told where it lies.
        Err(now) if now.is_absent() || Errno::from_io_error(&now.source) == Some(Errno::LOOP) => {
            Err(Unusable::Absent)
        }
        Err(_) => Err(Unusable::Unreadable(error)),
    }
}

fn read(path: &Path, limit: u64) -> Peeked<Vec<u8>> {
    let (file, facts) = open(path)?;
    let bytes = fs::read_limited((&file, path), facts.signature.size, limit);
    bytes.map_err(|error| match error.source.kind() {
        std::io::ErrorKind::FileTooLarge => damaged(&error.source),
        _ if error.is_absent() => Unusable::Absent,
        _ => Unusable::Unreadable(error),
    })
}

/// Reads a blob. A large one is hashed first, in little memory: it may be a file of holes.
fn read_of(blob: &BlobId, path: &Path, limit: u64) -> Peeked<Vec<u8>> {
    let (file, facts) = open(path)?;
    let size = facts.signature.size;
    if size > limit {
        return Err(Unusable::Damaged(format!("larger than {limit} bytes")));
    }
    if size > HASHED_FIRST {
        match fs::hash_open(&file, path, size, Threads::Many, &Meter::new()) {
            Ok(digest) if digest == *blob.digest() => {}
            Ok(_) => return Err(Unusable::Damaged("wrong digest".to_owned())),
            Err(HashError::Io(error)) => return Err(Unusable::Unreadable(error)),
            Err(error) => return Err(damaged(&error)),
        }
    }
    let bytes = fs::read_limited((&file, path), size, limit);
    bytes.map_err(|error| match error.source.kind() {
        std::io::ErrorKind::FileTooLarge => damaged(&error.source),
        _ if error.is_absent() => Unusable::Absent,
        _ => Unusable::Unreadable(error),
    })
}

fn damaged(error: &dyn std::error::Error) -> Unusable {
    Unusable::Damaged(error.to_string())
}

/// Tells an array that a later version wrote from one that is damaged: it is whole, and begins
/// with a larger number.
fn later_or(bytes: &[u8], parts: usize, format: u64, error: &DecodeError) -> Unusable {
    // Item by item: a value in memory is far larger than its bytes (hazard G5).
    let later = || -> Result<bool, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let len = decoder.array()?;
        let found = decoder.uint()?;
        for _ in 1..len {
            decoder.value()?;
        }
        decoder.finish()?;
        Ok(found > format && len >= parts)
    };
    if later() == Ok(true) {
        return Unusable::Later;
    }
    damaged(error)
}
