//! Evicting where not even the trash has room: a full disk has no block for one more directory,
//! and collecting is what makes room on it (hazard E1).
//!
//! What is to go gets a name among the files that have none yet, in a directory that is there; it
//! is looked at under that name as it would be in the trash, and deleted for good. Nothing that is
//! true hangs on the trash: a commit that needed the blob finds it gone and stores it anew.

use super::evict::is_tombstone;
use super::local::LocalStore;
use super::trash::{stamp, unless_taken_or_gone};
use crate::digest::{BlobId, Key};
use crate::fs::{Dir, IfPresent as _, PathError, random_name};
use crate::tree::RelPath;

impl LocalStore {
    /// Deletes a blob, unless it was freshened since it was last `modified`. Says whether it went.
    pub(super) fn delete_blob(
        &self,
        top: &Dir,
        blob: &BlobId,
        modified: u64,
    ) -> Result<bool, PathError> {
        let place = self.below(&self.layout.blob(blob));
        let aside = nameless();
        if top.rename(&place, top, &aside).if_present()?.is_none() {
            return Ok(false);
        }
        match top.status_if_any(&aside)? {
            Some(moved) if stamp(&moved) == modified => {
                top.remove_file(&aside).if_present().map(|_| true)
            }
            Some(_) => unless_taken_or_gone(top.rename_new(&aside, top, &place)).map(|()| false),
            None => Ok(false),
        }
    }

    /// Deletes a key's file that has these bytes, unless it became another, or pinned. Says
    /// whether it went.
    pub(super) fn delete_key(&self, top: &Dir, key: &Key, file: &[u8]) -> Result<bool, PathError> {
        debug_assert!(!is_tombstone(file), "tombstones go by another way");
        let place = self.below(&self.layout.key(key));
        let aside = nameless();
        if top.rename(&place, top, &aside).if_present()?.is_none() {
            return Ok(false);
        }
        if !self.stays_away(top, key, (&aside, file))? {
            return Ok(false);
        }
        top.remove_file(&aside).if_present().map(|_| true)
    }
}

/// Returns a name that nothing has, in the directory of what has none yet.
fn nameless() -> RelPath {
    RelPath::new(format!("tmp/{}", random_name())).expect("the name is clean")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ibid_testkit::disks::tmpfs;

    use super::*;
    use crate::fs::{create_dirs, exists};
    use crate::store::collection_tests::{HOUR, age, key, result_of, stamp_of};
    use crate::store::{Lookup, Pin, Replace, StoreOptions};

    /// A store with one result, on a disk on which nothing more can be made.
    fn on_a_full_disk(disk: &Path) -> (LocalStore, BlobId) {
        let store = LocalStore::open(&disk.join("store"), StoreOptions::default()).unwrap();
        let stored = ["record", "content"].map(|it| store.put_bytes(it.as_bytes()).unwrap());
        let result = result_of(key("a"), b"content");
        store.record(&result, &stored, Replace::No).unwrap();
        age(&store.layout.blob(&BlobId::of(b"content")), HOUR);
        while create_dirs(&disk.join(random_name()), None).is_ok() {}
        (store, BlobId::of(&result.encode()))
    }

    #[test]
    fn a_full_disk_is_collected_all_the_same() {
        let Some(disk) = tmpfs(1 << 24, Some(40)) else {
            return;
        };
        let (store, result) = on_a_full_disk(disk.path());
        assert!(store.put_bytes(b"more").is_err());
        store.note_collected().unwrap();
        assert!(store.evict(&key("a"), &result).unwrap().went());
        assert!(matches!(store.look_up(&key("a")), Lookup::Absent(_)));
        create_dirs(&disk.join("again"), None).unwrap();
        let blob = BlobId::of(b"content");
        let place = store.layout.blob(&blob);
        assert!(
            !store
                .discard_blob(&blob, stamp_of(&place) + 1)
                .unwrap()
                .went()
        );
        assert!(exists(&place).unwrap(), "it was freshened");
        assert!(store.discard_blob(&blob, stamp_of(&place)).unwrap().went());
        assert!(!exists(&place).unwrap());
        create_dirs(&disk.join("and again"), None).unwrap();
    }

    #[test]
    fn what_changed_meanwhile_stays_on_a_full_disk_too() {
        let Some(disk) = tmpfs(1 << 24, Some(40)) else {
            return;
        };
        let (store, _) = on_a_full_disk(disk.path());
        let top = store.top().unwrap().unwrap();
        let blob = BlobId::of(b"content");
        assert!(!store.delete_blob(&top, &blob, 7).unwrap());
        assert_eq!(store.read_blob(&blob, 100).unwrap(), b"content");
        assert!(!store.delete_key(&top, &key("a"), b"another").unwrap());
        assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
        assert!(!store.delete_key(&top, &key("b"), b"another").unwrap());
    }

    #[test]
    fn a_pin_that_came_meanwhile_keeps_its_key_on_a_full_disk_too() {
        let Some(disk) = tmpfs(1 << 24, Some(40)) else {
            return;
        };
        let (store, result) = on_a_full_disk(disk.path());
        let pin = Pin {
            key: key("a"),
            result: Some(result),
            label: String::new(),
            when: 1,
            why: String::new(),
        };
        disk.grow(1 << 24, Some(60));
        store.pin(&pin).unwrap();
        let top = store.top().unwrap().unwrap();
        let file = crate::store::format::KeyFile::Result(result).encode();
        assert!(!store.delete_key(&top, &key("a"), &file).unwrap());
        assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    }
}
