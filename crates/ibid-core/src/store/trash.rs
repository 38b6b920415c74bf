//! The trash: where what is collected goes first, and from where it comes back if it is needed.
//!
//! ```text
//! trash/blobs/ab/<hex>       blobs that nothing named when they were moved
//! trash/keys/ab/<hex>        keys' files that were evicted
//! trash/<name>-<random>      what was put aside as damaged
//! ```
//!
//! Invariants: moving is a rename, so a reader that has opened a blob goes on reading it; nothing
//! is moved that changed since the caller saw it, and what changed while it was moved goes back;
//! a blob whose bytes are needed again is touched and renamed back, by whoever finds it missing.
//! Every name is resolved beneath the handle of the version's directory, no link is followed, and
//! nothing on another device is touched (hazard D7). `docs/design/collection.md` has the proof.

use std::io::ErrorKind;
use std::path::Path;

use rustix::io::Errno;

use super::evict::is_tombstone;
use super::local::LocalStore;
use super::results::KEY_FILE_LIMIT;
use super::run_index::RunName;
use crate::digest::{BlobId, Key};
use crate::fs::{
    self, Dir, Facts, FileKind, IfPresent as _, IoContext as _, PathError, Signature, Timestamp,
    random_name,
};
use crate::tree::RelPath;

/// Below these something can be deleted for good.
const DELETABLE: [&str; 4] = ["trash/", "tmp/", "leases/", "views/"];

/// What a move came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Done,
    /// It lies where it was to go, and this process may not be the one that moved it: a network
    /// file system that loses a reply answers the repeated call as if it came too late.
    Found,
    /// What was to be moved is gone.
    Gone,
}

impl Moved {
    /// Returns where it is now.
    pub(super) fn away(self) -> Away {
        match self {
            Self::Done => Away::Trashed,
            Self::Found => Away::Found,
            Self::Gone => Away::Stays,
        }
    }
}

/// What became of a file that was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// It stays, or somebody else took it.
    Stays,
    /// It lies in the trash, where this process moved it.
    Trashed,
    /// It lies in the trash, where another process may have moved it, which counts it.
    Found,
    /// It is deleted: the trash had no room for it.
    Deleted,
}

impl Away {
    /// Returns `away` where something went, else that it stays.
    pub(super) fn if_so(went: bool, away: Self) -> Self {
        if went { away } else { Self::Stays }
    }

    /// Says whether it went.
    pub fn went(self) -> bool {
        self != Self::Stays
    }

    /// Says whether it went by what this process did.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Trashed | Self::Deleted)
    }

    /// Says whether it lies in the trash.
    pub fn lies_in_trash(self) -> bool {
        matches!(self, Self::Trashed | Self::Found)
    }
}

impl LocalStore {
    /// Returns the store's own clock: the stamp of a file that is touched there. `None` where
    /// nothing can be written, or no store is.
    pub fn own_clock(&self) -> Option<Timestamp> {
        self.top().ok()??;
        let staged = self.stage().ok()?;
        let signature = Signature::of_open(staged.file(), staged.path()).ok()?;
        self.ages.learn(signature.mtime);
        Some(signature.mtime)
    }

    /// Moves a blob to the trash, unless it was freshened since it was last `modified`, in
    /// nanoseconds since 1970; where the trash has no room, it is deleted.
    pub fn discard_blob(&self, blob: &BlobId, modified: u64) -> Result<Away, PathError> {
        let Some(top) = self.top()? else {
            return Ok(Away::Stays);
        };
        let Some(seen) = self.discardable(&top, blob, modified)? else {
            return Ok(Away::Stays);
        };
        match self.move_blob_out(&top, blob, &seen) {
            Err(error) if error.is_full() => {
                let deleted = self.delete_blob(&top, blob, modified)?;
                Ok(Away::if_so(deleted, Away::Deleted))
            }
            Err(error) => Err(error),
            Ok(moved) => match moved.away() {
                Away::Stays => Ok(Away::Stays),
                away => {
                    let stays_away = self.confirm_discard(&top, blob, modified)?;
                    Ok(Away::if_so(stays_away, away))
                }
            },
        }
    }

    /// Looks again at a blob that is to go: `None` if it must stay.
    pub(super) fn discardable(
        &self,
        top: &Dir,
        blob: &BlobId,
        modified: u64,
    ) -> Result<Option<Signature>, PathError> {
        let found = top.status_if_any(&self.below(&self.layout.blob(blob)))?;
        let device = top.own_status()?.device;
        Ok(found.filter(|it| {
            it.kind() == FileKind::File && it.device == device && stamp(it) == modified
        }))
    }

