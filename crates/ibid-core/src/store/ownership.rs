//! Whose files count, and which store may be used at all.
//!
//! Blobs prove themselves, whoever wrote them; a key's file is believed, so its owner matters
//! (hazard U2). Owners are taken from open descriptors, never from paths.
//!
//! In a store of a group every member may rename files about. So a key's file must look like one,
//! too: a blob is read-only for its owner from before it has its name, a staged file is closed to
//! the group, and neither passes under a key's name although its owner is trusted.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use super::error::{OpenError, Refusal};
use super::local::{LocalStore, StoreOptions};
use crate::fs::{Facts, IfPresent as _};

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
    root: OnceLock<Facts>,
    others: Mutex<HashMap<u32, bool>>,
}

impl Owners {
    /// Remembers the status of the store's directory, which was checked.
    pub(super) fn know_root(&self, root: Facts) {
        let _ = self.root.set(root);
    }
}

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// What a key's file of a store of a group can do, and no blob and no staged file can.
const KEY_FILE_MODE: u32 = 0o640;

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
    match Facts::of_link(dir) {
        Ok(found) => check_dir(dir, &found, root.group, options),
        // What cannot be looked at cannot be used either, and says so where it is used.
        Err(_) => Ok(()),
    }
}

fn check_dir(
    dir: &Path,
    found: &Facts,
    group: u32,
    options: &StoreOptions,
) -> Result<(), OpenError> {
    let mode = found.signature.mode;
    let is_own = found.owner == options.user || found.owner == 0;
    let refusal = if !is_own && !is_trusted_member(found.owner, group, options) {
        Refusal::OwnedBy(found.owner)
    } else if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        Refusal::OthersWrite
    } else if mode & GROUP_WRITES != 0 && !may_be_written_by(found.group, options) {
        Refusal::GroupWrites(found.group)
    } else {
        return Ok(());
    };
    let path = dir.to_owned();
    Err(OpenError::Refused { path, refusal })
}

fn is_trusted_member(owner: u32, group: u32, options: &StoreOptions) -> bool {
    options.sharing == Sharing::Group && options.trusted.trusts(owner, group) == Ok(true)
}

/// Says whether a group may write in this store: that of a shared one, and the user's own, which
/// on many machines has no other member.
fn may_be_written_by(group: u32, options: &StoreOptions) -> bool {
    options.sharing == Sharing::Group || rustix::process::getegid().as_raw() == group
}

impl LocalStore {
    /// Returns the status of the store's directory, if there is one and it is safe to use: what
    /// came to be since the store was opened is checked as it would have been then.
    pub(super) fn root(&self) -> Result<Option<Facts>, OpenError> {
        if let Some(root) = self.owners.root.get() {
            return Ok(Some(*root));
        }
        let root = check(self.dir(), &self.options)?;
        Ok(root.map(|root| *self.owners.root.get_or_init(|| root)))
    }

    /// Says whether what this user wrote counts here: this user, root, the owner of the store's
    /// directory, and in a store of a group whom the options trust.
    pub fn trusts(&self, owner: u32) -> bool {
        if owner == self.options.user || owner == 0 {
            return true;
        }
        let Ok(Some(root)) = self.root() else {
            return false;
        };
        if owner == root.owner {
            return true;
        }
        if self.options.sharing == Sharing::Private {
            return false;
        }
        let mut others = self.owners.others.lock().expect("no holder panics");
        *others.entry(owner).or_insert_with(|| {
            let trusted = self.options.trusted.trusts(owner, root.group);
            trusted.unwrap_or_else(|reason| {
                let reason = format!("user {owner} is not trusted: {reason}");
                self.report("owner", self.dir(), &reason);
                false
            })
        })
    }

    /// Says why a file under a key's name does not count, if so; `facts` are those of the open
    /// file.
    pub(super) fn distrust(&self, facts: &Facts) -> Option<String> {
        if !self.trusts(facts.owner) {
            return Some(format!(
                "user {} put it there, who may not record results here",
                facts.owner
            ));
        }
        let disguised = self.options.sharing == Sharing::Group
            && facts.signature.mode & KEY_FILE_MODE != KEY_FILE_MODE;
        disguised.then(|| "it was not written as a key's file, but moved there".to_owned())
    }
}
