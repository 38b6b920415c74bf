//! Taking a key's file away, if it still says what the caller saw.
//!
//! No file system renames on a condition. So the file is moved to `trash/keys/ab/<hex>`, looked at
//! there, and put back if it is another one by then: a refresh, or an invalidation, landed in
//! between. A process that dies in between leaves a tombstone in the trash, and the key absent; the
//! invalidation is remembered in `tombstones/ab/<hex>`, where whoever finds no key's file looks, and
//! counts from there. A result in the trash is one that was evicted, and counts no more.

use super::format::KeyFile;
use super::local::LocalStore;
use super::results::KEY_FILE_LIMIT;
use super::trash::{Away, Moved, unless_taken_or_gone};
use crate::digest::{BlobId, Key};
use crate::fs::{Dir, IfPresent as _, PathError, Signature, read_limited};
use crate::tree::RelPath;

/// A key's file as it was read.
type Read = (Vec<u8>, Signature);

impl LocalStore {
    /// Evicts what stands for a key, if that is still this result and no pin protects it: its file
    /// goes to the trash, or where that has no room, is deleted.
    pub fn evict(&self, key: &Key, result: &BlobId) -> Result<Away, PathError> {
        let Some(top) = self.top()? else {
            return Ok(Away::Stays);
        };
        let file = KeyFile::Result(*result).encode();
        match self.removable(&top, key, &file)? {
            Some(seen) if !self.is_pinned(&top, key)? => {
                match self.move_key_out(&top, key, &seen) {
                    Err(error) if error.is_full() => {
                        let deleted = self.delete_key(&top, key, &file)?;
                        Ok(Away::if_so(deleted, Away::Deleted))
                    }
                    Err(error) => Err(error),
                    Ok(moved) => match moved.away() {
                        Away::Stays => Ok(Away::Stays),
                        away => {
                            let stays_away = self.confirm_evict(&top, key, &file)?;
                            Ok(Away::if_so(stays_away, away))
                        }
                    },
                }
            }
            _ => Ok(Away::Stays),
        }
    }

    /// Removes a tombstone that is not younger than `since`, in nanoseconds since 1970: where it
    /// stands for the key, and then where it is remembered. Says whether it went.
    pub fn remove_tombstone(&self, key: &Key, since: u64) -> Result<bool, PathError> {
        let Some(top) = self.top()? else {
            return Ok(false);
        };
        let standing = read(&top, &self.below(&self.layout.key(key)))?;
        let standing = standing.filter(|(file, _)| is_tombstone(file));
        if let Some(standing) = standing
            && !self.remove_standing_tombstone((&top, key), &standing, since)?
        {
            return Ok(false);
        }
        self.forget_tombstone(&top, key, since)
    }

    fn remove_standing_tombstone(
        &self,
        (top, key): (&Dir, &Key),
        (file, seen): &Read,
        since: u64,
    ) -> Result<bool, PathError> {
        if made(file, seen) > since {
            return Ok(false);
        }
        if self.move_key_out(top, key, seen)? == Moved::Gone
            || !self.confirm_evict(top, key, file)?
        {
            return Ok(false);
        }
        // Whoever empties the trash would put it back from there.
        let trashed = self.below(&self.layout.trashed_key(key));
        let aside = Self::aside(&key.hex());
        if top.rename(&trashed, top, &aside).if_present()?.is_none() {
            return Ok(false);
        }
        // It would be taken back from there, too, as one that a killed collector left.
        let goes = self.put_back_unless(top, key, (&aside, file))?;
        if goes {
            top.remove_file(&aside).if_present()?;
        }
        Ok(goes)
    }

    /// Removes what is remembered of an invalidation, unless there is a newer one by now. A process
    /// that dies before it has looked leaves it in the trash, from where the next collection takes
    /// it back before it evicts anything.
    fn forget_tombstone(&self, top: &Dir, key: &Key, since: u64) -> Result<bool, PathError> {
        let place = self.below(&self.layout.tombstone(key));
        let is_old =
            |read: Option<Read>| read.is_some_and(|(file, seen)| made(&file, &seen) <= since);
        let aside = Self::aside(&key.hex());
        if !is_old(read(top, &place)?) || top.rename(&place, top, &aside).if_present()?.is_none() {
            return Ok(false);
        }
        if is_old(read(top, &aside)?) {
            return top.remove_file(&aside).map(|()| true);
        }
        unless_taken_or_gone(top.rename_new(&aside, top, &place)).map(|()| false)
    }

    /// Looks at a key's file that is to go: `None` unless it still has these bytes.
    pub(super) fn removable(
        &self,
        top: &Dir,
        key: &Key,
        file: &[u8],
    ) -> Result<Option<Signature>, PathError> {
        let standing = read(top, &self.below(&self.layout.key(key)))?;
        let same = standing.filter(|(bytes, _)| bytes == file);
        Ok(same.map(|(_, seen)| seen))
    }

