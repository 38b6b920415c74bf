//! `LocalStore`: a store in a directory, as one process uses it.
//!
//! Owns the handle: where the store lies, what may be done to it, and the faults met so far. The
//! operations live in the sibling files. A handle may be shared by any number of threads, and any
//! number of handles, processes and hosts may use one store.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use rustix::io::Errno;

use super::added::Added;
use super::error::{Fault, OpenError, StoreError};
use super::freshen::Ages;
use super::heart::Heart;
use super::layout::{Layout, is_link, make_root};
use super::leases::BEAT;
use super::ownership::{self, NobodyElse, OwnerCheck, Owners, Sharing, TrustedOwners};
use super::recall::RecallPlace;
use super::run_index::RunIndex;
use super::verified::{ProcessMemory, VerifiedBlobs};
use crate::fs::{self, Facts, Host, IfPresent as _, PathError, Signature, Staged};

/// What may be done to a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Look up and record.
    #[default]
    ReadWrite,
    /// Look up only: no system call changes anything below the store (hazard E3).
    ReadOnly,
}

/// What a stored result survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is synced, and nothing is believed that this host has not written or verified
    /// since it booted. A power cut may cost entries, never truth.
    #[default]
    Verified,
    /// Blobs, the key's file and its directory are on the disk when a result is recorded.
    Synced,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// What may be done to it.
    pub access: Access,
    /// What a recorded result survives.
    pub durability: Durability,
    /// This machine, as leases name it.
    pub host: Host,
    /// The present time as RFC 3339 text: what a new store notes as its creation.
    pub created: String,
    /// Which blobs need not be verified again.
    pub verified: Arc<dyn VerifiedBlobs>,
    /// Whether leases are taken at all; without them two processes may do the same work.
    pub leases: bool,
    /// The user that this process acts as.
    pub user: u32,
    /// Who writes in the store.
    pub sharing: Sharing,
    /// Whose results count in a store of a group, beside this user's, root's and those of the
    /// owner of its directory.
    pub trusted: Arc<dyn TrustedOwners>,
    /// Whether a store of a doubtful owner is refused.
    pub owner_check: OwnerCheck,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            access: Access::default(),
            durability: Durability::default(),
            host: Host::default(),
            created: String::new(),
            verified: Arc::new(ProcessMemory::default()),
            leases: true,
            user: rustix::process::geteuid().as_raw(),
            sharing: Sharing::default(),
            trusted: Arc::new(NobodyElse),
            owner_check: OwnerCheck::default(),
        }
    }
}

/// A store in a directory.
#[derive(Debug)]
pub struct LocalStore {
    pub(super) layout: Layout,
    pub(super) options: StoreOptions,
    /// The directory is known to be a store, or was made one.
    created: AtomicBool,
    /// A write failed because this user may not write here.
    denied: AtomicBool,
    /// Why, until somebody has told it.
    denial: Mutex<Option<String>>,
    /// Leases failed here, which is told once.
    pub(super) leases_failed: AtomicBool,
    /// The file system of the store cannot share content between files.
    pub(super) reflink_refused: AtomicBool,
    /// The entries of history, once they were asked for by label.
    pub(super) runs: Mutex<Option<RunIndex>>,
    /// What was added through this handle.
    pub(super) added: Added,
    /// What is known of the time of the store's file system.
    pub(super) ages: Ages,
    /// What keeps leases alive.
    pub(super) heart: Heart,
    /// Whose files count.
    pub(super) owners: Owners,
    /// Where it is kept what listings read.
    pub(super) recall: OnceLock<RecallPlace>,
    faults: Mutex<Vec<Fault>>,
}

