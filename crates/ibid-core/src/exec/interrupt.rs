//! `Interrupt`: how a front door tells running commands that the user wants them to end.
//!
//! A front door owns the signal handlers; this is what it calls from them. Two event descriptors,
//! each written once and never read: so any number of runs see them, and a poll that waits for
//! the second signal does not spin on the first. They are made when something is about to run: a
//! process that only answers from the store makes none.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, eventfd};

use super::ExecError;

/// A wish to end, shared by the one who utters it and all who run something.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    signal: AtomicI32,
    count: AtomicU32,
    events: OnceLock<[OwnedFd; 2]>,
}

impl Interrupt {
    /// Makes one that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the descriptors, if nobody has; signals that came before are told by them at once.
    pub(super) fn prepare(&self) -> Result<(), ExecError> {
        if self.0.events.get().is_some() {
            return Ok(());
        }
        let event = || {
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(|error| ExecError::system("make an event descriptor", error))
        };
        // Another thread may be first; then ours are closed again.
        let _ = self.0.events.set([event()?, event()?]);
        // A signal counts first and looks for the descriptors then, so one of the two sees the
        // other, and telling it twice does no harm.
        for nth in 0..self.count() {
            self.0.tell(nth);
        }
        Ok(())
    }

    /// Notes that `signal` came. The first is forwarded to whatever runs, any later one kills it.
    /// May be called in a signal handler.
    pub fn raise(&self, signal: i32) {
        let inner = &*self.0;
        let _ = inner
            .signal
            .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        inner.tell(inner.count.fetch_add(1, Ordering::SeqCst));
    }

    /// Returns the first signal, if any came.
    pub fn signal(&self) -> Option<i32> {
        (self.count() > 0).then(|| self.0.signal.load(Ordering::SeqCst))
    }

    /// Returns how many signals came.
    pub fn count(&self) -> u32 {
        self.0.count.load(Ordering::SeqCst)
    }

    /// Returns what becomes readable with the next signal after the first `seen`; nothing before
    /// [`Self::prepare`].
    pub(super) fn event(&self, seen: u32) -> Option<BorrowedFd<'_>> {
        let events = self.0.events.get()?;
        events.get(seen as usize).map(OwnedFd::as_fd)
    }
}

impl Inner {
    /// Wakes everybody who waits for a signal after the first `nth`.
    fn tell(&self, nth: u32) {
        let Some(events) = self.events.get() else {
            return;
        };
        let event = &events[usize::from(nth > 0)];
        // Fails only if the counter is full: then everybody is awake already.
        let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
    }
}