    /// Moves a key's file to its place in the trash, over an earlier one.
    pub(super) fn move_key_out(
        &self,
        top: &Dir,
        key: &Key,
        seen: &Signature,
    ) -> Result<Moved, PathError> {
        let from = self.below(&self.layout.key(key));
        let to = self.below(&self.layout.trashed_key(key));
        self.move_out(top, (&from, &to), seen)
    }

    /// Looks at what was moved, and puts it back if it is another file than was seen, or became
    /// pinned. Says whether it stays in the trash.
    pub(super) fn confirm_evict(
        &self,
        top: &Dir,
        key: &Key,
        file: &[u8],
    ) -> Result<bool, PathError> {
        let trashed = self.below(&self.layout.trashed_key(key));
        self.stays_away(top, key, (&trashed, file))
    }

    /// The same for a file that lies anywhere.
    pub(super) fn stays_away(
        &self,
        top: &Dir,
        key: &Key,
        (aside, file): (&RelPath, &[u8]),
    ) -> Result<bool, PathError> {
        let pinned = !is_tombstone(file) && self.is_pinned(top, key)?;
        let expected: &[u8] = if pinned { &[] } else { file };
        self.put_back_unless(top, key, (aside, expected))
    }

    /// Deletes for good the key's file of a result that was evicted. Another file there goes back:
    /// some other collector is just finding out that it is not the one it meant. Says whether it
    /// was deleted.
    pub fn delete_evicted(&self, key: &Key, result: &BlobId) -> Result<bool, PathError> {
        let Some(top) = self.top()? else {
            return Ok(false);
        };
        let evicted = KeyFile::Result(*result).encode();
        self.delete_key_file(&top, key, |file| file == evicted)
    }

    /// Deletes for good a key's file in the trash; a tombstone goes back instead. Says whether it
    /// was deleted.
    pub(super) fn delete_trashed_key(&self, top: &Dir, key: &Key) -> Result<bool, PathError> {
        self.delete_key_file(top, key, |file| !is_tombstone(file))
    }

    /// Deletes for good what `goes`, else puts it back. The file first gets a name that nobody else
    /// uses, so that what is looked at is what is deleted.
    fn delete_key_file(
        &self,
        top: &Dir,
        key: &Key,
        goes: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, PathError> {
        let trashed = self.below(&self.layout.trashed_key(key));
        let aside = Self::aside(&key.hex());
        if top.rename(&trashed, top, &aside).if_present()?.is_none() {
            return Ok(false);
        }
        match read(top, &aside)? {
            Some((file, _)) if !goes(&file) => {
                let place = self.below(&self.layout.key(key));
                unless_taken_or_gone(top.rename_new(&aside, top, &place)).map(|()| false)
            }
            _ => top.remove_file(&aside).map(|()| true),
        }
    }

    /// Puts a file that was taken away back as its key's, unless it has these bytes or a newer one
    /// stands. Says whether it stayed away.
    fn put_back_unless(
        &self,
        top: &Dir,
        key: &Key,
        (aside, file): (&RelPath, &[u8]),
    ) -> Result<bool, PathError> {
        match read(top, aside)? {
            Some((bytes, _)) if bytes == file => Ok(true),
            Some(_) => {
                let place = self.below(&self.layout.key(key));
                unless_taken_or_gone(top.rename_new(aside, top, &place)).map(|()| false)
            }
            None => Ok(false),
        }
    }

    /// Says whether something protects a key; what it says is not looked at, but whose it is.
    fn is_pinned(&self, top: &Dir, key: &Key) -> Result<bool, PathError> {
        let pin = self.below(&self.layout.dir("pins").join(key.hex()));
        let found = top.facts_if_any(&pin)?;
        Ok(found.is_some_and(|facts| self.heeds(facts.owner)))
    }
}

/// Returns when a tombstone came to be, in nanoseconds since 1970: a file that was copied here may
/// claim an older time than it came.
fn made(file: &[u8], seen: &Signature) -> u64 {
    let stamp = u64::try_from(seen.mtime.as_nanos()).unwrap_or(0);
    match KeyFile::decode(file) {
        Ok(KeyFile::Tombstone(tombstone)) => tombstone.when.max(stamp),
        _ => stamp,
    }
}

pub(super) fn is_tombstone(file: &[u8]) -> bool {
    matches!(KeyFile::decode(file), Ok(KeyFile::Tombstone(_)))
}

/// Reads a key's file; nothing there is `None`.
fn read(top: &Dir, path: &RelPath) -> Result<Option<Read>, PathError> {
    let Some((file, seen)) = top.open_file(path).if_present()? else {
        return Ok(None);
    };
    let place = top.path_of(path);
    let bytes = read_limited((&file, &place), seen.size, KEY_FILE_LIMIT)?;
    Ok(Some((bytes, seen)))
}
