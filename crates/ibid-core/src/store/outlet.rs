//! `Outlet`: blobs on their way out, many of them, by the fewest calls.
//!
//! The folder of the blobs is opened once, and each blob by its short name in it. An outlet hands
//! out only what is right at the first look: bytes that have the digest, or a file that is known
//! by its status to have them. `None` is no verdict: whoever gets it goes the long way, which
//! looks twice, looks in the trash and tells of damage.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;

use super::blobs::SHARED_FROM;
use super::local::LocalStore;
use crate::digest::BlobId;
use crate::fs::{self, Dir, Facts, Signature};

/// Up to this size a blob is read whole before its copy is made.
const SMALL: u64 = 256 * 1024;

/// The blobs of a store, for one restore.
#[derive(Debug)]
pub struct Outlet<'a> {
    store: &'a LocalStore,
    blobs: Option<Dir>,
}

impl LocalStore {
    /// Opens the folder of the blobs; where there is none, nothing is found in it.
    pub fn outlet(&self) -> Outlet<'_> {
        Outlet {
            store: self,
            blobs: Dir::open(&self.layout.dir("blobs")).ok(),
        }
    }
}

impl Outlet<'_> {
    /// Reads a small blob into the start of `buffer` and verifies it.
    pub fn read_small<'b>(
        &self,
        blob: &BlobId,
        size: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Option<&'b [u8]> {
        if size > SMALL {
            return None;
        }
        let dir = self.blobs.as_ref()?;
        let file = dir.open_own(&short_name(blob)).ok()?;
        let size = usize::try_from(size).expect("it is small");
        // One byte more tells one that is longer; what is no file fails here or has another digest.
        if buffer.len() <= size {
            buffer.resize(size + 1, 0);
        }
        let read = file.read_at(&mut buffer[..=size], 0).ok()?;
        let bytes = &buffer[..read];
        (read == size && BlobId::of(bytes) == *blob).then_some(bytes)
    }

    /// Opens a blob whose content may be shared without being read, where sharing is worth its
    /// call and the file system is not known to refuse it.
    pub fn open_shareable(&self, blob: &BlobId, size: u64) -> Option<File> {
        if size < SHARED_FROM || self.store.reflink_refused.load(Ordering::Relaxed) {
            return None;
        }
        let dir = self.blobs.as_ref()?;
        let file = dir.open_own(&short_name(blob)).ok()?;
        let facts = Facts::of_open(&file, dir.path()).ok()?;
        self.is_known(&facts, blob, size).then_some(file)
    }

    /// Gives a blob the second name `name` in `dir`, where nothing of that name may be. As root,
    /// who may write what is read-only, and for an empty file it never does (hazard F2). Nobody can
    /// have had the file open for writing before: it had one name only, or has not changed since
    /// that was known of it. Returns its status under that name.
    pub fn link(&self, blob: &BlobId, size: u64, dir: &Dir, name: &[u8]) -> Option<Signature> {
        if size == 0 || fs::is_root() {
            return None;
        }
        let (blobs, short) = (self.blobs.as_ref()?, short_name(blob));
        let before = blobs.facts_here(&short).ok()?;
        if !self.is_known(&before, blob, size) {
            return None;
        }
        blobs.link_own(&short, dir, name).ok()?;
        let signature = dir.facts_here(name).ok().map(|after| after.signature);
        // The link itself changes the signature; anything else that changed must be seen.
        let expected = |after: &Signature| Signature {
            ctime: after.ctime,
            links: before.signature.links + 1,
            ..before.signature
        };
        if let Some(signature) = signature.filter(|after| *after == expected(after)) {
            return Some(signature);
        }
        // Another blob has the name by now, or somebody else linked it too.
        let _ = dir.remove_here(name);
        None
    }

    fn is_known(&self, facts: &Facts, blob: &BlobId, size: u64) -> bool {
        let Facts {
            signature, owner, ..
        } = facts;
        let verified = || {
            let known = &self.store.options.verified;
            match signature.links {
                1 => known.verified(signature, blob.digest()),
                _ => self.is_settled(signature, blob),
            }
        };
        signature.size == size && self.store.trusts(*owner) && verified()
    }

    fn is_settled(&self, signature: &Signature, blob: &BlobId) -> bool {
        let known = &self.store.options.verified;
        known.settled(signature, blob.digest())
    }
}

/// Returns the name of a blob in the folder of all blobs.
fn short_name(blob: &BlobId) -> [u8; 67] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = [b'/'; 67];
    for (at, byte) in blob.digest().as_bytes().iter().enumerate() {
        let pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
        name[3 + 2 * at..][..2].copy_from_slice(&pair);
    }
    name.copy_within(3..5, 0);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;
    use ibid_testkit::TempDir;

    #[test]
    fn a_short_name_is_the_end_of_the_path() {
        let temp = TempDir::new();
        let store = LocalStore::open(temp.path(), StoreOptions::default()).unwrap();
        let blob = BlobId::of(b"content");
        let short = short_name(&blob);
        let short = std::str::from_utf8(&short).unwrap();
        assert!(store.layout.blob(&blob).ends_with(short), "{short}");
    }

    #[test]
    fn only_whole_and_right_blobs_are_handed_out() {
        let temp = TempDir::new();
        let store = LocalStore::open(temp.path(), StoreOptions::default()).unwrap();
        let content = vec![7; 5_000];
        let blob = store.put_bytes(&content).unwrap().blob;
        let read = |size| {
            let mut buffer = vec![1; 10];
            let outlet = store.outlet();
            outlet.read_small(&blob, size, &mut buffer) == Some(&content[..])
        };
        assert!(read(5_000));
        for wrong in [0, 4_999, 5_001, SMALL + 1] {
            assert!(!read(wrong), "{wrong}");
        }
        assert!(store.outlet().open_shareable(&blob, 5_000).is_some());
        assert!(store.outlet().open_shareable(&blob, 5_001).is_none());
        let path = store.layout.blob(&blob);
        crate::fs::set_mode_of(&path, 0o644).unwrap();
        let (file, _) = crate::fs::open_in_place(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"x", 9).unwrap();
        assert!(!read(5_000));
        assert!(store.outlet().open_shareable(&blob, 5_000).is_none());
        let other = BlobId::of(b"absent");
        assert!(
            store
                .outlet()
                .read_small(&other, 6, &mut Vec::new())
                .is_none()
        );
    }
}
