//! Blobs: content under the name of its digest.
//!
//! Invariants: what is written is hashed as it is written, gets its name only when it is whole
//! and read-only, and is always an inode of its own. A blob that is there already counts only
//! with the right size and if this host wrote or verified it since it booted, or verifies it
//! there and then; else it is replaced (hazard C2). Whatever is handed out is verified on the
//! way, or was verified once in this boot under the same signature (hazard F1). What is wrong is
//! read a second time from a new descriptor, because on a network file system a replaced file can
//! look cut (hazard B5), and then put aside. A failing read puts nothing aside (hazard E4). A blob
//! that is missed where it is read comes back from the trash, if it is there.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rustix::io::Errno;

use super::error::{BlobProblem, StoreError};
use super::intake::Intake;
use super::layout::BLOB_MODE;
use super::local::LocalStore;
use crate::digest::BlobId;
use crate::fs::{self, HashError, Meter, PathError, Signature, Threads, Timestamp};

/// Up to this size a source is read into memory, so that a blob that is there already costs no
/// temporary file: creating and removing one is what ext4 is slowest at.
const IN_MEMORY: u64 = 256 * 1024;

/// Larger blobs are hashed before they are read into memory.
pub(super) const HASHED_FIRST: u64 = 16 << 20;

/// Larger blobs are not hashed only to learn whether they or their name is wrong.
const JUDGED: u64 = 1 << 30;

/// An empty or tiny clone costs more than its copy.
pub(super) const SHARED_FROM: u64 = 4096;

/// How content leaves the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkMode {
    /// Always copied.
    Copy,
    /// Shared by the file system where it can, else copied.
    #[default]
    Reflink,
    /// A hard link to the read-only blob where possible, else copied.
    Hard,
    /// As [`LinkMode::Reflink`], but nobody is to write in it.
    ReadOnly,
}

/// A blob that is in the store now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub blob: BlobId,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it was there already: a commit looks again that it still is (hazard D3).
    pub reused: bool,
    /// When it was written or last freshened, as the store's file system stamps.
    pub modified: Timestamp,
}

/// A blob as it was opened, not verified.
struct Opened {
    file: File,
    path: PathBuf,
    signature: Signature,
    /// Whether nobody can change it behind this process's back: its owner could be writing to it
    /// through a mapping that is older than its mode, which no status tells (hazard B2).
    steady: bool,
}

/// Where a blob is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// At its place only: whoever has its bytes writes them anew, and what was evicted stays so.
    InPlace,
    /// In the trash as well, from where it is taken back.
    Anywhere,
}

/// What one look at a blob found.
enum Wrong {
    /// The bytes or the size; the descriptor's signature, or none.
    Content(String, Signature),
    Other(BlobProblem),
}

impl LocalStore {
    /// Stores the content of an open file. The digest is of the bytes that were copied; whether
    /// the source changed meanwhile is for the caller to find out.
    pub fn put_file(
        &self,
        src: &File,
        src_path: &Path,
        meter: &Meter,
    ) -> Result<Stored, StoreError> {
        let size = Signature::of_open(src, src_path)
            .map_err(StoreError::Io)?
            .size;
        self.put_file_of((src, src_path), (size, None), meter)
    }

