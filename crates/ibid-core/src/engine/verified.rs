//! The stat cache as the memory of which blobs are verified.
//!
//! The store asks only for this boot, so that nothing is believed that a power cut may have
//! damaged; the stat cache outlives the process, so that a second process need not read again.

use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::Digest;
use crate::fs::{FileSystem, Signature};
use crate::scan::{Origin, StatCache};
use crate::store::VerifiedBlobs;

/// Remembers verified blobs in a stat cache.
#[derive(Debug)]
pub struct StatCacheBlobs {
    stats: Arc<StatCache>,
    store: PathBuf,
}

impl StatCacheBlobs {
    /// Remembers the blobs of the store in this directory.
    pub fn new(stats: Arc<StatCache>, store: PathBuf) -> Self {
        Self { stats, store }
    }

    fn file_system(&self, signature: &Signature) -> Option<FileSystem> {
        self.stats.file_system(&self.store, signature.device)
    }
}

impl VerifiedBlobs for StatCacheBlobs {
    fn verified(&self, signature: &Signature, digest: &Digest) -> bool {
        let known = self.file_system(signature);
        known.and_then(|fs| self.stats.known_this_boot(signature, &fs)) == Some(*digest)
    }

    fn remember(&self, signature: &Signature, digest: &Digest) {
        if let Some(fs) = self.file_system(signature) {
            self.stats
                .remember(signature, &fs, *digest, Origin::Private);
        }
    }
}
