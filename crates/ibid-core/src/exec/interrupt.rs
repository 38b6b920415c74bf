//! `Interrupt`: how a front door tells running commands that the user wants them to end.
//!
//! A front door owns the signal handlers; this is what it calls from them. Two event descriptors,
//! each written once and never read: so any number of runs see them, and a poll that waits for
//! the second signal does not spin on the first.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use rustix::event::{EventfdFlags, eventfd};

use super::ExecError;

/// A wish to end, shared by the one who utters it and all who run something.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    signal: AtomicI32,
    count: AtomicU32,
    first: OwnedFd,
    second: OwnedFd,
}

impl Interrupt {
    /// Makes one that is not raised.
    pub fn new() -> Result<Self, ExecError> {
        let event = || {
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(|error| ExecError::system("make an event descriptor", error))
        };
        Ok(Self(Arc::new(Inner {
            signal: AtomicI32::new(0),
            count: AtomicU32::new(0),
            first: event()?,
            second: event()?,
        })))
    }

    /// Notes that `signal` came. The first is forwarded to whatever runs, any later one kills it.
    /// May be called in a signal handler.
    pub fn raise(&self, signal: i32) {
        let inner = &*self.0;
        let _ = inner
            .signal
            .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        let event = match inner.count.fetch_add(1, Ordering::SeqCst) {
            0 => &inner.first,
            _ => &inner.second,
        };
        // Fails only if the counter is full: then everybody is awake already.
        let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
    }

    /// Returns the first signal, if any came.
    pub fn signal(&self) -> Option<i32> {
        (self.count() > 0).then(|| self.0.signal.load(Ordering::SeqCst))
    }

    /// Returns how many signals came.
    pub fn count(&self) -> u32 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Returns what becomes readable with the next signal after the first `seen`.
    pub(super) fn event(&self, seen: u32) -> Option<BorrowedFd<'_>> {
        match seen {
            0 => Some(self.0.first.as_fd()),
            1 => Some(self.0.second.as_fd()),
            _ => None,
        }
    }
}
