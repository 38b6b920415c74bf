//! `Intake`: new blobs, many of them, by the fewest calls.
//!
//! The folder for temporary files and each folder of blobs are opened once, without following a
//! link below the store, and blobs are named by short names in them. An intake stores only what is
//! new and goes right at the first try: created read-only without a name, written, checked as
//! `close` does where that can fail, linked, looked at. A link takes the lock of one folder, where a
//! rename from another takes three and threads wait for each other. It never replaces, so after many
//! blobs that were new the next ones are written without a look whether they are there. Where files
//! have names, each is created under one that nobody else knows, written, closed, renamed, looked at.
//! `None` is no verdict, and leaves nothing behind: whoever gets it goes the long way, which verifies
//! what is there, makes what is missing and tells of failures.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::blobs::Stored;
use super::layout::BLOB_MODE;
use super::local::LocalStore;
use crate::digest::BlobId;
use crate::fs::{
    Dir, FileSystemKind, Signature, close_checked, link_open, random_name, set_mode, umask,
    write_whole,
};
use crate::tree::RelPath;

/// One for each first byte of a digest.
const FOLDERS: usize = 256;

/// After so many new blobs in a row the next is taken for new until a link says otherwise. Writing
/// one in vain costs as much as twenty looks.
const NEW_IN_A_ROW: u32 = 16;

/// The way into a store, for one capture.
#[derive(Debug)]
pub struct Intake<'a> {
    store: &'a LocalStore,
    version: Option<Dir>,
    staging: Option<Dir>,
    folders: Vec<OnceLock<Option<Dir>>>,
    /// The bits of a blob's mode, and whether they have to be set.
    mode: (u32, bool),
    /// Whether files are made without a name and linked.
    nameless: AtomicBool,
    /// How many blobs were new since the last one that was not.
    new: AtomicU32,
    /// The file system where blobs lie, which may have to be asked whether a file is whole.
    on: FileSystemKind,
}

impl LocalStore {
    /// Opens what many blobs need; where it is not to be had, each goes its own way.
    pub fn intake(&self) -> Intake<'_> {
        let below = |dir: &Dir, name: &str| dir.dir(&RelPath::new(name).ok()?).ok();
        let root = self.prepare_write().ok();
        let root = root.and_then(|()| Dir::open(self.dir()).ok());
        let version = root.and_then(|root| below(&root, "v1"));
        let mode = self.layout.file_mode(BLOB_MODE);
        let on = version.as_ref().map(|dir| FileSystemKind::of(dir.path()));
        let on = on.and_then(Result::ok).unwrap_or(FileSystemKind::Unknown);
        Intake {
            store: self,
            staging: version.as_ref().and_then(|dir| below(dir, "tmp")),
            on,
            version,
            folders: std::iter::repeat_with(OnceLock::new)
                .take(FOLDERS)
                .collect(),
            mode: (mode, mode & umask() != 0),
            nameless: AtomicBool::new(true),
            new: AtomicU32::new(0),
        }
    }
}

