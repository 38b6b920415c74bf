//! Results by key: look-up, recording, invalidation.
//!
//! A key's file names the blob of a result; the result holds its own key, so a file under another
//! key's name is a miss, never a hit. The key's file is written last, when all blobs are in, and
//! without replacing: of concurrent runs the first wins, and a second outcome that differs is told
//! to the caller (hazard D1). A tombstone, a damaged or an unknown file is replaced.
//!
//! An invalidation is remembered beside the keys' files, too, where no result replaces it: once
//! what was recorded since is evicted it counts again, because manifests from before it may be in
//! workspaces that nobody knows.

use std::path::Path;

use super::error::{BlobProblem, MissReason, StoreError};
use super::format::{KeyFile, Tombstone};
use super::layout::FILE_MODE;
use super::local::{Durability, LocalStore};
use super::{Stored, StoredResult};
use crate::digest::{BlobId, Key};
use crate::fs::{self, Published, Signature};

/// Longer files are no key's files.
pub(super) const KEY_FILE_LIMIT: u64 = 1 << 16;

/// Larger results are refused when they are recorded and not read when they are looked up: some
/// hundred thousand outputs matched by patterns fit, and a folder counts as one.
pub(crate) const RESULT_LIMIT: u64 = 32 << 20;

/// What a store knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A result of this key, verified. Its blobs may be missing: restoring finds that out.
    Found(Box<StoredResult>),
    /// Whatever was stored does not count any more.
    Tombstone(Tombstone),
    /// Nothing that can be used.
    Absent(MissReason),
}

/// Whether recording replaces a result that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// The first result of a key stays.
    No,
    /// A refresh: the result replaces whatever stands.
    Yes,
}

/// What recording came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The key's file names our result.
    Ours,
    /// A result with the same outcome stands already.
    Equal(Box<StoredResult>),
    /// A result with another outcome stands, and stays: the step is not deterministic.
    Differs(Box<StoredResult>),
}

impl LocalStore {
    /// Looks a key up. Nothing is written, but for damage that is put aside.
    pub fn look_up(&self, key: &Key) -> Lookup {
        let blob = match self.read_key_file(key) {
            Ok(KeyFile::Result(blob)) => blob,
            Ok(KeyFile::Tombstone(tombstone)) => return Lookup::Tombstone(tombstone),
            Ok(KeyFile::Unknown(what)) => return Lookup::Absent(MissReason::UnknownKind(what)),
            Err(reason) => return Lookup::Absent(reason),
        };
        match decoded(&blob, self.read_blob(&blob, RESULT_LIMIT)) {
            Ok(result) if result.key == *key => Lookup::Found(Box::new(result)),
            Ok(result) => {
                let path = self.layout.key(key);
                self.report("key", &path, "it names a result of another key");
                Lookup::Absent(MissReason::ForeignKey(result.key))
            }
            Err(reason) => Lookup::Absent(reason),
        }
    }

    /// Reads the result that a blob holds, whichever key it belongs to: history names results
    /// that no key's file names any more. One that is in the trash was evicted, and stays there.
    pub fn read_result(&self, blob: &BlobId) -> Result<StoredResult, MissReason> {
        decoded(blob, self.read_blob_in_place(blob, RESULT_LIMIT))
    }

    /// Records a result whose blobs, record and log are stored already: `blobs`. Those that storing
    /// found there, or that are old by now, are looked at again when the key's file has landed.
    /// One that is gone comes back from the trash; gone there too is [`StoreError::Vanished`]
    /// (hazard D3), and the entry a miss.
    pub fn record(
        &self,
        result: &StoredResult,
        blobs: &[Stored],
        replace: Replace,
    ) -> Result<Recorded, StoreError> {
        let (recorded, stored) = self.land(result, replace)?;
        self.confirm_landed(&result.key, blobs.iter().chain([&stored]))?;
        Ok(recorded)
    }

