//! Whose files count, and which store may be used at all.
//!
//! Blobs prove themselves, whoever wrote them; a key's file is believed, so its owner matters
//! (hazard U2). Owners are taken from open descriptors, never from paths.
//!
//! In a store of a group every member may rename files about. So a key's file must look like one,
//! too: a blob is read-only for its owner from before it has its name, a staged file is closed to
//! the group, and neither passes under a key's name although its owner is trusted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, RwLock};

use super::error::{OpenError, Refusal};
use super::local::{LocalStore, StoreOptions};
use crate::fs::{Facts, FileKind, IfPresent as _};

/// Who writes in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// One user: nothing that ibid makes may be written by others, whatever the umask says.
    #[default]
    Private,
    /// The members of the group of its directory.
    Group,
}

/// Whether a store of a doubtful owner is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerCheck {
    /// A store that another user owns, or that strangers may write, is refused.
    #[default]
    Strict,
    /// Such a store is looked at all the same, and the first write is refused: for whoever only
    /// tells what is wrong with it.
    BeforeWriting,
    /// The user vouches for this directory.
    Waived,
}

/// Says which other users may have recorded results in a store of a group.
pub trait TrustedOwners: Send + Sync + std::fmt::Debug {
    /// Says whether results of this user count in a store of this group. An error says in words
    /// why that cannot be told; the user is not trusted then. Asked once per user and store.
    fn trusts(&self, owner: u32, group: u32) -> Result<bool, String>;
}

/// Trusts nobody beside those whom every store trusts.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyElse;

impl TrustedOwners for NobodyElse {
    fn trusts(&self, _owner: u32, _group: u32) -> Result<bool, String> {
        Ok(false)
    }
}

/// What is known of the owners of one store.
#[derive(Debug, Default)]
pub(super) struct Owners {
    root: RwLock<Option<Facts>>,
    /// What was answered of others; nothing where it cannot be told.
    others: Mutex<BTreeMap<u32, Option<bool>>>,
}

impl Owners {
    /// Remembers the status of the store's directory, which was checked.
    pub(super) fn know_root(&self, root: Facts) {
        *self.root.write().expect("no holder panics") = Some(root);
    }

    /// Forgets it: what has the name by now is another directory. Says whether one was known.
    pub(super) fn forget_root(&self) -> bool {
        self.others.lock().expect("no holder panics").clear();
        let known = self.root.write().expect("no holder panics").take();
        known.is_some()
    }

    fn known_root(&self) -> Option<Facts> {
        *self.root.read().expect("no holder panics")
    }
}

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
pub(super) const STICKY: u32 = 0o1000;

/// What a key's file of a store of a group can do, and no blob and no staged file can.
const KEY_FILE_MODE: u32 = 0o640;

/// Looks at a store's directory, and refuses it as the options say; nothing where there is none.
pub(super) fn look(dir: &Path, options: &StoreOptions) -> Result<Option<Facts>, OpenError> {
    match options.owner_check {
        OwnerCheck::Strict => check(dir, options),
        OwnerCheck::BeforeWriting | OwnerCheck::Waived => {
            Facts::of(dir).if_present().map_err(OpenError::Io)
        }
    }
}

/// Refuses a store that somebody else owns or may write. Returns the facts of its directory, or
/// nothing where there is none yet.
pub(super) fn check(dir: &Path, options: &StoreOptions) -> Result<Option<Facts>, OpenError> {
    let Some(root) = Facts::of(dir).if_present().map_err(OpenError::Io)? else {
        return Ok(None);
    };
    if options.owner_check == OwnerCheck::Waived {
        return Ok(Some(root));
    }
    if options.user == 0 && root.owner != 0 {
        let (path, refusal) = (dir.to_owned(), Refusal::AsRoot(root.owner));
        return Err(OpenError::Refused { path, refusal });
    }
    check_dir(dir, &root, root.group, options)?;
    // Whoever may write in the directory above may have put another one there.
    check_below(&dir.join("v1/keys"), &root, options)?;
    Ok(Some(root))
}

/// Refuses a directory of the store that somebody else owns or may write.
pub(super) fn check_below(
    dir: &Path,
    root: &Facts,
    options: &StoreOptions,
) -> Result<(), OpenError> {
    if options.owner_check == OwnerCheck::Waived {
        return Ok(());
    }
    // What cannot be looked at cannot be used either, and says so where it is used.
    let Ok(mut found) = Facts::of_link(dir) else {
        return Ok(());
    };
    if found.signature.kind() == FileKind::Link {
        // Whoever made a link said where the folder lies; its mode says nothing.
        if !is_own(found.owner, root.group, options) {
            let (path, refusal) = (dir.to_owned(), Refusal::OwnedBy(found.owner));
            return Err(OpenError::Refused { path, refusal });
        }
        let Ok(behind) = Facts::of(dir) else {
            return Ok(());
        };
        found = behind;
    }
    match found.signature.kind() {
        FileKind::Dir => check_dir(dir, &found, root.group, options),
        // That is damage, and put aside as such.
        FileKind::File | FileKind::Link | FileKind::Special => Ok(()),
    }
}

