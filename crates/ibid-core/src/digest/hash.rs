//! The hasher behind every digest.
//!
//! Blobs use plain BLAKE3, so that `b3sum` gives the same digits; keys use BLAKE3's key
//! derivation with a context string, so that no file's content can have a key's digest.

use super::{BlobId, Digest, Key};

/// From this size on, one buffer is hashed by several threads.
const PARALLEL_FROM: usize = 1 << 20;

/// Separates keys from every other hash; the version changes when the meaning of a record does.
const KEY_CONTEXT: &str = "ibid action v1";

/// Hashes bytes as they come.
#[derive(Clone, Debug, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a hash of a blob's content.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes. Buffers of a mebibyte and more are hashed on all cores.
    pub fn update(&mut self, bytes: &[u8]) {
        if bytes.len() >= PARALLEL_FROM {
            self.0.update_rayon(bytes);
        } else {
            self.0.update(bytes);
        }
    }

    /// Adds bytes on the calling thread only: for callers that are one of many threads already.
    pub fn update_here(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes so far.
    pub fn finish(&self) -> Digest {
        Digest::from_bytes(*self.0.finalize().as_bytes())
    }
}

impl Digest {
    /// Hashes `bytes` on the calling thread.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_bytes(*blake3::hash(bytes).as_bytes())
    }

    /// Hashes `bytes` under a key: for checksums that only their own writer can have made.
    pub fn keyed(key: &Self, bytes: &[u8]) -> Self {
        Self::from_bytes(*blake3::keyed_hash(key.as_bytes(), bytes).as_bytes())
    }
}

impl BlobId {
    /// Names a blob by its whole content.
    pub fn of(content: &[u8]) -> Self {
        Self::new(Digest::of(content))
    }
}

impl Key {
    /// Derives the key of an encoded key record.
    pub fn derive(encoded_record: &[u8]) -> Self {
        Self::new(Digest::from_bytes(blake3::derive_key(
            KEY_CONTEXT,
            encoded_record,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_in_pieces_equals_hashing_at_once() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i * 31 % 251) as u8).collect();
        let mut hasher = Hasher::new();
        hasher.update(&bytes[..7]);
        hasher.update(&bytes[7..2_000_000]);
        hasher.update_here(&bytes[2_000_000..]);
        assert_eq!(hasher.finish(), Digest::of(&bytes));
    }

    #[test]
    fn a_key_is_not_the_blob_of_its_record() {
        assert_ne!(
            Key::derive(b"record").digest(),
            BlobId::of(b"record").digest()
        );
    }
}
