//! Blobs that are read as values: the listing of a tree, the record of a key.
//!
//! Both are verified by digest before they are decoded, so what does not decode was never written
//! by ibid. Both have a limit: neither is read to the end of the memory.

use super::error::BlobProblem;
use super::local::LocalStore;
use crate::action::KeyRecord;
use crate::digest::{BlobId, Key, TreeId};
use crate::tree::{Tree, TreeError};

/// The largest listing that is read: some ten million files.
pub(super) const LISTING_LIMIT: u64 = 1 << 30;

/// The largest key record that is read: a million inputs fit.
pub(super) const RECORD_LIMIT: u64 = 256 << 20;

/// Why a listing cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListingProblem {
    /// The store does not have it, or what it has is damaged.
    #[error(transparent)]
    Blob(BlobProblem),
    /// It is no listing.
    #[error(transparent)]
    Tree(TreeError),
}

impl LocalStore {
    /// Reads the listing of a tree.
    pub fn listing(&self, tree: &TreeId) -> Result<Tree, ListingProblem> {
        let bytes = self.read_blob(&tree.listing(), LISTING_LIMIT);
        Tree::decode(&bytes.map_err(ListingProblem::Blob)?).map_err(ListingProblem::Tree)
    }

    /// Reads the key record in `blob`, if it is still there and is that of `key`.
    pub fn key_record(&self, key: &Key, blob: &BlobId) -> Option<KeyRecord> {
        let bytes = self.read_blob(blob, RECORD_LIMIT).ok()?;
        let record = KeyRecord::decode(&bytes).ok()?;
        (Key::derive(&bytes) == *key).then_some(record)
    }
}