fn check_dir(
    dir: &Path,
    found: &Facts,
    group: u32,
    options: &StoreOptions,
) -> Result<(), OpenError> {
    let refusal = if is_own(found.owner, group, options) {
        too_open(found, group, options)
    } else {
        Some(Refusal::OwnedBy(found.owner))
    };
    let path = dir.to_owned();
    refusal.map_or(Ok(()), |refusal| Err(OpenError::Refused { path, refusal }))
}

/// Says whether a directory of this owner is one's own: this user's, root's, or in a store of a
/// group that of somebody who is trusted.
fn is_own(owner: u32, group: u32, options: &StoreOptions) -> bool {
    let is_member =
        || options.sharing == Sharing::Group && options.trusted.trusts(owner, group) == Ok(true);
    owner == options.user || owner == 0 || is_member()
}

/// Says who may write to something and should not, by its mode: anybody, or another group than
/// that of a shared store and the user's own, which on many machines has no other member. Of a
/// directory with the sticky bit nobody takes files that are not theirs.
fn too_open(found: &Facts, group: u32, options: &StoreOptions) -> Option<Refusal> {
    let mode = found.signature.mode;
    let is_kept = found.signature.kind() == FileKind::Dir && mode & STICKY != 0;
    let shared = options.sharing == Sharing::Group && found.group == group;
    if mode & OTHERS_WRITE != 0 && !is_kept {
        Some(Refusal::OthersWrite)
    } else if mode & GROUP_WRITES != 0
        && !is_kept
        && !shared
        && found.group != rustix::process::getegid().as_raw()
    {
        Some(Refusal::GroupWrites(found.group))
    } else {
        None
    }
}

impl LocalStore {
    /// Returns the status of the store's directory, if there is one and it is safe to use: what
    /// came to be since the store was opened is checked as it would have been then.
    pub(super) fn root(&self) -> Result<Option<Facts>, OpenError> {
        if let Some(root) = self.owners.known_root() {
            return Ok(Some(root));
        }
        let root = look(self.dir(), &self.options)?;
        if let Some(root) = root {
            self.owners.know_root(root);
        }
        Ok(root)
    }

    /// Refuses a store that somebody else owns or may write, unless the user vouches for it: what
    /// opening does, for a handle that puts it off. A store that is not there yet is fine.
    pub fn check_owner(&self) -> Result<(), OpenError> {
        match check(self.dir(), &self.options)? {
            Some(root) => check_below(&self.layout.dir(""), &root, &self.options),
            None => Ok(()),
        }
    }

    /// Returns who writes in the store.
    pub fn sharing(&self) -> Sharing {
        self.options.sharing
    }

    /// Says who may write to a directory or a small file of the store, by its status, and should
    /// not; of the store's own directory also whether it is somebody else's.
    pub(crate) fn doubt(&self, path: &Path, facts: &Facts) -> Option<Refusal> {
        let group = match self.root() {
            Ok(Some(root)) => root.group,
            _ => facts.group,
        };
        let StoreOptions {
            user, owner_check, ..
        } = &self.options;
        // Root only looks here: whose store it is, is no flaw of it.
        let is_foreign = path == self.dir()
            && *user != 0
            && *owner_check != OwnerCheck::Waived
            && !is_own(facts.owner, group, &self.options);
        if is_foreign {
            return Some(Refusal::OwnedBy(facts.owner));
        }
        too_open(facts, group, &self.options)
    }

    /// Says whether what this user wrote counts here: this user, root, the owner of the store's
    /// directory, and in a store of a group whom the options trust.
    pub fn trusts(&self, owner: u32) -> bool {
        self.is_trusted(owner) == Some(true)
    }

    /// Says whether what this user wrote protects anything from being collected: where it cannot
    /// be told who somebody is, nothing is lost for that.
    pub(crate) fn heeds(&self, owner: u32) -> bool {
        self.is_trusted(owner) != Some(false)
    }

    fn is_trusted(&self, owner: u32) -> Option<bool> {
        if owner == self.options.user || owner == 0 {
            return Some(true);
        }
        let Ok(Some(root)) = self.root() else {
            return Some(false);
        };
        if owner == root.owner {
            return Some(true);
        }
        if self.options.sharing == Sharing::Private {
            return Some(false);
        }
        let mut others = self.owners.others.lock().expect("no holder panics");
        *others.entry(owner).or_insert_with(|| {
            let trusted = self.options.trusted.trusts(owner, root.group);
            let untold = |reason: &String| {
                let reason = format!("user {owner} is not trusted: {reason}");
                self.report("owner", self.dir(), &reason);
            };
            trusted.inspect_err(untold).ok()
        })
    }

    /// Says why a file under a key's name does not count, if so; `facts` are those of the open
    /// file.
    pub(crate) fn distrust(&self, facts: &Facts) -> Option<String> {
        if !self.trusts(facts.owner) {
            return Some(format!(
                "user {} put it there, who may not record results here",
                facts.owner
            ));
        }
        self.is_disguised(facts)
            .then(|| "it was not written as a key's file, but moved there".to_owned())
    }

    /// Says whether a file under a key's name was never one, by its mode. That mode must not be
    /// set right: it would count then.
    pub(crate) fn is_disguised(&self, facts: &Facts) -> bool {
        self.options.sharing == Sharing::Group
            && facts.signature.mode & KEY_FILE_MODE != KEY_FILE_MODE
    }
}