    /// The same for a file that was `size` bytes long a moment ago, and that may be new.
    pub fn put_file_of(
        &self,
        (src, src_path): (&File, &Path),
        (size, intake): (u64, Option<&Intake<'_>>),
        meter: &Meter,
    ) -> Result<Stored, StoreError> {
        thread_local! {
            // A fresh one for each of ten thousand small files costs more than their bytes.
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        if size <= IN_MEMORY {
            let small = usize::try_from(size).expect("it is small");
            let mut bytes = BUFFER.take();
            bytes.resize(bytes.len().max(small + 1), 0);
            // One byte more tells a file that grew, and a short count is the end of a regular one.
            let count = src.read_at(&mut bytes[..=small], 0);
            let stored = match count {
                Ok(count) if count == small => {
                    let bytes = &bytes[..count];
                    let new = intake.and_then(|intake| intake.put_new(bytes));
                    Some(new.map_or_else(|| self.put_bytes(bytes), Ok))
                }
                // Others are copied like large ones.
                _ => None,
            };
            BUFFER.set(bytes);
            if let Some(stored) = stored {
                meter.add_done(size);
                return stored;
            }
        }
        let mut staged = self.stage()?;
        let target = (staged.file(), staged.path());
        let (digest, size) = fs::copy_hashing((src, src_path), target, meter)
            .map_err(|error| self.write_failed(error))?;
        let blob = BlobId::new(digest);
        if let Some(modified) = self.reuse(&blob, size) {
            return Ok(Stored {
                blob,
                size,
                reused: true,
                modified,
            });
        }
        staged
            .set_mode(self.layout.file_mode(BLOB_MODE))
            .map_err(|error| self.write_failed(error))?;
        let modified = self.publish_blob(&mut staged, &blob)?;
        Ok(Stored {
            blob,
            size,
            reused: false,
            modified,
        })
    }

    /// Stores bytes.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Stored, StoreError> {
        let blob = BlobId::of(bytes);
        let size = bytes.len() as u64;
        self.prepare_write()?;
        let found = self.reuse(&blob, size);
        let modified = if let Some(modified) = found {
            modified
        } else {
            let mut staged = self.stage_bytes(bytes, BLOB_MODE)?;
            self.publish_blob(&mut staged, &blob)?
        };
        Ok(Stored {
            blob,
            size,
            reused: found.is_some(),
            modified,
        })
    }

    /// Gives a staged blob its name. Ours replaces what is there: that was found wrong, or is
    /// the same, put there by somebody else in this moment. Returns its stamp.
    pub(super) fn publish_blob(
        &self,
        staged: &mut fs::Staged,
        blob: &BlobId,
    ) -> Result<Timestamp, StoreError> {
        let path = self.layout.blob(blob);
        self.layout
            .publish_over(staged, &path)
            .map_err(|error| self.replace_failed(error, &path))?;
        // Renaming changes the signature, so it is taken after that.
        let Ok(signature) = Signature::of_link(&path) else {
            // Of unknown age, so that a commit looks again.
            return Ok(Timestamp::default());
        };
        self.options.verified.remember(&signature, blob.digest());
        self.ages.learn(signature.mtime);
        self.added.count(signature.size);
        Ok(signature.mtime)
    }

    /// Freshens a blob that is there and whole, and returns its stamp. One that is not whole is
    /// told, and not put aside: the caller has the right bytes at hand and replaces it. So is a
    /// stranger's, which is whole as yet.
    fn reuse(&self, blob: &BlobId, size: u64) -> Option<Timestamp> {
        let path = self.layout.blob(blob);
        match self.look_at((blob, Where::InPlace), Some(size)) {
            Ok((file, seen, true)) => Some(self.freshen((&file, &path), &seen, blob)),
            Err(Wrong::Content(reason, _)) => {
                self.report("blob", &path, &reason);
                None
            }
            Ok((_, _, false)) | Err(Wrong::Other(_)) => None,
        }
    }

    /// Says whether a blob is there, has the right size, and was verified: in this boot, or now.
    pub fn contains_verified(&self, blob: &BlobId, size: u64) -> Result<(), BlobProblem> {
        self.open_verified(blob, Some(size)).map(drop)
    }

    /// Says whether a file of the right size has the blob's name, without reading it: a look
    /// that tells evicted from stored, and not more.
    pub fn seems_present(&self, blob: &BlobId, size: Option<u64>) -> bool {
        Signature::of_link(&self.layout.blob(blob))
            .is_ok_and(|signature| size.is_none_or(|size| size == signature.size))
    }

    /// Returns the length of the file that has the blob's name, without reading it.
    pub fn blob_size(&self, blob: &BlobId) -> Option<u64> {
        let signature = Signature::of_link(&self.layout.blob(blob)).ok()?;
        Some(signature.size)
    }

    /// Opens a blob that is verified: in this boot and unchanged since, or now by reading it.
    pub fn open_verified(
        &self,
        blob: &BlobId,
        size: Option<u64>,
    ) -> Result<(File, Signature), BlobProblem> {
        let look = || self.look_at((blob, Where::Anywhere), size);
        let (file, signature, _) = self.twice(blob, look)?;
        Ok((file, signature))
    }

    /// The same for a file that is to be shared or linked; `None` where its owner might change it
    /// later, and its bytes have to be copied.
    fn open_steady(
        &self,
        blob: &BlobId,
        size: u64,
    ) -> Result<Option<(File, Signature)>, BlobProblem> {
        let look = || self.look_at((blob, Where::Anywhere), Some(size));
        let (file, signature, steady) = self.twice(blob, look)?;
        Ok(steady.then_some((file, signature)))
    }

    /// Reads a whole blob of at most `limit` bytes and verifies it.
    pub fn read_blob(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, BlobProblem> {
        self.read_blob_of((blob, Where::Anywhere), limit)
    }

    /// The same for a blob that counts as gone once it is in the trash.
    pub(super) fn read_blob_in_place(
        &self,
        blob: &BlobId,
        limit: u64,
    ) -> Result<Vec<u8>, BlobProblem> {
        self.read_blob_of((blob, Where::InPlace), limit)
    }

    fn read_blob_of(
        &self,
        (blob, place): (&BlobId, Where),
        limit: u64,
    ) -> Result<Vec<u8>, BlobProblem> {
        self.twice(blob, || {
            let Opened {
                file,
                path,
                signature,
                ..
            } = self.open_unverified(blob, place).map_err(Wrong::Other)?;
            if signature.size > limit {
                let blob = *blob;
                return Err(Wrong::Other(BlobProblem::TooLarge { blob, limit }));
            }
            check_before_reading((&file, &path), blob, &signature)?;
            let bytes = fs::read_limited((&file, &path), signature.size, signature.size)
                .map_err(|error| unreadable(blob, error))?;
            if BlobId::of(&bytes) == *blob {
                Ok(bytes)
            } else {
                Err(Wrong::Content("wrong digest".to_owned(), signature))
            }
        })
    }

    /// Copies a blob to the start of the empty file `dst` and verifies it on the way. On any
    /// error the caller discards `dst`, which may hold a part or wrong bytes.
    pub fn copy_out(
        &self,
        blob: &BlobId,
        size: u64,
        (dst, dst_path): (&File, &Path),
        meter: &Meter,
    ) -> Result<(), BlobProblem> {
        self.twice(blob, || {
            let Opened {
                file,
                path,
                signature,
                ..
            } = self
                .open_unverified(blob, Where::Anywhere)
                .map_err(Wrong::Other)?;
            check_size(&signature, Some(size))?;
            dst.set_len(0).map_err(|source| {
                destination(
                    blob,
                    PathError {
                        operation: "empty",
                        path: dst_path.to_owned(),
                        source,
                    },
                )
            })?;
            let copied = fs::copy_hashing((&file, &path), (dst, dst_path), meter);
            match copied {
                Ok((digest, _)) if digest == *blob.digest() => Ok(()),
                Ok(_) => Err(Wrong::Content("wrong digest".to_owned(), signature)),
                Err(error) if error.path == dst_path => Err(destination(blob, error)),
                Err(error) => Err(unreadable(blob, error)),
            }
        })
    }

    /// Fills the empty file `dst` by reflink where `mode` allows it and the file system can, else
    /// by a verified copy. Returns whether the content is shared. [`LinkMode::Hard`] copies here:
    /// see [`LocalStore::hard_link`].
    pub fn export(
        &self,
        (blob, size): (&BlobId, u64),
        mode: LinkMode,
        dst: (&File, &Path),
        meter: &Meter,
    ) -> Result<bool, BlobProblem> {
        let refused = self.reflink_refused.load(Ordering::Relaxed);
        if mode == LinkMode::Reflink
            && size >= SHARED_FROM
            && !refused
            && let Some((file, _)) = self.open_steady(blob, size)?
        {
            match fs::reflink(&file, dst.0) {
                Ok(()) => {
                    meter.add_done(size);
                    return Ok(true);
                }
                // The store's own file system cannot: no further blob need be tried.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => {
                    self.reflink_refused.store(true, Ordering::Relaxed);
                }
                Err(_) => {}
            }
        }
        self.copy_out(blob, size, dst, meter)?;
        Ok(false)
    }

    /// Links a verified blob to `name` in the open directory `dir`, where nothing of that name
    /// may be. Returns `false` where a hard link is not to be had or not wanted, and the caller
    /// copies instead: for empty files, as root (who may write what is read-only), across file
    /// systems (hazard F2).
    pub fn hard_link(
        &self,
        blob: &BlobId,
        size: u64,
        dir: BorrowedFd<'_>,
        name: &Path,
    ) -> Result<bool, BlobProblem> {
        if size == 0 || fs::is_root() {
            return Ok(false);
        }
        let Some((file, before)) = self.open_steady(blob, size)? else {
            return Ok(false);
        };
        if fs::link_open(&file, dir, name).is_err() {
            return Ok(false);
        }
        // The link itself changed the signature; anything else that changed must be seen.
        if let Ok(after) = Signature::of_open(&file, &self.layout.blob(blob)) {
            let expected = Signature {
                ctime: after.ctime,
                links: before.links + 1,
                ..before
            };
            if after == expected {
                self.options.verified.remember(&after, blob.digest());
            }
        }
        Ok(true)
    }

    fn open_unverified(&self, blob: &BlobId, place: Where) -> Result<Opened, BlobProblem> {
        let open = |path: PathBuf| match fs::open_with_facts(&path) {
            Ok((file, facts)) => Ok(Opened {
                file,
                path,
                signature: facts.signature,
                steady: self.trusts(facts.owner),
            }),
            Err(error) if error.is_absent() => Err(BlobProblem::Absent(*blob)),
            Err(error) => Err(BlobProblem::Unreadable { blob: *blob, error }),
        };
        match open(self.layout.blob(blob)) {
            Err(BlobProblem::Absent(_)) if place == Where::Anywhere => {}
            opened => return opened,
        }
        // Opened first: whatever becomes of the name from here on, these are its bytes.
        let in_trash = open(self.layout.trashed_blob(blob));
        if in_trash.is_ok() {
            // Where it cannot be taken back it is read there.
            let _ = self.take_back(blob);
        }
        // Somebody else may have taken it back, or stored it anew, between the two looks.
        match open(self.layout.blob(blob)) {
            Err(BlobProblem::Absent(_)) => in_trash,
            opened => opened,
        }
    }

    /// Opens and verifies once, and says whether it is steady.
    fn look_at(
        &self,
        (blob, place): (&BlobId, Where),
        size: Option<u64>,
    ) -> Result<(File, Signature, bool), Wrong> {
        let Opened {
            file,
            path,
            signature,
            steady,
        } = self.open_unverified(blob, place).map_err(Wrong::Other)?;
        check_size(&signature, size)?;
        if steady && self.options.verified.verified(&signature, blob.digest()) {
            return Ok((file, signature, steady));
        }
        let hashed = fs::hash_open(&file, &path, signature.size, Threads::Many, &Meter::new());
        match hashed {
            Ok(digest) if digest == *blob.digest() => {}
            Ok(_) => return Err(Wrong::Content("wrong digest".to_owned(), signature)),
            Err(HashError::Io(error)) => return Err(unreadable(blob, error)),
            Err(error) => return Err(Wrong::Content(error.to_string(), signature)),
        }
        if steady {
            self.options.verified.remember(&signature, blob.digest());
        }
        Ok((file, signature, steady))
    }

    /// Tries again once from a new descriptor if the content was wrong, and puts the blob aside
    /// if it still is.
    fn twice<T>(
        &self,
        blob: &BlobId,
        look: impl Fn() -> Result<T, Wrong>,
    ) -> Result<T, BlobProblem> {
        match look() {
            Ok(found) => return Ok(found),
            Err(Wrong::Other(problem)) => return Err(problem),
            Err(Wrong::Content(..)) => {}
        }
        match look() {
            Ok(found) => Ok(found),
            Err(Wrong::Other(problem)) => Err(problem),
            Err(Wrong::Content(reason, seen)) => {
                // With right bytes and a wrong size, whoever named the size is wrong. What would take
                // long to hash stays where it is: the next to store the right bytes replaces it.
                if seen.size > JUDGED {
                    self.report("blob", &self.layout.blob(blob), &reason);
                } else if self.look_at((blob, Where::InPlace), None).is_err() {
                    self.quarantine("blob", &self.layout.blob(blob), &reason, &seen);
                }
                let blob = *blob;
                Err(BlobProblem::Damaged { blob, reason })
            }
        }
    }

    /// Moves a damaged file aside and tells of it. A file that somebody replaced since it was
    /// `seen` stays; on a read-only store everything does.
    pub(super) fn quarantine(
        &self,
        what: &'static str,
        path: &Path,
        reason: &str,
        seen: &Signature,
    ) {
        let same = Signature::of_link(path).is_ok_and(|now| now.is_inode_of(seen));
        if same && self.prepare_write().is_ok() {
            // It stays where it cannot be moved: it is found damaged again, which is safe.
            let _ = self.layout.discard(path);
        }
        self.report(what, path, reason);
    }
}

/// Hashes what is large without taking it into memory: a name costs nothing, and a file of holes
/// under it would cost as much memory as it says (hazard G5).
fn check_before_reading(
    (file, path): (&File, &Path),
    blob: &BlobId,
    signature: &Signature,
) -> Result<(), Wrong> {
    if signature.size <= HASHED_FIRST {
        return Ok(());
    }
    match fs::hash_open(file, path, signature.size, Threads::Many, &Meter::new()) {
        Ok(digest) if digest == *blob.digest() => Ok(()),
        Ok(_) => Err(Wrong::Content("wrong digest".to_owned(), *signature)),
        Err(HashError::Io(error)) => Err(unreadable(blob, error)),
        Err(error) => Err(Wrong::Content(error.to_string(), *signature)),
    }
}

fn check_size(signature: &Signature, size: Option<u64>) -> Result<(), Wrong> {
    match size {
        Some(size) if size != signature.size => Err(Wrong::Content(
            format!("{} bytes long instead of {size}", signature.size),
            *signature,
        )),
        _ => Ok(()),
    }
}

fn unreadable(blob: &BlobId, error: PathError) -> Wrong {
    let blob = *blob;
    if error.is_absent() {
        return Wrong::Other(BlobProblem::Absent(blob));
    }
    Wrong::Other(BlobProblem::Unreadable { blob, error })
}

fn destination(blob: &BlobId, error: PathError) -> Wrong {
    Wrong::Other(BlobProblem::Destination { blob: *blob, error })
}
