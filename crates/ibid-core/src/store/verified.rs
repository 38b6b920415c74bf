//! Which blobs this host has written or verified since it booted.
//!
//! After a power cut a file may have its name, its size and zeros (hazard C1), so a blob is
//! believed without reading it only if this memory knows its signature. The stat cache is the
//! memory that outlives a process; [`ProcessMemory`] is for where there is none.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::digest::Digest;
use crate::fs::Signature;

/// Knows signatures of blobs that this host wrote or verified in this boot.
pub trait VerifiedBlobs: Send + Sync + std::fmt::Debug {
    /// Says whether the file with this signature was seen to have this digest. Every field of
    /// the signature counts: a link or a change of mode makes a blob unknown (hazard F2).
    fn verified(&self, signature: &Signature, digest: &Digest) -> bool;

    /// Remembers that the file with this signature has this digest.
    fn remember(&self, signature: &Signature, digest: &Digest);
}

/// A memory that ends with the process.
#[derive(Debug, Default)]
pub struct ProcessMemory(Mutex<HashMap<(u64, u64), (Signature, Digest)>>);

impl VerifiedBlobs for ProcessMemory {
    fn verified(&self, signature: &Signature, digest: &Digest) -> bool {
        let known = self.0.lock().expect("no holder panics");
        known.get(&(signature.device, signature.inode)) == Some(&(*signature, *digest))
    }

    fn remember(&self, signature: &Signature, digest: &Digest) {
        let mut known = self.0.lock().expect("no holder panics");
        known.insert((signature.device, signature.inode), (*signature, *digest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    #[test]
    fn only_the_same_digest_under_the_same_signature_is_known() {
        let dir = TempDir::new();
        let signature = Signature::of(dir.path()).unwrap();
        let (digest, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let memory = ProcessMemory::default();
        assert!(!memory.verified(&signature, &digest));
        memory.remember(&signature, &digest);
        assert!(memory.verified(&signature, &digest));
        assert!(!memory.verified(&signature, &other));
        let linked = Signature {
            links: signature.links + 1,
            ..signature
        };
        assert!(!memory.verified(&linked, &digest));
    }
}
