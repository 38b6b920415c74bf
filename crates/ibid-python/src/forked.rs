//! Requests in a process that was forked after its parent had made some, as workers of
//! `multiprocessing` are.
//!
//! A fork copies the memory of the pool that hashes in parallel, and none of its threads: whoever
//! waits for them waits for ever. So each request of such a process gets a pool of its own, in which
//! it runs: a request that waits, for the function that it calls or for another process, holds up
//! nobody else. It has one thread, because forked processes are many. Invariant: where a process
//! has not been forked, nothing here starts a thread.

use std::io;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The process that made the first request; 0 before there was one.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// Says whether this process is a copy of one that had made requests; a first request is noted.
pub(crate) fn is_forked() -> bool {
    let own = process::id();
    let first = FIRST.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed);
    first.is_err_and(|first| first != own)
}

/// Returns the pool that a request of a forked process runs in; others need none.
pub(crate) fn own_pool() -> io::Result<Option<ThreadPool>> {
    if !is_forked() {
        return Ok(None);
    }
    let pool = ThreadPoolBuilder::new().num_threads(1).build();
    pool.map(Some).map_err(io::Error::other)
}
