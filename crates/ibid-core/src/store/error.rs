//! What can go wrong, and what that means to a caller.
//!
//! Opening can be refused, storing can fail (the engine makes a warning of it), a blob can be
//! unusable, and a key can miss for a reason that a person can read. A miss is not an error.

use std::path::PathBuf;

use crate::digest::{BlobId, Key};
use crate::fs::PathError;
use crate::tree::Escaped;

/// A store cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A later version of ibid made it.
    #[error("the store `{}` has format {found}, this ibid knows format {supported}", Escaped::path(.path))]
    NewerFormat {
        /// The store.
        path: PathBuf,
        /// The format that it has.
        found: u64,
        /// The newest format that this version reads and writes.
        supported: u64,
    },
    /// The directory holds other things and is not a store (hazard D7).
    #[error("`{}` is not a store and holds other files, such as `{found}`", .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One name that no store has.
        found: String,
    },
    /// It is not safe to use: somebody else owns it or may write in it (hazards U2, U3).
    #[error("the store's folder `{}` {refusal}", Escaped::path(.path))]
    Refused {
        /// The folder, of the store or in it.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// The directory exists and cannot be looked at.
    #[error("cannot open the store")]
    Io(#[source] PathError),
}

/// Why a store is not safe to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its owner could plant results there.
    #[error("belongs to user {0}")]
    OwnedBy(u32),
    /// Root would leave files behind that its owner cannot remove, and could be led anywhere.
    #[error("belongs to user {0}, and this is root")]
    AsRoot(u32),
    /// Everybody could plant results there.
    #[error("may be written by everybody")]
    OthersWrite,
    /// The members of a group could plant results there.
    #[error("may be written by group {0}")]
    GroupWrites(u32),
}

/// Something could not be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store was opened for reading, or cannot be written by this user.
    #[error("the store `{}` is read-only", Escaped::path(.0))]
    ReadOnly(PathBuf),
    /// The directory holds other things and is not a store: nothing is written there (hazard D7).
    #[error("`{}` is not a store and holds other files, such as `{found}`", Escaped::path(.path))]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One name that no store has.
        found: String,
    },
    /// It came to be while this process ran, and is not safe to use.
    #[error("the store's folder `{}` {refusal}", Escaped::path(.path))]
    Refused {
        /// The folder, of the store or in it.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// A blob that was there when the commit began is gone.
    #[error("blob {} vanished while the result was stored", .0.short())]
    Vanished(BlobId),
    /// Something is larger than the format allows.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// How large it may be.
        limit: u64,
    },
    /// The file system of the store is full, or what this user may fill of it (hazard E1). Told
    /// without the file that was the first not to fit: what holds of many is said once.
    #[error("no space is left for the store `{}` (`ibid prune` makes room)", Escaped::path(.path))]
    Full {
        /// The store.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of another member stands in the way, and the folders of the store are sticky. Told
    /// without the file: what holds of the whole store is said once.
    #[error(
        "in the store `{}` only its owner may replace a file (its folders are sticky)",
        Escaped::path(.path)
    )]
    Theirs {
        /// The store.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("cannot store")]
    Io(#[source] PathError),
}

/// A blob cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobProblem {
    /// It is not in the store.
    #[error("blob {} is not in the store", .0.short())]
    Absent(BlobId),
    /// What has its name is not it. It was put aside where that is possible.
    #[error("blob {} is damaged: {reason}", .blob.short())]
    Damaged {
        /// The blob.
        blob: BlobId,
        /// What is wrong with it.
        reason: String,
    },
    /// It is larger than the caller allows.
    #[error("blob {} is larger than {limit} bytes", .blob.short())]
    TooLarge {
        /// The blob.
        blob: BlobId,
        /// The limit.
        limit: u64,
    },
    /// It cannot be read at present; it may be whole.
    #[error("blob {} cannot be read", .blob.short())]
    Unreadable {
        /// The blob.
        blob: BlobId,
        /// What the system said.
        #[source]
        error: PathError,
    },
    /// The destination cannot be written; the blob has no part in it.
    #[error("cannot copy blob {} out", .blob.short())]
    Destination {
        /// The blob.
        blob: BlobId,
        /// What the system said.
        #[source]
        error: PathError,
    },
}

/// Why a key has no usable result here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MissReason {
    /// The key was never recorded here, or its entry was evicted.
    #[error("no result is stored")]
    Absent,
    /// The key's file names a result that is not there.
    #[error("the stored result {} is missing", .0.short())]
    ResultMissing(BlobId),
    /// The result names a blob that is not there.
    #[error("blob {} of the stored result is missing", .0.short())]
    BlobMissing(BlobId),
    /// The key's file, the result or a blob has other bytes than it should.
    #[error("the stored {what} is damaged: {reason}")]
    Damaged {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The result is another key's.
    #[error("the stored result belongs to another key, {}", .0.short())]
    ForeignKey(Key),
    /// Somebody who may not record results here put the key's file there (hazard U2).
    #[error("the stored key is not trusted: {reason}")]
    Untrusted {
        /// The user that the file belongs to.
        owner: u32,
        /// Why it does not count.
        reason: String,
    },
    /// A later version of ibid wrote it, or it is of a kind that this version does not know.
    #[error("the stored entry is of a kind that this version does not know: {0}")]
    UnknownKind(String),
    /// It cannot be read at present; it may be whole.
    #[error("the stored {what} cannot be read: {reason}")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
}

impl From<BlobProblem> for MissReason {
    fn from(problem: BlobProblem) -> Self {
        match problem {
            BlobProblem::Absent(blob) => Self::BlobMissing(blob),
            BlobProblem::Damaged { reason, .. } => Self::Damaged {
                what: "blob",
                reason,
            },
            BlobProblem::TooLarge { limit, .. } => Self::Damaged {
                what: "blob",
                reason: format!("larger than {limit} bytes"),
            },
            BlobProblem::Unreadable { error, .. } | BlobProblem::Destination { error, .. } => {
                Self::Unreadable {
                    what: "blob",
                    reason: format!("{error}: {}", error.source),
                }
            }
        }
    }
}

/// Something in the store is not as it should be, and was dealt with: an event for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it is: "blob", "result", "key", "lease".
    pub what: &'static str,
    /// Where it is, or was.
    pub path: PathBuf,
    /// What is wrong, in words.
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = Escaped::path(&self.path);
        write!(f, "{} `{path}`: {}", self.what, self.reason)
    }
}
