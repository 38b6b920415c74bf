//! Reading many blobs that were listed, one after the other in the order of their names: their
//! directory stays open, and each takes three calls.
//!
//! Whatever is not as it was listed is read as any other blob, with care.

use super::blobs::HASHED_FIRST;
use super::listing::{Found, Walk};
use crate::digest::BlobId;
use crate::fs::Dir;

/// A reader of listed blobs; each thread has its own.
#[derive(Debug)]
pub struct Shelf<'a> {
    walk: &'a Walk,
    /// The directory of the blobs whose names begin with this byte, if it can be opened.
    open: Option<(u8, Option<Dir>)>,
}

impl<'a> Shelf<'a> {
    /// Reads in the store that is gone through.
    pub fn new(walk: &'a Walk) -> Self {
        Self { walk, open: None }
    }

    /// Reads a blob and compares it with its name. `size` is what it was listed with, if it was.
    pub fn read(&mut self, blob: &BlobId, size: Option<u64>) -> Found {
        let listed = size.filter(|size| *size <= HASHED_FIRST);
        if let Some(bytes) = listed.and_then(|size| self.quickly(blob, size)) {
            return Found::Whole(bytes);
        }
        self.walk.read(blob)
    }

    fn quickly(&mut self, blob: &BlobId, size: u64) -> Option<Vec<u8>> {
        let shard = blob.digest().as_bytes()[0];
        if self.open.as_ref().is_none_or(|(open, _)| *open != shard) {
            self.open = Some((shard, self.walk.shard_of_blobs(shard)));
        }
        let (_, dir) = self.open.as_ref()?;
        let bytes = dir.as_ref()?.read_listed(blob.hex().as_bytes(), size)?;
        (BlobId::of(&bytes) == *blob).then_some(bytes)
    }
}