impl LocalStore {
    /// Opens the store in `dir`, which need not exist yet: the first write makes it. A store of
    /// a newer format is refused, and one that another user owns or that strangers may write.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let layout = Layout::new(dir, options.sharing);
        let root = ownership::look(dir, &options)?;
        layout.check_format()?;
        let owners = Owners::default();
        if let Some(root) = root {
            owners.know_root(root);
        }
        Ok(Self {
            layout,
            options,
            created: AtomicBool::new(false),
            denied: AtomicBool::new(false),
            denial: Mutex::new(None),
            leases_failed: AtomicBool::new(false),
            reflink_refused: AtomicBool::new(false),
            runs: Mutex::default(),
            added: Added::default(),
            ages: Ages::default(),
            heart: Heart::new(BEAT),
            owners,
            recall: OnceLock::new(),
            faults: Mutex::default(),
        })
    }

    /// Lets listings keep what they read, so that the next one need not; without this each reads
    /// all that it needs.
    pub fn recall_in(&self, place: RecallPlace) {
        self.recall.get_or_init(|| place);
    }

    /// Returns the directory of the store.
    pub fn dir(&self) -> &Path {
        self.layout.root()
    }

    /// Leaves nothing behind that only this process has a use for. Dropping the handle does it, too;
    /// this is for whoever lets the kernel take back everything at once.
    pub fn leave(&self) {
        self.heart.rest();
    }

    /// Says whether writes are tried: the store was opened for them, and none was denied yet.
    pub fn is_writable(&self) -> bool {
        self.options.access == Access::ReadWrite && !self.denied.load(Ordering::Relaxed)
    }

    /// Takes the faults met since the last call: damage that was put aside, leases that do not
    /// work here.
    pub fn take_faults(&self) -> Vec<Fault> {
        std::mem::take(&mut self.faults.lock().expect("no holder panics"))
    }

    /// Returns the content of the generation file, which each invalidation replaces; `None`
    /// before the first. Whatever is remembered about results outside of the store counts only
    /// while this is unchanged. The file is opened, never only looked at (hazard B5).
    pub fn generation(&self) -> Result<Option<Vec<u8>>, PathError> {
        fs::read_small(&self.layout.generation(), 1 << 10).if_present()
    }

    pub(super) fn report(&self, what: &'static str, path: &Path, reason: &str) {
        self.faults.lock().expect("no holder panics").push(Fault {
            what,
            path: path.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Fails unless this process may write; makes the store if it is not there.
    pub(super) fn prepare_write(&self) -> Result<(), StoreError> {
        if !self.is_writable() {
            return Err(StoreError::ReadOnly(self.dir().to_owned()));
        }
        if !self.created.load(Ordering::Relaxed) {
            let mut made = self.make();
            if matches!(&made, Err(StoreError::Io(error)) if error.is_absent())
                && self.owners.forget_root()
            {
                // It was there when it was looked at, and is gone (hazard E4).
                made = self.make();
            }
            made.map_err(|error| match error {
                StoreError::Io(error) => self.write_failed(error),
                other => other,
            })?;
            let leases = self.layout.dir("leases");
            if is_link(&leases) && !self.leases_failed.swap(true, Ordering::Relaxed) {
                self.report("lease", &leases, "no leases here: a link stands there");
            }
            self.created.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes what is missing of a store that holds nothing yet.
    fn make(&self) -> Result<(), StoreError> {
        self.make_root()?;
        self.layout.settle_links().map_err(StoreError::Io)?;
        self.layout.create(&self.options.created)
    }

    /// Makes the store's directory if it is missing. Somebody else may have made it since it was
    /// looked for, so it is checked again, with the folder that the first look left out.
    fn make_root(&self) -> Result<(), StoreError> {
        let refused = |error| match error {
            OpenError::Refused { path, refusal } => StoreError::Refused { path, refusal },
            OpenError::Io(error) => StoreError::Io(error),
            _ => StoreError::ReadOnly(self.dir().to_owned()),
        };
        let root = if let Some(root) = self.root().map_err(refused)? {
            root
        } else {
            make_root(self.dir(), self.options.sharing).map_err(StoreError::Io)?;
            let made = self.root().map_err(refused)?;
            made.ok_or_else(|| StoreError::ReadOnly(self.dir().to_owned()))?
        };
        self.layout.know_root(root);
        if self.options.owner_check == OwnerCheck::BeforeWriting {
            return self.check_owner().map_err(refused);
        }
        ownership::check_below(&self.layout.dir(""), &root, &self.options).map_err(refused)
    }

    /// Makes an error of a failed write, and stops trying where writing is denied. A full disk is
    /// tried again: space comes back, and a small result may fit where a large one does not.
    pub(super) fn write_failed(&self, error: PathError) -> StoreError {
        if error.is_full() {
            return StoreError::Full {
                path: self.dir().to_owned(),
                source: error.source,
            };
        }
        if error.source.kind() == std::io::ErrorKind::ReadOnlyFilesystem {
            self.deny(&error);
        }
        StoreError::Io(error)
    }

    /// Does the same for a file that was to replace what stands at a path.
    pub(super) fn replace_failed(&self, error: PathError, path: &Path) -> StoreError {
        let is_refused = Errno::from_io_error(&error.source) == Some(Errno::PERM);
        // An immutable file is refused with the same words, and that is no matter of the store.
        let is_theirs = || Facts::of_link(path).is_ok_and(|facts| facts.owner != self.options.user);
        let is_sticky = || {
            let dir = path.parent().map(Signature::of);
            dir.is_some_and(|dir| dir.is_ok_and(|dir| dir.mode & ownership::STICKY != 0))
        };
        if is_refused && self.options.sharing == Sharing::Group && is_theirs() && is_sticky() {
            return StoreError::Theirs {
                path: self.dir().to_owned(),
                source: error.source,
            };
        }
        self.write_failed(error)
    }

    fn deny(&self, error: &PathError) {
        self.denied.store(true, Ordering::Relaxed);
        let reason = format!("{error}: {}", error.source);
        let mut denial = self.denial.lock().expect("no holder panics");
        denial.get_or_insert(reason);
    }

    /// Returns why nothing more is written although it may be, once: what fails in passing, a
    /// lease or a text of code, is not told by itself.
    pub fn take_denial(&self) -> Option<String> {
        self.denial.lock().expect("no holder panics").take()
    }

    /// Creates a staged file in the store.
    pub(super) fn stage(&self) -> Result<Staged, StoreError> {
        self.stage_as(None)
    }

    /// The same with a mode, which has to be set all the same.
    fn stage_as(&self, mode: Option<u32>) -> Result<Staged, StoreError> {
        self.prepare_write()?;
        let mut staged = self.layout.stage_in_place(mode);
        if matches!(&staged, Err(error) if error.is_absent()) {
            // Somebody removed the store meanwhile (hazard E4): it is made again with all that
            // tells that it is one.
            self.created.store(false, Ordering::Relaxed);
            self.owners.forget_root();
            self.prepare_write()?;
            staged = self.layout.stage();
        }
        staged.map_err(|error| {
            // Where no file can be made, nothing can be stored: it is not tried again.
            if error.is_denied() {
                self.deny(&error);
            }
            self.write_failed(error)
        })
    }

    /// Stages a small file with its mode, less what others may not have in this store.
    pub(super) fn stage_bytes(&self, bytes: &[u8], mode: u32) -> Result<Staged, StoreError> {
        self.prepare_write()?;
        let mode = self.layout.file_mode(mode);
        let mut staged = self.stage_as(Some(mode))?;
        let written = staged.write_all(bytes);
        written
            .and_then(|()| staged.set_mode(mode))
            .map_err(|error| self.write_failed(error))?;
        Ok(staged)
    }
}
