//! Declared paths to content: walking, ignore rules, hashing, the stat cache, and what a command
//! line names without saying so.
//!
//! Nothing here changes a file of the user's. Everything that was looked at is returned as
//! [`Seen`], so that it can be looked at again when the command has run.

mod content;
mod error;
mod filter;
mod glance;
#[cfg(test)]
mod laws;
mod layer;
mod memory;
#[cfg(test)]
mod memory_laws;
mod place;
pub mod programs;
mod recheck;
mod scanner;
mod seen;
pub mod stat_cache;
mod survey;
mod walk;
mod watch;
mod way;

pub use content::{Globbed, Scanned, ScannedTree};
pub use error::ScanError;
pub use filter::{Filter, Pattern};
pub use glance::{Glance, Glimpse};
pub use layer::{Entries, Layer};
pub use place::{at_every_depth, is_magic, is_pattern, place_of, way_back, without_detours};
pub use scanner::{PARALLEL_FILES, Scanner, SymlinkPolicy, each};
pub use seen::{Drift, DriftKind, FileDigest, Seen};
pub use stat_cache::{Origin, Started, StatCache, StatCacheOptions, StatPolicy, StatWrites};
pub use survey::Listing;
pub use watch::Watch;
pub use way::Ways;
