//! The store: results by key, blobs by digest, leases and history, in plain files.
//!
//! ```text
//! <store>/CACHEDIR.TAG          backup programs leave the store out
//!         store.json            uuid, format, creation time: for people, and for refusing
//!         v1/blobs/ab/<hex>     one read-only file per distinct content
//!         v1/keys/ab/<hex>      per key a small file: the digest of its result, or a tombstone
//!         v1/tombstones/ab/<hex>    per key that was ever invalidated: what counts where it has no file
//!         v1/runs/<time>-<label hash>-<random>     one record per run, never changed
//!         v1/leases/<hex>, o-<hex>                 "someone computes this key, writes this path"
//!         v1/pins/              protected keys
//!         v1/views/<half key>/  copies of outputs for callers that want a path
//!         v1/trash/             what was damaged, collected or evicted; what is missed comes back
//!         v1/tmp/               files that have no name yet
//!         v1/collected          its stamp is the time of the last collection
//!         v1/generation         random; replaced when a result counts no longer
//! ```
//!
//! Only the way from a key to its result is trusted; blobs check themselves. There is no lock and
//! no database: files get their names by rename or link when they are whole. Opening and reading
//! create nothing; directories are made by the first write that misses them. A fault never is a
//! wrong answer: whatever is missing, damaged or foreign is a miss with a [`MissReason`], and
//! damage is also told as a [`Fault`]. Collecting garbage, budgets and pins belong to maintenance,
//! which is a layer of its own.
//!
//! This module knows nothing of scanning rules, commands or the engine.

mod added;
mod blobs;
mod budget;
#[cfg(test)]
mod collection_model;
#[cfg(test)]
mod collection_tests;
mod copies;
mod decoded;
mod error;
mod evict;
mod format;
mod freshen;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod heart;
mod history;
mod intake;
mod layout;
mod leases;
mod listing;
mod local;
mod mend;
mod no_room;
mod outlet;
mod ownership;
mod peek;
mod pins;
mod recall;
mod recalled;
mod results;
mod run_index;
mod search;
mod sharing_out;
mod shelf;
mod survey;
mod trash;
mod verified;
mod views;

pub use blobs::{LinkMode, Stored};
pub use budget::Budget;
pub use decoded::ListingProblem;
pub use error::{BlobProblem, Fault, MissReason, OpenError, Refusal, StoreError};
pub use format::{
    Outcome, OutputContent, RunInfo, StoredAs, StoredOutput, StoredResult, StreamLogRef, Tombstone,
};
pub use history::{RunEntry, RunOutcome};
pub use intake::Intake;
pub use layout::{make_folder_beside, make_root};
pub use leases::{Acquisition, Backoff, Holder, Lease, LeaseAttempt, LeaseOn, Pace};
pub use listing::{Found, KeyState, ListedFile, RunState, Walk};
pub use local::{Access, Durability, LocalStore, StoreOptions};
pub use outlet::Outlet;
pub use ownership::{NobodyElse, OwnerCheck, Sharing, TrustedOwners};
pub use peek::{KeySays, Unusable};
pub use pins::Pin;
pub use recall::RecallPlace;
pub use recalled::{Recalled, ResultSays, RunSays};
pub(crate) use results::RESULT_LIMIT;
pub use results::{Lookup, Recorded, Replace};
pub use run_index::{LabelHash, RunName};
pub use search::FoundOutput;
pub(crate) use sharing_out::{both, share_out};
pub use shelf::Shelf;
pub use survey::{Left, Place, Standing, Survey};
pub use trash::Away;
pub use verified::{BootMemory, ProcessMemory, VerifiedBlobs};
pub use views::{View, Views};
