//! The stat cache as the store's memory of blobs that need not be read again in this boot.

use std::path::PathBuf;
use std::sync::Arc;

use ibid_core::digest::Digest;
use ibid_core::fs::{FileSystem, Signature};
use ibid_core::scan::{Origin, StatCache};
use ibid_core::store::VerifiedBlobs;

/// Blobs below `store` that the stat cache knows.
#[derive(Debug)]
pub(crate) struct VerifiedByStat {
    pub(crate) stats: Arc<StatCache>,
    /// The store's directory: all blobs lie on its file system.
    pub(crate) store: PathBuf,
}

impl VerifiedByStat {
    fn file_system(&self, signature: &Signature) -> Option<FileSystem> {
        self.stats.file_system(&self.store, signature.device)
    }
}

impl VerifiedBlobs for VerifiedByStat {
    fn verified(&self, signature: &Signature, digest: &Digest) -> bool {
        self.file_system(signature)
            .and_then(|system| self.stats.known_this_boot(signature, &system))
            .is_some_and(|known| known == *digest)
    }

    fn remember(&self, signature: &Signature, digest: &Digest) {
        if let Some(system) = self.file_system(signature) {
            self.stats
                .remember(signature, &system, *digest, Origin::Private);
        }
    }
}