    /// Moves a blob to its place in the trash, over an older copy of it.
    pub(super) fn move_blob_out(
        &self,
        top: &Dir,
        blob: &BlobId,
        seen: &Signature,
    ) -> Result<Moved, PathError> {
        let from = self.below(&self.layout.blob(blob));
        let to = self.below(&self.layout.trashed_blob(blob));
        self.move_out(top, (&from, &to), seen)
    }

    /// Looks at what was moved: somebody may have freshened or replaced it in between. Says
    /// whether it stays in the trash.
    pub(super) fn confirm_discard(
        &self,
        top: &Dir,
        blob: &BlobId,
        modified: u64,
    ) -> Result<bool, PathError> {
        let from = self.below(&self.layout.trashed_blob(blob));
        match top.status_if_any(&from)? {
            Some(moved) if stamp(&moved) == modified => Ok(true),
            // Somebody took it back already.
            None => Ok(false),
            Some(_) => {
                let back = top.rename_new(&from, top, &self.below(&self.layout.blob(blob)));
                unless_taken_or_gone(back).map(|()| false)
            }
        }
    }

    /// Deletes for good a blob in the trash, unless it was freshened since it was last `modified`:
    /// then it goes back, as it does after a move. It first gets a name that nobody else uses, so
    /// that what is looked at is what is deleted. Says whether it was deleted.
    pub fn delete_discarded(&self, blob: &BlobId, modified: u64) -> Result<bool, PathError> {
        let Some(top) = self.top()? else {
            return Ok(false);
        };
        match self.move_blob_aside(&top, blob, modified)? {
            Some(aside) => self.confirm_delete(&top, (blob, modified), &aside),
            None => Ok(false),
        }
    }

    /// Gives a blob in the trash a name that nobody else uses, if it is as listed.
    pub(super) fn move_blob_aside(
        &self,
        top: &Dir,
        blob: &BlobId,
        modified: u64,
    ) -> Result<Option<RelPath>, PathError> {
        let trashed = self.below(&self.layout.trashed_blob(blob));
        let found = top.status_if_any(&trashed)?;
        if found.is_none_or(|it| stamp(&it) != modified) {
            return Ok(None);
        }
        let aside = Self::aside(&blob.hex());
        let moved = top.rename(&trashed, top, &aside).if_present()?;
        Ok(moved.map(|()| aside))
    }

    /// Looks at what was moved aside: somebody may have opened and freshened it before, and then it
    /// goes back to its place. Says whether it was deleted.
    pub(super) fn confirm_delete(
        &self,
        top: &Dir,
        (blob, modified): (&BlobId, u64),
        aside: &RelPath,
    ) -> Result<bool, PathError> {
        let found = top.status_if_any(aside)?;
        if found.is_some_and(|it| stamp(&it) == modified) {
            return top.remove_file(aside).map(|()| true);
        }
        let back = top.rename_new(aside, top, &self.below(&self.layout.blob(blob)));
        unless_taken_or_gone(back).map(|()| false)
    }

