//! Copies: blobs that lie in the trash while another file has their place.
//!
//! Whoever stores bytes that lie in the trash does not look there, so a blob may lie in both places.
//! Nobody looks in the trash for what has its place, so a copy goes even if a result needs the blob.
//!
//! Invariants: a copy is deleted under a name that nobody else uses, after a look that its place is
//! taken, by the file that was listed there, that is as long and that no stranger owns; else it
//! goes back. What has the place is not read for that. `docs/design/collection.md` says why that is enough.

use super::local::{Durability, LocalStore};
use super::trash::{stamp, unless_taken_or_gone};
use crate::digest::BlobId;
use crate::fs::{self, Dir, FileKind, PathError};
use crate::tree::RelPath;

impl LocalStore {
    /// Deletes for good a blob in the trash whose place another file has, that was listed there as
    /// last modified at `placed`: nobody looks here for what is there, so it does not matter whether
    /// something needs the blob. Where that file is not there any more, this one goes back to the
    /// trash, and to its place if that is empty. Says whether it was deleted.
    pub fn delete_copy(
        &self,
        blob: &BlobId,
        (modified, placed): (u64, u64),
    ) -> Result<bool, PathError> {
        let Some(top) = self.top()? else {
            return Ok(false);
        };
        match self.move_blob_aside(&top, blob, modified)? {
            Some(aside) => self.confirm_copy(&top, (blob, modified, placed), &aside),
            None => Ok(false),
        }
    }

    /// Looks whether the place of what was moved aside is taken, which that cannot be itself: it
    /// has a name that nobody else uses. Says whether it was deleted.
    pub(super) fn confirm_copy(
        &self,
        top: &Dir,
        (blob, modified, placed): (&BlobId, u64, u64),
        aside: &RelPath,
    ) -> Result<bool, PathError> {
        let place = self.below(&self.layout.blob(blob));
        let taken = top.facts_if_any(&place).ok().flatten();
        let copy = top.status_if_any(aside)?;
        if let (Some(taken), Some(copy)) = (taken, copy)
            && taken.signature.kind() == FileKind::File
            && stamp(&taken.signature) == placed
            && taken.signature.size == copy.size
            // What a stranger put there may be something else a moment later.
            && self.trusts(taken.owner)
        {
            return self.confirm_delete(top, (blob, modified), aside);
        }
        self.put_back_copy(top, blob, aside)?;
        Ok(false)
    }

    fn put_back_copy(&self, top: &Dir, blob: &BlobId, aside: &RelPath) -> Result<(), PathError> {
        let trashed = self.below(&self.layout.trashed_blob(blob));
        unless_taken_or_gone(top.rename_new(aside, top, &trashed))?;
        let place = self.below(&self.layout.blob(blob));
        match top.status_if_any(&place)? {
            Some(_) => Ok(()),
            None => self.take_back(blob).map(drop),
        }
    }

    /// In a synced store: waits until the disk has what was written to the store so far.
    pub fn sync_all(&self) -> Result<(), PathError> {
        if self.options.durability == Durability::Synced {
            return fs::sync_file_system(self.layout.version());
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests change files behind the back of the store"
)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use ibid_testkit::TempDir;

    use super::super::collection_tests::{HOUR, age, open, stamp_of};
    use super::*;

    const CONTENT: &[u8] = b"content";

    /// A blob that lies in its place, and in the trash as it was an hour before.
    struct Twice {
        dir: TempDir,
        store: LocalStore,
        blob: BlobId,
    }

    impl Twice {
        fn new() -> Self {
            let dir = TempDir::new();
            let store = open(&dir);
            let blob = store.put_bytes(CONTENT).unwrap().blob;
            let scene = Self { dir, store, blob };
            age(&scene.place(), 2 * HOUR);
            let listed = stamp_of(&scene.place());
            assert!(scene.store.discard_blob(&blob, listed).unwrap().went());
            assert!(!scene.store.put_bytes(CONTENT).unwrap().reused);
            age(&scene.place(), HOUR);
            scene
        }

        fn place(&self) -> std::path::PathBuf {
            self.store.blob_path(&self.blob)
        }

        fn copy(&self) -> std::path::PathBuf {
            self.store.trashed_blob_path(&self.blob)
        }

        fn stamps(&self) -> (u64, u64) {
            (stamp_of(&self.copy()), stamp_of(&self.place()))
        }

        fn delete(&self, stamps: (u64, u64)) -> bool {
            self.store.delete_copy(&self.blob, stamps).unwrap()
        }
    }

    fn set_stamp(path: &Path, stamp: u64) {
        let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_nanos(stamp));
        File::open(path).unwrap().set_times(times).unwrap();
    }

