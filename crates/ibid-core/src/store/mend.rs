//! The few changes by which a store is put right: moving aside, writing anew, setting modes.
//!
//! Nothing is deleted here and nothing is believed: whoever calls has looked at the file just
//! before. What is moved goes to the trash under a name of its own, where nobody reads it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::format::{KeyFile, Tombstone};
use super::layout::{BLOB_MODE, FILE_MODE, TAG, description};
use super::local::LocalStore;
use super::ownership::Sharing;
use super::peek::{self, Unusable};
use crate::digest::Key;
use crate::fs::{self, Facts, FileKind, IfPresent as _, PathError, Signature, Timestamp};

impl LocalStore {
    /// Moves what stands at a path of the store to the trash, and returns where it lies.
    pub fn put_aside(&self, path: &Path) -> Result<PathBuf, StoreError> {
        self.prepare_write()?;
        if path == self.layout.dir("trash") {
            return self.put_trash_aside(path);
        }
        let aside = self.layout.discard(path);
        aside.map_err(|error| self.write_failed(error))
    }

    /// Does the same with a file that the caller looked at, and that is to be another one by now in
    /// no case: then it goes back, unless something newer stands there. `None` where it did.
    pub fn put_aside_seen(
        &self,
        path: &Path,
        seen: &Signature,
    ) -> Result<Option<PathBuf>, StoreError> {
        let aside = self.put_aside(path)?;
        match Signature::of_link(&aside).if_present() {
            Ok(Some(moved)) if !moved.is_inode_of(seen) => {
                match fs::rename_new(&aside, path).if_present() {
                    // A newer one stands there, and what was moved lies in the trash.
                    Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(None),
                    Err(error) => Err(self.write_failed(error)),
                    Ok(_) => Ok(None),
                }
            }
            _ => Ok(Some(aside)),
        }
    }

    /// What stands in the way of the trash goes round about into a new one.
    fn put_trash_aside(&self, path: &Path) -> Result<PathBuf, StoreError> {
        // Whatever stages a file makes the directory for it.
        drop(self.stage()?);
        let between = self.layout.dir("tmp").join(fs::random_name());
        fs::rename(path, &between).map_err(|error| self.write_failed(error))?;
        let aside = self.layout.discard(&between);
        aside.map_err(|error| self.write_failed(error))
    }

    /// Writes the store's description anew, with a new uuid.
    pub fn renew_description(&self) -> Result<(), StoreError> {
        self.prepare_write()?;
        // The first write of a process may just have done it.
        if self.peek_description().is_ok() {
            return Ok(());
        }
        let content = description(&self.options.created);
        self.replace(&self.dir().join("store.json"), &content)
    }

    /// Writes the tag for backup programs anew.
    pub fn renew_tag(&self) -> Result<(), StoreError> {
        self.prepare_write()?;
        if self.peek_tag().is_ok() {
            return Ok(());
        }
        self.replace(&self.dir().join("CACHEDIR.TAG"), TAG)
    }

    /// Replaces the file of invalidations, as each of them does: whatever is remembered elsewhere
    /// about results counts no longer.
    pub fn renew_generation(&self) -> Result<(), StoreError> {
        let content = fs::random_name();
        self.replace_file(&self.layout.generation(), content.as_bytes())
    }

    /// Writes anew what is remembered of a key's invalidation: that there was one is all that counts.
    pub fn renew_tombstone(&self, key: &Key) -> Result<(), StoreError> {
        let stamp = self.own_clock().map_or(0, Timestamp::as_nanos);
        let tombstone = KeyFile::Tombstone(Tombstone {
            when: u64::try_from(stamp).unwrap_or(0),
            why: "what was noted about it was damaged".to_owned(),
        });
        self.replace_file(&self.layout.tombstone(key), &tombstone.encode())
    }

    /// Keeps the bytes of a regular file in the trash that is about to be replaced, where the file
    /// system has hard links: damaged bytes are worth a look, and nothing hangs on them.
    pub fn keep_copy(&self, path: &Path) {
        let keep = || -> Option<()> {
            if !self.is_writable() || self.check_owner().is_err() {
                return None;
            }
            let (file, _) = peek::open(path).ok()?;
            let trash = self.layout.trash_dir().ok()?;
            let name = path.file_name()?.to_string_lossy();
            let name = format!("{name}-{}", fs::random_name());
            fs::link_open(&file, trash.handle(), Path::new(&name)).ok()
        };
        let _ = keep();
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let mut staged = self.stage_bytes(content, FILE_MODE)?;
        let published = self.layout.publish_over(&mut staged, path);
        published.map_err(|error| self.write_failed(error))
    }

    /// Takes rights away that nobody should have: sets the mode of a blob or a small file to what
    /// it is when it is written, and leaves a directory to its owner and to the group of a shared
    /// store. Directories of this user can be set right in a store that is refused for them.
    pub fn set_right(&self, path: &Path, is_blob: bool) -> Result<(), StoreError> {
        if !self.is_writable() {
            return Err(StoreError::ReadOnly(self.dir().to_owned()));
        }
        // The store's own directory may be reached by a link of the user's.
        let look = if path == self.dir() {
            Facts::of
        } else {
            Facts::of_link
        };
        let facts = look(path).map_err(StoreError::Io)?;
        let set = if facts.signature.kind() == FileKind::Dir {
            fs::Dir::open(path).and_then(|dir| {
                let found = dir.own_facts()?;
                // Somebody who may write there may have put a link in its place.
                if !found.signature.is_inode_of(&facts.signature) {
                    return Ok(());
                }
                dir.set_mode(found.signature.mode & 0o7777 & !self.surplus(&found))
            })
        } else {
            self.prepare_write()?;
            let mode = if is_blob { BLOB_MODE } else { FILE_MODE };
            chmod(path, &facts, self.layout.file_mode(mode))
        };
        set.map_err(|error| self.write_failed(error))
    }

    /// The rights on a directory that only its owner, or the group of a shared store, should have.
    fn surplus(&self, facts: &Facts) -> u32 {
        let group = self.root().ok().flatten().map(|root| root.group);
        let shared = self.sharing() == Sharing::Group && group == Some(facts.group);
        if shared { 0o002 } else { 0o022 }
    }
}

fn chmod(path: &Path, facts: &Facts, mode: u32) -> Result<(), PathError> {
    match peek::open(path) {
        Ok((file, _)) => fs::set_mode(&file, mode, path),
        // Its owner may not even read it: then it is held without being opened.
        Err(Unusable::Unreadable(_)) if facts.signature.kind() == FileKind::File => {
            fs::set_mode_of(path, mode)
        }
        Err(Unusable::Unreadable(error)) => Err(error),
        Err(_) => Facts::of_link(path).map(drop),
    }
}