    /// Takes a blob back from the trash, where it is looked for under its name. Says whether there
    /// was one: whether it is whole is for the reader to find out. It is touched first, so that no
    /// collection that saw it before moves it again.
    pub fn take_back(&self, blob: &BlobId) -> Result<bool, PathError> {
        let Some(top) = self.top()? else {
            return Ok(false);
        };
        let from = self.below(&self.layout.trashed_blob(blob));
        let to = self.layout.blob(blob);
        let Some((file, seen)) = top.open_file(&from).if_present()? else {
            return Ok(false);
        };
        self.freshen((&file, &top.path_of(&from)), &seen, blob);
        let back = || top.rename_new(&from, &top, &self.below(&to));
        let renamed = match back() {
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                self.layout.make_dir_of(&to)?;
                back()
            }
            renamed => renamed,
        };
        unless_taken_or_gone(renamed).map(|()| true)
    }

    /// Forgets an entry of history by its file's name. Says whether it was there.
    pub fn forget_run(&self, name: &str) -> Result<bool, PathError> {
        let path = self.layout.dir("runs").join(name);
        let is_entry = RunName::parse(name.as_bytes()).is_some_and(|it| it.to_string() == name);
        if !is_entry {
            return Err(Errno::INVAL).context("forget", &path);
        }
        match self.top()? {
            Some(top) => {
                let removed = top.remove_file(&self.below(&path)).if_present()?;
                Ok(removed.is_some())
            }
            None => Ok(false),
        }
    }

    /// Deletes for good what lies at this path below the version's directory, a file or a tree,
    /// through handles that no link leads out of. Only what is in `trash/`, `tmp/`, `leases/` or
    /// `views/` can be deleted. A tombstone that lies among the evicted keys' files goes back.
    /// Says whether the path itself was deleted here, which of two that are at it is one.
    pub fn delete_leftover(&self, path: &str) -> Result<bool, PathError> {
        let refused = || Err(Errno::INVAL).context("delete", &self.layout.dir(path));
        let Ok(below) = RelPath::new(path) else {
            return refused();
        };
        if !DELETABLE.iter().any(|dir| path.starts_with(dir)) {
            return refused();
        }
        let Some(top) = self.top()? else {
            return Ok(false);
        };
        if self.take_back_tombstone(path)? {
            return Ok(false);
        }
        let device = top.own_status()?.device;
        let mut last = false;
        // The path itself comes last.
        for (file, kind) in found_at(&top, &below, device)?.into_iter().rev() {
            let removed = match self.evicted_key(&file) {
                _ if kind == FileKind::Dir => top.remove_dir(&file).map(|()| true),
                Some(key) => self.delete_trashed_key(&top, &key),
                None => top.remove_file(&file).map(|()| true),
            };
            last = match removed.if_present() {
                // Somebody puts something there at this moment.
                Err(error) if error.source.kind() == ErrorKind::DirectoryNotEmpty => false,
                removed => removed? == Some(true),
            };
        }
        Ok(last)
    }

    /// Takes back what is remembered of an invalidation, where a collector that looked whether it
    /// may go was killed before it had: it lies in the trash as `trash/<key>-<random>`. A newer one
    /// that stands is not replaced. Says whether something came back.
    pub fn take_back_tombstone(&self, path: &str) -> Result<bool, PathError> {
        let key = path
            .strip_prefix("trash/")
            .and_then(|name| name.split_once('-'));
        let key = key.and_then(|(key, _)| key.parse::<Key>().ok());
        let (Some(key), Ok(lying)) = (key, RelPath::new(path)) else {
            return Ok(false);
        };
        let Some(top) = self.top()? else {
            return Ok(false);
        };
        // What cannot be opened or read is none: a tombstone is a small file of a trusted writer.
        let Ok((file, seen)) = top.open_file(&lying) else {
            return Ok(false);
        };
        let read = fs::read_limited((&file, &top.path_of(&lying)), seen.size, KEY_FILE_LIMIT);
        if !read.is_ok_and(|file| is_tombstone(&file)) {
            return Ok(false);
        }
        let place = self.below(&self.layout.tombstone(&key));
        let mut back = top.rename_new(&lying, &top, &place);
        if back.as_ref().is_err_and(PathError::is_absent) {
            let shard = place.parent().expect("tombstones lie in a shard");
            self.make_dirs(&top, &shard)?;
            back = top.rename_new(&lying, &top, &place);
        }
        match back {
            Ok(()) => Ok(true),
            Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the key whose evicted file has this path.
    fn evicted_key(&self, path: &RelPath) -> Option<Key> {
        let name = std::str::from_utf8(path.name()?).ok()?;
        let key: Key = name.parse().ok()?;
        (self.below(&self.layout.trashed_key(&key)) == *path).then_some(key)
    }

    /// Opens the version's directory, below which everything is done by handle; `None` where
    /// nothing may be written, or no store is.
    pub(super) fn top(&self) -> Result<Option<Dir>, PathError> {
        if !self.is_writable() {
            return Ok(None);
        }
        Dir::open(self.layout.version()).if_present()
    }

    /// Returns a path of the layout relative to the version's directory.
    pub(super) fn below(&self, path: &Path) -> RelPath {
        use std::os::unix::ffi::OsStrExt as _;
        let below = path.strip_prefix(self.layout.version());
        let below = below.expect("names of the layout lie below the version's directory");
        RelPath::new(below.as_os_str().as_bytes()).expect("names of the layout are clean")
    }

    /// Renames what was `seen` into the trash, and makes directories there that are missing. After
    /// an error the inode in the trash decides: only the reply may be lost (hazard D6), or another
    /// collector was first.
    pub(super) fn move_out(
        &self,
        top: &Dir,
        (from, to): (&RelPath, &RelPath),
        seen: &Signature,
    ) -> Result<Moved, PathError> {
        let mut renamed = top.rename(from, top, to);
        let is_absence = |error: &PathError| error.source.kind() == ErrorKind::NotFound;
        if renamed.as_ref().is_err_and(is_absence) && top.status_if_any(from)?.is_some() {
            let parent = to.parent().expect("names in the trash lie in a shard");
            self.make_dirs(top, &parent)?;
            renamed = top.rename(from, top, to);
        }
        let Err(error) = renamed else {
            return Ok(Moved::Done);
        };
        let is_it = |found: Signature| found.is_inode_of(seen);
        if top.status_if_any(to)?.is_some_and(is_it) {
            return Ok(Moved::Found);
        }
        if is_absence(&error) {
            return Ok(Moved::Gone);
        }
        Err(error)
    }

    /// Makes directories below the handle, with the group and the mode that those of the store have.
    fn make_dirs(&self, top: &Dir, below: &RelPath) -> Result<(), PathError> {
        let policy = self.layout.dir_policy(&Facts::of(self.dir())?);
        let mut path = RelPath::ROOT;
        for name in below.components() {
            path = path.child(name).expect("it is one component");
            match top.create_private_dir(&path) {
                Ok(dir) => fs::set_policy(&dir, policy)?,
                Err(error) if error.source.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns a name in the trash that nothing has.
    pub(super) fn aside(name: &str) -> RelPath {
        RelPath::new(format!("trash/{name}-{}", random_name())).expect("the name is clean")
    }
}

/// A rename back that somebody else was faster with, or that would replace a newer file, is none
/// that is wanted.
pub(super) fn unless_taken_or_gone(renamed: Result<(), PathError>) -> Result<(), PathError> {
    match renamed.if_present() {
        Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(()),
        renamed => renamed.map(drop),
    }
}

/// Lists what stands at a path and below it, directories before what is in them. What lies on
/// another device is an error: nothing of it is touched.
fn found_at(top: &Dir, path: &RelPath, device: u64) -> Result<Vec<(RelPath, FileKind)>, PathError> {
    let Some(signature) = top.status_if_any(path)? else {
        return Ok(Vec::new());
    };
    let check = |signature: &Signature, path: &RelPath| {
        if signature.device == device {
            Ok(signature.kind())
        } else {
            Err(Errno::XDEV).context("delete", &top.path_of(path))
        }
    };
    let mut found = vec![(path.clone(), check(&signature, path)?)];
    let mut next = 0;
    while let Some((path, kind)) = found.get(next).cloned() {
        next += 1;
        if kind != FileKind::Dir {
            continue;
        }
        let Some(dir) = top.dir(&path).if_present()? else {
            continue;
        };
        for listed in dir.list()? {
            let name = RelPath::new(listed.name).expect("a listed name is one component");
            let below = path.join(&name);
            if let Some(signature) = dir.status_if_any(&name)? {
                found.push((below.clone(), check(&signature, &below)?));
            }
        }
    }
    Ok(found)
}

/// Returns when a file was last modified, in nanoseconds since 1970.
pub(super) fn stamp(signature: &Signature) -> u64 {
    u64::try_from(signature.mtime.as_nanos()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use ibid_testkit::TempDir;

    use super::*;
    use crate::digest::Digest;
    use crate::fs::{create_dirs, exists, list_dir, read_small};
    use crate::store::{Lookup, StoreOptions};

    const NAME: &str = "00000000000000000007-0a1b2c3d-00000000000000ff";

    fn open(dir: &TempDir) -> LocalStore {
        LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap()
    }

    fn plant(store: &LocalStore, path: &str) {
        let mut staged = store.stage_bytes(b"x", 0o644).unwrap();
        let path = store.layout.dir(path);
        store.layout.publish_over(&mut staged, &path).unwrap();
    }

    fn there(store: &LocalStore, path: &str) -> bool {
        exists(&store.layout.dir(path)).unwrap()
    }

    #[test]
    fn nothing_but_leftovers_can_be_deleted() {
        let dir = TempDir::new();
        let store = open(&dir);
        plant(&store, "keys/ab/x");
        plant(&store, "trash/x");
        let wrong = [
            "",
            "trash",
            "trash/",
            "tmp",
            "keys/ab/x",
            "generation",
            "trash/../keys/ab/x",
            "/etc/passwd",
            "trash//x",
            "./trash/x",
            "trashy/x",
        ];
        for path in wrong {
            assert!(store.delete_leftover(path).is_err(), "{path}");
        }
        assert!(there(&store, "keys/ab/x") && there(&store, "trash/x"));
        store.delete_leftover("trash/x").unwrap();
        store.delete_leftover("trash/x").unwrap();
        assert!(!there(&store, "trash/x"));
    }

    #[test]
    fn a_tree_is_deleted_and_links_in_it_lead_nowhere() {
        let dir = TempDir::new();
        let store = open(&dir);
        for path in ["views/v/a/b", "views/v/c", "views/w/a", "leases/l", "tmp/t"] {
            plant(&store, path);
        }
        let outside = dir.join("outside");
        create_dirs(&outside.join("deep"), None).unwrap();
        symlink(&outside, store.layout.dir("views/v/link")).unwrap();
        symlink(&outside, store.layout.dir("views/out")).unwrap();
        for path in ["views/v", "leases/l", "tmp/t"] {
            store.delete_leftover(path).unwrap();
            assert!(!there(&store, path));
        }
        assert!(store.delete_leftover("views/out/deep").is_err());
        store.delete_leftover("views/out").unwrap();
        assert!(exists(&outside.join("deep")).unwrap());
        assert!(there(&store, "views/w/a") && !there(&store, "views/out"));
    }

    #[test]
    fn a_linked_trash_gets_nothing() {
        let dir = TempDir::new();
        let store = open(&dir);
        let blob = store.put_bytes(b"content").unwrap().blob;
        let outside = dir.join("outside");
        create_dirs(&outside, None).unwrap();
        symlink(&outside, store.layout.dir("trash")).unwrap();
        let modified = Signature::of_link(&store.layout.blob(&blob)).unwrap();
        assert!(store.discard_blob(&blob, stamp(&modified)).is_err());
        assert_eq!(list_dir(&outside).unwrap(), []);
        assert_eq!(store.read_blob(&blob, 10).unwrap(), b"content");
    }

    #[test]
    fn what_stands_at_a_blobs_name_and_is_no_file_is_not_moved() {
        let dir = TempDir::new();
        let store = open(&dir);
        store.put_bytes(b"content").unwrap();
        let blob = BlobId::of(b"another");
        let place = store.layout.blob(&blob);
        create_dirs(&place, None).unwrap();
        let modified = Signature::of_link(&place).unwrap();
        assert!(!store.discard_blob(&blob, stamp(&modified)).unwrap().went());
        assert!(!store.discard_blob(&BlobId::of(b"none"), 0).unwrap().went());
        assert!(exists(&place).unwrap());
    }

    #[test]
    fn only_an_entry_of_history_is_forgotten() {
        let dir = TempDir::new();
        let store = open(&dir);
        plant(&store, &format!("runs/{NAME}"));
        plant(&store, "keys/ab/x");
        for wrong in ["", "..", "../keys/ab/x", "notes", &NAME.to_uppercase()] {
            assert!(store.forget_run(wrong).is_err(), "{wrong}");
        }
        store.forget_run(NAME).unwrap();
        store.forget_run(NAME).unwrap();
        assert!(!there(&store, &format!("runs/{NAME}")) && there(&store, "keys/ab/x"));
    }

    #[test]
    fn asking_for_the_time_leaves_nothing_and_makes_no_store() {
        let dir = TempDir::new();
        let store = open(&dir);
        assert_eq!(store.own_clock(), None);
        assert!(!exists(&dir.join("store")).unwrap());
        store.put_bytes(b"content").unwrap();
        assert!(store.own_clock().is_some());
        assert_eq!(list_dir(&store.layout.dir("tmp")).unwrap(), []);
    }

    #[test]
    fn an_evicted_keys_file_is_deleted_and_the_key_stays_absent() {
        let dir = TempDir::new();
        let store = open(&dir);
        let key = Key::new(Digest::from_bytes([7; 32]));
        let file = crate::store::format::KeyFile::Result(BlobId::of(b"r")).encode();
        let mut staged = store.stage_bytes(&file, 0o644).unwrap();
        let place = store.layout.key(&key);
        store.layout.publish_over(&mut staged, &place).unwrap();
        assert!(store.evict(&key, &BlobId::of(b"r")).unwrap().went());
        assert_eq!(
            read_small(&store.layout.trashed_key(&key), 100).unwrap(),
            file
        );
        store.delete_leftover("trash/keys").unwrap();
        assert_eq!(list_dir(&store.layout.dir("trash")).unwrap(), []);
        assert!(matches!(store.look_up(&key), Lookup::Absent(_)));
    }
}