    #[test]
    fn a_copy_goes_whatever_its_stamp_is() {
        let scene = Twice::new();
        assert!(scene.delete(scene.stamps()));
        assert!(scene.place().exists() && !scene.copy().exists());
        let scene = Twice::new();
        let (_, placed) = scene.stamps();
        set_stamp(&scene.copy(), placed);
        assert!(scene.delete((placed, placed)));
        assert!(scene.place().exists() && !scene.copy().exists());
    }

    #[test]
    fn a_copy_of_what_is_damaged_goes_and_nothing_is_read_for_that() {
        let scene = Twice::new();
        let (copy, placed) = scene.stamps();
        std::fs::remove_file(scene.place()).unwrap();
        std::fs::write(scene.place(), "CONTENT").unwrap();
        set_stamp(&scene.place(), placed);
        assert!(scene.delete((copy, placed)));
        assert!(scene.store.take_faults().is_empty());
        assert!(scene.store.read_blob(&scene.blob, 100).is_err());
    }

    #[test]
    fn beside_a_file_that_was_cut_short_the_copy_stays() {
        let scene = Twice::new();
        let (copy, placed) = scene.stamps();
        std::fs::remove_file(scene.place()).unwrap();
        std::fs::write(scene.place(), "cont").unwrap();
        set_stamp(&scene.place(), placed);
        assert!(!scene.delete((copy, placed)));
        assert_eq!(scene.stamps(), (copy, placed));
    }

    #[test]
    fn the_only_one_is_no_copy_and_comes_back() {
        let scene = Twice::new();
        let stamps = scene.stamps();
        std::fs::remove_file(scene.place()).unwrap();
        assert!(!scene.delete(stamps));
        assert!(!scene.copy().exists());
        // Touched, so that whoever listed it before does not move it again.
        assert!(stamp_of(&scene.place()) > stamps.1);
        assert_eq!(scene.store.read_blob(&scene.blob, 100).unwrap(), CONTENT);
    }

    #[test]
    fn where_the_other_was_replaced_since_it_was_listed_the_copy_stays() {
        let scene = Twice::new();
        let stamps = scene.stamps();
        age(&scene.place(), 1);
        assert!(!scene.delete(stamps));
        assert_eq!(scene.stamps().0, stamps.0);
        assert!(scene.delete(scene.stamps()));
    }

    #[test]
    fn what_goes_to_the_trash_between_the_move_and_the_look_is_not_lost_with_the_copy() {
        for same in [false, true] {
            let scene = Twice::new();
            let Twice { store, blob, .. } = &scene;
            if same {
                set_stamp(&scene.copy(), stamp_of(&scene.place()));
            }
            let (copy, placed) = scene.stamps();
            let top = store.top().unwrap().unwrap();
            let aside = store.move_blob_aside(&top, blob, copy).unwrap().unwrap();
            assert!(open(&scene.dir).discard_blob(blob, placed).unwrap().went());
            let looked = store.confirm_copy(&top, (blob, copy, placed), &aside);
            assert!(!looked.unwrap());
            assert_eq!(store.read_blob(blob, 100).unwrap(), CONTENT);
            // What took the name of the copy is not deleted for it, either.
            assert!(!scene.store.delete_copy(blob, (copy, placed)).unwrap());
            assert_eq!(store.read_blob(blob, 100).unwrap(), CONTENT);
        }
    }

    #[test]
    fn what_a_reader_takes_back_meanwhile_is_not_deleted() {
        let scene = Twice::new();
        let (copy, placed) = scene.stamps();
        let top = scene.store.top().unwrap().unwrap();
        let (file, _) = fs::open_nofollow(&scene.copy()).unwrap();
        let aside = scene.store.move_blob_aside(&top, &scene.blob, copy);
        let aside = aside.unwrap().unwrap();
        std::fs::remove_file(scene.place()).unwrap();
        fs::touch_open(&file, Path::new("opened before")).unwrap();
        let looked = scene
            .store
            .confirm_copy(&top, (&scene.blob, copy, placed), &aside);
        assert!(!looked.unwrap());
        assert!(scene.place().exists());
    }

    #[test]
    fn beside_a_file_of_a_stranger_the_copy_stays() {
        if !ibid_testkit::needs_root("only root gives files away") {
            return;
        }
        let scene = Twice::new();
        std::os::unix::fs::chown(scene.place(), Some(4666), None).unwrap();
        let stamps = scene.stamps();
        assert!(!scene.delete(stamps));
        assert_eq!(scene.stamps(), stamps);
    }
}
