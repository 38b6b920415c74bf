//! Which blobs this host has written or verified since it booted.
//!
//! After a power cut a file may have its name, its size and zeros (hazard C1), so a blob is
//! believed without reading it only if this memory knows its signature. [`BootMemory`] keeps it
//! in the stat cache, so that it outlives the process; [`ProcessMemory`] is for where there is
//! none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::digest::Digest;
use crate::fs::Signature;
use crate::scan::{Origin, StatCache};

/// Knows signatures of blobs that this host wrote or verified in this boot.
pub trait VerifiedBlobs: Send + Sync + std::fmt::Debug {
    /// Says whether the file with this signature was seen to have this digest. Every field of
    /// the signature counts: a link or a change of mode makes a blob unknown (hazard F2).
    fn verified(&self, signature: &Signature, digest: &Digest) -> bool;

    /// The same of a file with several names, of which users may have any: it counts if an output
    /// of this status would be believed without reading it.
    fn settled(&self, signature: &Signature, digest: &Digest) -> bool {
        let _ = (signature, digest);
        false
    }

    /// Remembers that the file with this signature has this digest.
    fn remember(&self, signature: &Signature, digest: &Digest);
}

/// A memory that ends with the process.
#[derive(Debug, Default)]
pub struct ProcessMemory(Mutex<BTreeMap<(u64, u64), (Signature, Digest)>>);

impl VerifiedBlobs for ProcessMemory {
    fn verified(&self, signature: &Signature, digest: &Digest) -> bool {
        let known = self.0.lock().expect("no holder panics");
        known.get(&(signature.device, signature.inode)) == Some(&(*signature, *digest))
    }

    fn remember(&self, signature: &Signature, digest: &Digest) {
        // What somebody may write to can be stored to through a mapping unseen (hazard B2).
        if is_writable(signature) {
            return;
        }
        let mut known = self.0.lock().expect("no holder panics");
        known.insert((signature.device, signature.inode), (*signature, *digest));
    }
}

fn is_writable(signature: &Signature) -> bool {
    signature.mode & 0o222 != 0
}

/// A memory that lasts until the host is booted again, where the stat cache can tell; elsewhere
/// it ends with the process.
#[derive(Debug)]
pub struct BootMemory {
    stats: Arc<StatCache>,
    store: PathBuf,
    process: ProcessMemory,
}

impl BootMemory {
    /// Keeps in `stats` what is known of the blobs of the store in the directory `store`.
    pub fn new(stats: Arc<StatCache>, store: PathBuf) -> Self {
        let process = ProcessMemory::default();
        Self {
            stats,
            store,
            process,
        }
    }

    /// Says whether nobody but ibid can have the file open for writing: it is read-only, and has
    /// no second name under which a user could have made it writable (hazard F2).
    fn is_private(signature: &Signature) -> bool {
        signature.links == 1 && !is_writable(signature)
    }
}

impl VerifiedBlobs for BootMemory {
    fn verified(&self, signature: &Signature, digest: &Digest) -> bool {
        if self.process.verified(signature, digest) {
            return true;
        }
        let file_system = || self.stats.file_system(&self.store, signature.device);
        Self::is_private(signature)
            && file_system().is_some_and(|file_system| {
                self.stats.known_this_boot(signature, &file_system) == Some(*digest)
            })
    }

    fn settled(&self, signature: &Signature, digest: &Digest) -> bool {
        let file_system = || self.stats.file_system(&self.store, signature.device);
        !is_writable(signature)
            && file_system().is_some_and(|file_system| {
                self.stats.known_as_output(signature, &file_system) == Some(*digest)
            })
    }

    fn remember(&self, signature: &Signature, digest: &Digest) {
        self.process.remember(signature, digest);
        if Self::is_private(signature)
            && let Some(file_system) = self.stats.file_system(&self.store, signature.device)
        {
            self.stats
                .remember(signature, &file_system, *digest, Origin::Private);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Host, Staged, Timestamp};
    use crate::scan::{StatCacheOptions, StatPolicy, StatWrites};
    use ibid_testkit::TempDir;

    fn read_only(dir: &TempDir) -> Signature {
        let mut staged = Staged::create(dir.path()).unwrap();
        staged.set_mode(0o444).unwrap();
        staged.publish_over(&dir.join("blob")).unwrap();
        Signature::of(&dir.join("blob")).unwrap()
    }

    #[test]
    fn only_the_same_digest_under_the_same_signature_is_known() {
        let dir = TempDir::new();
        let signature = read_only(&dir);
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

    #[test]
    fn what_can_be_written_is_not_remembered() {
        let dir = TempDir::new();
        let mut signature = read_only(&dir);
        signature.mode |= 0o200;
        let (memory, digest) = (ProcessMemory::default(), Digest::of(b"a"));
        memory.remember(&signature, &digest);
        assert!(!memory.verified(&signature, &digest));
    }

    #[test]
    fn another_process_knows_until_the_next_boot() {
        let dir = TempDir::new();
        let signature = read_only(&dir);
        let (digest, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let open = |boot: &str| {
            let stats = StatCache::open(StatCacheOptions {
                dir: Some(dir.join("stats")),
                probe_dirs: Vec::new(),
                policy: StatPolicy::Trust,
                writes: StatWrites::Allowed,
                host: Host {
                    name: String::new(),
                    boot_id: boot.to_owned(),
                    machine_id: "m".to_owned(),
                },
                clock: Timestamp::default,
            });
            BootMemory::new(Arc::new(stats), dir.path().to_owned())
        };
        open("first").remember(&signature, &digest);
        assert!(open("first").verified(&signature, &digest));
        assert!(!open("first").verified(&signature, &other));
        assert!(!open("second").verified(&signature, &digest));
        let linked = Signature {
            links: 2,
            ..signature
        };
        assert!(!open("first").verified(&linked, &digest));
    }
}
