//! The trash: where what is collected goes first, and from where it comes back if it is needed.
//!
//! ```text
//! trash/blobs/ab/<hex>       blobs that nothing named when they were moved
//! trash/<name>-<random>      what was put aside as damaged, or evicted
//! ```
//!
//! Invariants: moving is a rename, so a reader that has opened a blob goes on reading it; nothing
//! is moved that changed since the caller saw it; a blob whose bytes are needed again is renamed
//! back, by whoever finds it missing.

use super::local::LocalStore;
use crate::digest::{BlobId, Key};
use crate::fs::{PathError, Timestamp};

impl LocalStore {
    /// Returns the store's own clock: the stamp of a file that is touched there. `None` where
    /// nothing can be written.
    pub fn own_clock(&self) -> Option<Timestamp> {
        todo!("room B")
    }

    /// Moves a blob to the trash, unless it was freshened since it was last `modified`, in
    /// nanoseconds since 1970. Says whether it moved.
    pub fn discard_blob(&self, _blob: &BlobId, _modified: u64) -> Result<bool, PathError> {
        todo!("room B")
    }

    /// Evicts what stands for a key, if that is still this result: its file goes to the trash.
    /// Says whether it went.
    pub fn evict(&self, _key: &Key, _result: &BlobId) -> Result<bool, PathError> {
        todo!("room B")
    }

    /// Removes a tombstone, if that is still what stands. Says whether it went.
    pub fn remove_tombstone(&self, _key: &Key) -> Result<bool, PathError> {
        todo!("room B")
    }

    /// Forgets an entry of history by its file's name.
    pub fn forget_run(&self, _name: &str) -> Result<(), PathError> {
        todo!("room B")
    }

    /// Deletes for good what lies at this path below the version's directory, a file or a tree,
    /// through handles that no link leads out of. Only what is in `trash/`, `tmp/`, `leases/` or
    /// `views/` can be deleted.
    pub fn delete_leftover(&self, _path: &str) -> Result<(), PathError> {
        todo!("room B")
    }
}
