//! `Meter`: how far a long read or copy is.
//!
//! Owns two counters and nothing else. Workers add to them from any thread; a front door polls
//! them when it draws progress. The numbers are for people: no decision may rest on them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes done and bytes expected, shared as `&Meter`.
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    /// Starts with nothing done and nothing expected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts bytes as done.
    pub fn add_done(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes as expected.
    pub fn add_total(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Returns the bytes expected so far; it grows while work is found.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}
