//! Requests in a process that was forked after its parent had made some, as workers of
//! `multiprocessing` are.
//!
//! A fork copies the memory of the pool that hashes in parallel, and none of its threads: whoever
//! waits for them waits for ever. So such a process gets a pool of its own. Invariant: where a
//! process has not been forked, nothing here starts a thread.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The process that made the first request; 0 before there was one.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// The pool of a forked process, with its id.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// Says whether this process is a copy of one that had made requests; a first request is noted.
pub(crate) fn is_forked() -> bool {
    let own = process::id();
    let first = FIRST.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed);
    first.is_err_and(|first| first != own)
}

/// Makes a request where it finds a pool that lives.
pub(crate) fn with_threads<T: Send>(request: impl FnOnce() -> T + Send) -> T {
    if !is_forked() {
        return request();
    }
    match pool() {
        Some(pool) => pool.install(request),
        None => request(),
    }
}

/// Returns the pool of this process; `None` where no thread can be started.
fn pool() -> Option<Arc<ThreadPool>> {
    let own = process::id();
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, made)) = pool.as_ref().filter(|(of, _)| *of == own) {
        return Some(Arc::clone(made));
    }
    let made = Arc::new(ThreadPoolBuilder::new().build().ok()?);
    // That of a parent has no threads that could be joined.
    std::mem::forget(pool.replace((own, Arc::clone(&made))));
    Some(made)
}
