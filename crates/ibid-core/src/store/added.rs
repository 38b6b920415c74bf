//! What a handle added to its store, and when the store was last collected: what the decision
//! rests on whether a collection is due. Deciding belongs to maintenance.
//!
//! ```text
//! v1/collected      its stamp is the time of the last collection; in it the bytes of disk, in
//!                   decimal digits, that waited for the next one because they were too young
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::StoreError;
use super::layout::FILE_MODE;
use super::local::LocalStore;
use crate::fs::{IfPresent as _, PathError, Signature, Timestamp, read_small, touch_link};

/// Most file systems give out disk in pieces of this size.
const PIECE: u64 = 4096;

/// Numbers of what was added; any thread may count.
#[derive(Debug, Default)]
pub(super) struct Added {
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Added {
    /// Counts a file of so many bytes that got its name.
    pub(super) fn count(&self, size: u64) {
        let disk = size.checked_next_multiple_of(PIECE).unwrap_or(size);
        self.bytes.fetch_add(disk, Ordering::Relaxed);
        self.files.fetch_add(1, Ordering::Relaxed);
    }
}

impl LocalStore {
    /// Returns how many bytes of disk and how many files were added through this handle: blobs
    /// and history, roughly.
    pub fn added(&self) -> (u64, u64) {
        let Added { bytes, files } = &self.added;
        (bytes.load(Ordering::Relaxed), files.load(Ordering::Relaxed))
    }

    /// Returns when the store was last collected, or made if it never was, as its own file system
    /// stamps it.
    pub fn last_collected(&self) -> Result<Option<Timestamp>, PathError> {
        let found = Signature::of(&self.layout.dir("collected")).if_present()?;
        match found {
            Some(found) => Ok(Some(found.mtime)),
            None => self.made(),
        }
    }

    /// Returns when the store was made, as its own file system stamps it.
    pub fn made(&self) -> Result<Option<Timestamp>, PathError> {
        let found = Signature::of(&self.layout.root().join("store.json")).if_present()?;
        Ok(found.map(|found| found.mtime))
    }

    /// Notes that the store is being collected, where there is room for that.
    pub fn note_collected(&self) -> Result<(), StoreError> {
        self.note(b"")
    }

    /// Notes at the end of a collection that so many bytes of disk wait for the next one.
    pub fn note_waiting(&self, bytes: u64) -> Result<(), StoreError> {
        self.note(bytes.to_string().as_bytes())
    }

    /// Returns when the store was last collected, if more waits since then for being collected.
    /// What cannot be read as such says nothing.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        let path = self.layout.dir("collected");
        let found = Signature::of(&path).ok().filter(|found| found.size > 0)?;
        let text = read_small(&path, 32).ok()?;
        let bytes: u64 = std::str::from_utf8(&text).ok()?.parse().ok()?;
        (bytes > 0).then_some(found.mtime)
    }

    fn note(&self, text: &[u8]) -> Result<(), StoreError> {
        let path = self.layout.dir("collected");
        let noted = self.stage_bytes(text, FILE_MODE).and_then(|mut staged| {
            let published = self.layout.publish_over(&mut staged, &path);
            published.map_err(|error| self.write_failed(error))
        });
        match noted {
            // A full disk is the last thing to keep anybody from making room on it.
            Err(StoreError::Full { .. }) => {
                let _ = touch_link(&path);
                Ok(())
            }
            noted => noted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;
    use ibid_testkit::TempDir;

    #[test]
    fn what_is_stored_is_counted_and_what_is_there_already_is_not() {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        assert_eq!(store.added(), (0, 0));
        store.put_bytes(b"one").unwrap();
        store.put_bytes(&[7; 5000]).unwrap();
        store.put_bytes(b"one").unwrap();
        assert_eq!(store.added(), (3 * PIECE, 2));
    }

    #[test]
    fn a_store_that_was_never_collected_is_as_old_as_itself() {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        assert_eq!(store.last_collected().unwrap(), None);
        store.put_bytes(b"one").unwrap();
        let made = store.last_collected().unwrap();
        assert!(made.is_some());
        store.note_collected().unwrap();
        assert!(store.last_collected().unwrap() >= made);
        assert_eq!(store.waiting_since(), None);
        store.note_waiting(7).unwrap();
        assert_eq!(store.waiting_since(), store.last_collected().unwrap());
        store.note_collected().unwrap();
        assert_eq!(store.waiting_since(), None);
    }
}