    /// Stores a result and names it in the key's file.
    pub(super) fn land(
        &self,
        result: &StoredResult,
        replace: Replace,
    ) -> Result<(Recorded, Stored), StoreError> {
        let bytes = result.encode();
        if bytes.len() as u64 > RESULT_LIMIT {
            let (what, limit) = ("the result", RESULT_LIMIT);
            return Err(StoreError::TooLarge { what, limit });
        }
        let stored = self.put_bytes(&bytes)?;
        let recorded = self.write_key_file(&result.key, &stored.blob, result, replace)?;
        Ok((recorded, stored))
    }

    /// Looks again at the blobs of a result whose key's file has landed.
    pub(super) fn confirm_landed<'a>(
        &self,
        key: &Key,
        blobs: impl IntoIterator<Item = &'a Stored>,
    ) -> Result<(), StoreError> {
        // Renaming stamps the file, so a collection that began before that is older than this.
        if let Ok(landed) = Signature::of_link(&self.layout.key(key)) {
            self.ages.learn(landed.ctime);
        }
        let mut blobs = blobs.into_iter();
        match blobs.find(|stored| !self.is_still_there(stored)) {
            Some(gone) => Err(StoreError::Vanished(gone.blob)),
            None => Ok(()),
        }
    }

    /// Makes a tombstone the key's file and changes the generation, so that whatever remembers
    /// results elsewhere forgets. `when` is in nanoseconds since 1970.
    pub fn invalidate(&self, key: &Key, when: u64, why: &str) -> Result<(), StoreError> {
        let why = why.to_owned();
        let file = KeyFile::Tombstone(Tombstone { when, why }).encode();
        if file.len() as u64 > KEY_FILE_LIMIT {
            let (what, limit) = ("the reason", KEY_FILE_LIMIT);
            return Err(StoreError::TooLarge { what, limit });
        }
        // Whoever is killed in the middle leaves nobody who remembers a result that is invalid.
        self.renew_generation()?;
        // First what is remembered, so that no key's file is a tombstone without it.
        self.replace_file(&self.layout.tombstone(key), &file)?;
        self.replace_file(&self.layout.key(key), &file)?;
        // And nobody who found the result a moment ago may remember it.
        self.renew_generation()
    }

    fn write_key_file(
        &self,
        key: &Key,
        blob: &BlobId,
        result: &StoredResult,
        replace: Replace,
    ) -> Result<Recorded, StoreError> {
        let path = self.layout.key(key);
        let file = KeyFile::Result(*blob).encode();
        if replace == Replace::Yes {
            self.replace_file(&path, &file)?;
            // Where the earlier result was found, it is not the answer any more.
            self.renew_generation()?;
            return Ok(Recorded::Ours);
        }
        let mut staged = self.stage_bytes(&file, FILE_MODE)?;
        self.sync_blobs(&mut staged, &path)?;
        let published = self.layout.publish_new(&mut staged, &path);
        match published.map_err(|error| self.write_failed(error))? {
            Published::New => {}
            Published::AlreadyThere => match self.look_up(key) {
                Lookup::Found(theirs) if theirs.outcome.agrees_with(&result.outcome) => {
                    return Ok(Recorded::Equal(theirs));
                }
                Lookup::Found(theirs) => return Ok(Recorded::Differs(theirs)),
                Lookup::Tombstone(_) | Lookup::Absent(_) => {
                    self.rename_over(&mut staged, &path)?;
                    return Ok(Recorded::Ours);
                }
            },
        }
        self.sync_name(&path)?;
        Ok(Recorded::Ours)
    }

    pub(super) fn replace_file(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let mut staged = self.stage_bytes(content, FILE_MODE)?;
        self.sync_blobs(&mut staged, path)?;
        self.rename_over(&mut staged, path)
    }

    /// Gives a staged file its name, whatever has that. In a synced store the disk keeps either
    /// file until it has the name.
    fn rename_over(&self, staged: &mut fs::Staged, path: &Path) -> Result<(), StoreError> {
        let _kept = (self.options.durability == Durability::Synced)
            .then(|| fs::Kept::new(path, &self.layout.dir("tmp")));
        self.layout
            .publish_over(staged, path)
            .map_err(|error| self.replace_failed(error, path))?;
        self.sync_name(path)
    }

    /// In a synced store: waits for all blobs with one call, for the directories above `path`, and
    /// for the file that is to have that name.
    fn sync_blobs(&self, staged: &mut fs::Staged, path: &Path) -> Result<(), StoreError> {
        if self.options.durability == Durability::Synced {
            let tmp = self.layout.dir("tmp");
            self.layout
                .make_dir_of(path)
                .and_then(|()| fs::sync_file_system(&tmp))
                .and_then(|()| staged.sync())
                .map_err(|error| self.write_failed(error))?;
        }
        Ok(())
    }

    /// In a synced store: waits for the name, which nothing else does.
    fn sync_name(&self, path: &Path) -> Result<(), StoreError> {
        if self.options.durability == Durability::Synced {
            let shard = path.parent().expect("names lie below the root");
            let above = shard.parent().expect("shards lie below the root");
            fs::sync_dir(shard)
                .and_then(|()| fs::sync_dir(above))
                .map_err(|error| self.write_failed(error))?;
        }
        Ok(())
    }

    /// Reads a key's file. Where there is none, an invalidation may be remembered, or somebody is
    /// just putting back what was evicted by mistake.
    fn read_key_file(&self, key: &Key) -> Result<KeyFile, MissReason> {
        let place = self.layout.key(key);
        match self.read_key_file_at((key, &place)) {
            Err(MissReason::Absent) => {}
            read => return read,
        }
        match self.read_key_file_at((key, &self.layout.tombstone(key))) {
            Ok(KeyFile::Result(_)) | Err(MissReason::Absent) => {}
            read => return read,
        }
        self.read_key_file_at((key, &place))
    }

    /// Reads a key's file in one place, if its owner is trusted; one that is damaged is read once
    /// more and then put aside, unless it is a memory of an invalidation, which goes on to count.
    fn read_key_file_at(&self, (key, path): (&Key, &Path)) -> Result<KeyFile, MissReason> {
        let read = || {
            let (file, facts) = fs::open_with_facts(path)?;
            let bytes = fs::read_limited((&file, path), facts.signature.size, KEY_FILE_LIMIT);
            Ok((bytes, facts))
        };
        let mut damage = None;
        for _ in 0..2 {
            let (bytes, facts) = read().map_err(|error: fs::PathError| absent(&error))?;
            // What an untrusted user wrote is no damage: it stays where it is, and is replaced by
            // the next result.
            if let Some(reason) = self.distrust(&facts) {
                let owner = facts.owner;
                return Err(MissReason::Untrusted { owner, reason });
            }
            let reason = match bytes {
                Ok(bytes) => match KeyFile::decode(&bytes) {
                    Ok(file) => {
                        self.ages.saw_key(key, facts.signature.mtime);
                        return Ok(file);
                    }
                    Err(error) => error.to_string(),
                },
                Err(error) if error.source.kind() == std::io::ErrorKind::FileTooLarge => {
                    error.source.to_string()
                }
                Err(error) => return Err(absent(&error)),
            };
            damage = Some((reason, facts.signature));
        }
        let (reason, seen) = damage.expect("both looks failed");
        if path == self.layout.key(key) {
            self.quarantine("key", path, &reason, &seen);
        }
        let what = "key";
        Err(MissReason::Damaged { what, reason })
    }
}

fn decoded(blob: &BlobId, bytes: Result<Vec<u8>, BlobProblem>) -> Result<StoredResult, MissReason> {
    let bytes = bytes.map_err(
        |problem| match (problem, MissReason::ResultMissing(*blob)) {
            (BlobProblem::Absent(_), missing) => missing,
            (BlobProblem::Damaged { reason, .. }, _) => MissReason::Damaged {
                what: "result",
                reason,
            },
            (other, _) => other.into(),
        },
    )?;
    // These are the bytes that the digest promises, so they are not damaged; they were never a
    // result that this version can read.
    StoredResult::decode(&bytes).map_err(|error| MissReason::UnknownKind(error.to_string()))
}

fn absent(error: &fs::PathError) -> MissReason {
    if error.is_absent() {
        return MissReason::Absent;
    }
    MissReason::Unreadable {
        what: "key",
        reason: error.source.to_string(),
    }
}
