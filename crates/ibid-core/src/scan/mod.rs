//! Declared paths to content: walking, ignore rules, hashing, the stat cache, and what a command
//! line names without saying so.
//!
//! Nothing here changes a file of the user's. Everything that was looked at is returned as
//! `Seen`, so that it can be looked at again when the command has run.

pub mod programs;
pub mod stat_cache;

pub use stat_cache::{Origin, Started, StatCache, StatCacheOptions, StatPolicy};