impl Intake<'_> {
    /// Stores bytes that the store does not have.
    pub fn put_new(&self, bytes: &[u8]) -> Option<Stored> {
        let blob = BlobId::of(bytes);
        let staging = self.staging.as_ref()?;
        let (folder, name) = (self.folder(&blob)?, blob.hex());
        let is_nameless = self.nameless.load(Ordering::Relaxed);
        // Any answer but that nothing is there is for the long way.
        if !(is_nameless && self.new.load(Ordering::Relaxed) >= NEW_IN_A_ROW)
            && folder.has_here(name.as_bytes()) != Some(false)
        {
            self.new.store(0, Ordering::Relaxed);
            return None;
        }
        let seen = if is_nameless {
            self.linked(bytes, staging, (folder, &name))?
        } else {
            self.renamed(bytes, staging, (folder, &name))?
        };
        let is_right = |seen: &Signature| {
            seen.size == bytes.len() as u64 && seen.mode & 0o7777 == self.mode.0 && seen.links == 1
        };
        // Where a folder hands down other rights, or somebody else stored it in this moment.
        if !is_right(&seen) {
            return None;
        }
        self.new.fetch_add(1, Ordering::Relaxed);
        self.store.options.verified.remember(&seen, blob.digest());
        self.store.ages.learn(seen.mtime);
        self.store.added.count(seen.size);
        Some(Stored {
            blob,
            size: seen.size,
            reused: false,
            modified: seen.mtime,
        })
    }

    /// Writes a file without a name and links it, unless the name is taken. Where such files are
    /// unknown or cannot be linked, all that follow are renamed.
    fn linked(
        &self,
        bytes: &[u8],
        staging: &Dir,
        (folder, name): (&Dir, &str),
    ) -> Option<Signature> {
        let (mode, is_to_be_set) = self.mode;
        let Ok(mut file) = staging.create_nameless(mode) else {
            self.nameless.store(false, Ordering::Relaxed);
            return None;
        };
        if is_to_be_set {
            set_mode(&file, mode, staging.path()).ok()?;
        }
        write_whole(&mut file, bytes, self.on).ok()?;
        if let Err(error) = link_open(&file, folder.handle(), Path::new(name)) {
            if error.source.kind() == io::ErrorKind::AlreadyExists {
                self.new.store(0, Ordering::Relaxed);
            } else {
                self.nameless.store(false, Ordering::Relaxed);
            }
            return None;
        }
        // Linking changes the signature, so it is taken after that.
        Signature::of_open(&file, folder.path()).ok()
    }

    /// Writes a file under a name that nobody else knows and renames it.
    fn renamed(
        &self,
        bytes: &[u8],
        staging: &Dir,
        (folder, name): (&Dir, &str),
    ) -> Option<Signature> {
        let staged = random_name();
        let staged = staged.as_bytes();
        let (mode, is_to_be_set) = self.mode;
        let mut file = staging.create_here(staged, mode).ok()?;
        let written = file.write_all(bytes).is_ok()
            && (!is_to_be_set || set_mode(&file, mode, staging.path()).is_ok())
            && close_checked(file).is_ok();
        if !written
            || staging
                .rename_here(staged, folder, name.as_bytes())
                .is_err()
        {
            // After a lost reply the name may be gone: then the blob is found whole.
            let _ = staging.remove_here(staged);
            return None;
        }
        // Renaming changes the signature, so it is taken after that.
        let found = folder.facts_here(name.as_bytes()).ok()?;
        Some(found.signature)
    }

    /// Returns the folder in which a blob lies, and makes it where it is missing.
    fn folder(&self, blob: &BlobId) -> Option<&Dir> {
        let first = usize::from(blob.digest().as_bytes()[0]);
        let opened = self.folders[first].get_or_init(|| {
            let version = self.version.as_ref()?;
            let below = RelPath::new(format!("blobs/{first:02x}")).ok()?;
            version.dir(&below).ok().or_else(|| {
                let path = self.store.layout.blob(blob);
                self.store.layout.make_dir_of(&path).ok()?;
                version.dir(&below).ok()
            })
        });
        opened.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;
    use ibid_testkit::TempDir;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test puts something in the way"
    )]
    fn what_stands_in_the_way_of_a_link_is_looked_at_and_never_taken_for_the_blob() {
        use std::fs;
        use std::os::unix::fs::symlink;
        let temp = TempDir::new();
        let store = LocalStore::open(&temp.join("store"), StoreOptions::default()).unwrap();
        let ways: [&dyn Fn(&Path); 5] = [
            &|path| fs::write(path, "CONTENT0").unwrap(),
            &|path| fs::write(path, "c").unwrap(),
            &|path| fs::create_dir(path).unwrap(),
            &|path| symlink("/nowhere", path).unwrap(),
            &|path| symlink("/etc/passwd", path).unwrap(),
        ];
        for (number, put) in ways.iter().enumerate() {
            let bytes = format!("content{number}").into_bytes();
            let blob = BlobId::of(&bytes);
            let path = store.layout.blob(&blob);
            store.layout.make_dir_of(&path).unwrap();
            put(&path);
            let intake = store.intake();
            intake.new.store(NEW_IN_A_ROW, Ordering::Relaxed);
            assert_eq!(intake.put_new(&bytes), None);
            assert_eq!(intake.new.load(Ordering::Relaxed), 0);
            assert!(!store.put_bytes(&bytes).unwrap().reused);
            assert!(store.contains_verified(&blob, 8).is_ok());
        }
    }

    #[test]
    fn what_is_taken_in_is_as_if_put_and_leaves_nothing_beside() {
        let temp = TempDir::new();
        let store =
            |name: &str| LocalStore::open(&temp.join(name), StoreOptions::default()).unwrap();
        let (one, other) = (store("one"), store("other"));
        other.put_bytes(b"first").unwrap();
        one.put_bytes(b"first").unwrap();
        let intake = one.intake();
        for number in 0_u32..600 {
            // As where the file system knows no files without a name.
            intake.nameless.store(number < 300, Ordering::Relaxed);
            let bytes = number.to_le_bytes();
            let taken = intake.put_new(&bytes).unwrap();
            let put = other.put_bytes(&bytes).unwrap();
            assert_eq!((taken.blob, taken.size), (put.blob, put.size));
            assert!(!taken.reused);
            let status = |store: &LocalStore| {
                let path = store.layout.blob(&taken.blob);
                let seen = Signature::of_link(&path).unwrap();
                (seen.mode, seen.size, seen.links)
            };
            assert_eq!(status(&one), status(&other));
            assert!(one.contains_verified(&taken.blob, 4).is_ok());
        }
        assert_eq!(one.added(), other.added());
        let left = crate::fs::list_dir(&one.layout.dir("tmp")).unwrap();
        assert_eq!(left, []);
    }

    #[test]
    fn what_is_there_is_left_to_the_long_way_whether_it_is_right_or_not() {
        let temp = TempDir::new();
        let store = LocalStore::open(&temp.join("store"), StoreOptions::default()).unwrap();
        let blob = store.put_bytes(b"content").unwrap().blob;
        assert_eq!(store.intake().put_new(b"content"), None);
        let path = store.layout.blob(&blob);
        crate::fs::set_mode_of(&path, 0o644).unwrap();
        let (file, _) = crate::fs::open_in_place(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"x", 0).unwrap();
        assert_eq!(store.intake().put_new(b"content"), None);
        assert!(!store.put_bytes(b"content").unwrap().reused);
        assert!(store.contains_verified(&blob, 7).is_ok());
    }

    #[test]
    fn a_blob_that_is_there_is_found_without_a_look_too_and_then_is_looked_for_again() {
        let temp = TempDir::new();
        let store = LocalStore::open(&temp.join("store"), StoreOptions::default()).unwrap();
        let there = store.put_bytes(b"there").unwrap().blob;
        let seen = || Signature::of_link(&store.layout.blob(&there)).unwrap();
        let before = seen();
        let intake = store.intake();
        for round in 0..2_u32 {
            for number in 0..NEW_IN_A_ROW {
                let bytes = [round, number].map(u32::to_le_bytes).concat();
                assert!(intake.put_new(&bytes).is_some());
            }
            assert_eq!(intake.new.load(Ordering::Relaxed), NEW_IN_A_ROW);
            assert_eq!(intake.put_new(b"there"), None);
            assert_eq!(intake.new.load(Ordering::Relaxed), 0);
            assert!(intake.nameless.load(Ordering::Relaxed));
        }
        assert_eq!(seen(), before);
        let left = crate::fs::list_dir(&store.layout.dir("tmp")).unwrap();
        assert_eq!(left, []);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test puts a link in the way")]
    fn nothing_is_written_through_a_link_in_the_store() {
        let temp = TempDir::new();
        let store = LocalStore::open(&temp.join("store"), StoreOptions::default()).unwrap();
        let blob = store.put_bytes(b"content").unwrap().blob;
        let path = store.layout.blob(&blob);
        let elsewhere = temp.join("elsewhere");
        std::fs::rename(path.parent().unwrap(), &elsewhere).unwrap();
        std::fs::remove_file(elsewhere.join(path.file_name().unwrap())).unwrap();
        std::os::unix::fs::symlink(&elsewhere, path.parent().unwrap()).unwrap();
        assert_eq!(store.intake().put_new(b"content"), None);
        assert_eq!(crate::fs::list_dir(&elsewhere).unwrap(), []);
    }
}
