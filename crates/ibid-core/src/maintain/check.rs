//! Whether what is stored is what it should be: one result, or all of the store.
//!
//! Reads every byte and believes no memory of having read it before. Changes nothing, needs no
//! lock, goes on after the first flaw, and works on a store that may only be read (hazard F3).

use std::path::PathBuf;

use crate::digest::Key;
use crate::store::LocalStore;

/// What kind of flaw it is. The kinds fall into three classes, which exit codes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FlawKind {
    /// A blob has other bytes than its name says.
    BlobContent,
    /// Something else than a regular file stands at a name of the store.
    NotAFile,
    /// A key's file cannot be decoded.
    KeyFile,
    /// A key's file names a result that is not there.
    ResultMissing,
    /// A result's bytes are right and it is none.
    Result,
    /// A key's file names the result of another key.
    ForeignKey,
    /// A result needs a blob that is not there.
    BlobMissing,
    /// A listing's bytes are right and it is none.
    Listing,
    /// An entry of history, a pin or the store's description cannot be decoded.
    SmallFile,
    /// Somebody may write, or wrote, who is not trusted.
    Untrusted,
    /// A name that no store has.
    Stranger,
    /// It cannot be read.
    Unreadable,
}

/// One flaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What kind it is.
    pub kind: FlawKind,
    /// Where it lies.
    pub path: PathBuf,
    /// What is wrong, in words.
    pub reason: String,
    /// Keys whose results it spoils; empty where none is known to.
    pub spoils: Vec<Key>,
}

/// What is told while a check goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Something is wrong.
    Flaw(Flaw),
    /// So many bytes were read.
    Read(u64),
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Keys looked at.
    pub keys: usize,
    /// Blobs read.
    pub blobs: usize,
    /// Bytes read.
    pub bytes: u64,
    /// All that is wrong, in the order of the paths.
    pub flaws: Vec<Flaw>,
}

/// Checks the whole store; `tell` hears of each flaw as it is found.
pub fn check(_store: &LocalStore, _tell: &dyn Fn(Finding)) -> Checked {
    todo!("room D")
}

/// Checks all that one key's result needs.
pub fn verify(_store: &LocalStore, _key: &Key, _tell: &dyn Fn(Finding)) -> Checked {
    todo!("room D")
}
