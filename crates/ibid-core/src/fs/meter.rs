//! `Meter`: how far a long read or copy is, and whether anybody still waits for its end.
//!
//! Owns two counters and a wish to stop. Workers add to the counters from any thread; a front door
//! polls them when it draws progress. The numbers are for people: no decision may rest on them.
//! Whoever hashes asks between pieces whether to go on, so that an interrupt need not wait for the
//! end of a large file.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{IoContext as _, PathError};

/// Bytes done and bytes expected, shared as `&Meter`.
#[derive(Debug, Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
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

    /// Lets the work fail at its next piece, because the user interrupted.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Says whether the work was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Fails if the work on `path` was told to stop.
    pub(super) fn go_on(&self, path: &Path) -> Result<(), PathError> {
        if self.is_stopped() {
            return Err(io::Error::from(io::ErrorKind::Interrupted)).context("read", path);
        }
        Ok(())
    }
}
