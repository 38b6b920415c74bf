//! `Context`: what a front door hands in, once per process.
//!
//! Everything that a step's life needs from outside is here, so that nothing below reads the
//! environment, the clock or the home directory by itself.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::event::{Event, Note, Sink, Warning, Work};
use super::memo::{Busy, Memo};
use crate::action::AccessMode;
use crate::environ::EnvSnapshot;
use crate::exec::{Interrupt, Orphans, Stream};
use crate::fs::{Meter, Timestamp};
use crate::output::{Digests, Kept};
use crate::scan::StatCache;
use crate::store::{Budget, LinkMode, LocalStore};

/// The surroundings of all steps of one process.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The root: absolute and clean.
    pub root: &'a Path,
    /// The caller's environment.
    pub env: &'a EnvSnapshot,
    /// The store, or `None` to run without one.
    pub store: Option<&'a LocalStore>,
    /// Where the cache lies or would lie, which is never an input.
    pub cache_dir: &'a Path,
    /// Digests of files that are known by their stat signatures.
    pub stats: &'a StatCache,
    /// An existing folder for temporary files.
    pub spool_dir: &'a Path,
    /// Who runs this: recorded with results, never keyed.
    pub provenance: &'a Provenance,
    /// The time.
    pub clock: Clock,
    /// How the user ends what runs.
    pub interrupt: &'a Interrupt,
    /// Who hears what happens.
    pub sink: &'a dyn Sink,
    /// What this request may do.
    pub access: Access,
    /// Who calls functions of this process, where a step may be one.
    pub caller: Option<&'a dyn Caller>,
    /// What many steps find out once; `None` where there is only one.
    pub memo: Option<&'a Memo>,
}

/// Calls a function of this process in place of a command.
pub trait Caller: Sync + Debug {
    /// Calls it; its outputs are to stand below the root when it returns, and what it prints is
    /// handed to `print`, which shows it to nobody here: whoever calls has heard it.
    fn call(&self, root: &Path, print: &mut dyn FnMut(Stream, &[u8])) -> Made;
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// All that was to be made.
    Whole,
    /// What counts for whoever called, and is not to be stored, for these reasons.
    Unfit(Vec<String>),
    /// Nothing; why is for the caller to know.
    Nothing,
}

/// What a request may do with the store, and how outputs leave it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// Reading and writing.
    pub mode: AccessMode,
    /// Whether stored results are passed over.
    pub force: bool,
    /// Whether they are passed over because the step is declared so, and nobody asked for it.
    pub always: bool,
    /// How outputs are restored.
    pub link: LinkMode,
    /// How large the store may become: a result that takes much of it is told of.
    pub budget: Budget,
    /// What happens to processes that a command leaves behind.
    pub orphans: Orphans,
    /// Whether the root is a view, which may lie in the store.
    pub in_view: bool,
}

/// Who made a result.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// The name of the host.
    pub host: String,
    /// The name of the user, where it is known.
    pub user: Option<String>,
    /// The version of ibid.
    pub version: String,
}

impl Context<'_> {
    /// Returns the store if this request may look results up in it.
    pub(super) fn readable(&self) -> Option<&LocalStore> {
        let reads = matches!(
            self.access.mode,
            AccessMode::ReadWrite | AccessMode::ReadOnly
        );
        self.store.filter(|_| reads && !self.access.force)
    }

    /// Returns the store if this request may record results in it.
    pub(super) fn writable(&self) -> Option<&LocalStore> {
        let writes = matches!(
            self.access.mode,
            AccessMode::ReadWrite | AccessMode::WriteOnly
        );
        self.store.filter(|store| writes && store.is_writable())
    }

    /// Says that programs may change from here on until the guard is dropped.
    pub(super) fn busy(&self) -> Option<Busy<'_>> {
        self.memo.map(Memo::busy)
    }

    /// Tells that work on bytes begins; the returned meter is to be moved along.
    pub(super) fn begin(&self, work: Work) -> Arc<Meter> {
        let meter = Arc::new(Meter::default());
        self.emit(&Event::WorkBegan {
            work,
            meter: Arc::clone(&meter),
        });
        meter
    }

    /// Tells that the work that began last is over.
    pub(super) fn end(&self) {
        self.emit(&Event::WorkEnded);
    }

    /// Knows digests by the stat cache, else by reading, which moves `meter` along.
    pub(super) fn digests<'m>(&'m self, meter: &'m Meter) -> Digests<'m> {
        Digests {
            stats: self.stats,
            meter,
        }
    }

    /// Tells where replaced files are kept, if any are.
    pub(super) fn note_kept(&self, kept: &Kept) {
        if kept.count == 0 {
            return;
        }
        let at = kept
            .folder
            .iter()
            .chain(&kept.beside)
            .next()
            .cloned()
            .unwrap_or_default();
        self.note(Note::Replaced {
            count: kept.count,
            at,
        });
    }

    /// Returns how long this process has been at it.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        self.sink.event(event);
    }

    pub(super) fn note(&self, note: Note) {
        self.emit(&Event::Note(note));
    }

    pub(super) fn warn(&self, warning: Warning) {
        self.emit(&Event::Warning(warning));
    }

    /// Tells what the store found damaged since the last call.
    pub(super) fn tell_faults(&self) {
        for fault in self.store.into_iter().flat_map(LocalStore::take_faults) {
            self.warn(match fault.what {
                // Leases only save work: nothing was damaged, and nothing is made again.
                "lease" | "owner" => Warning::Store(fault.to_string()),
                _ => Warning::Damaged(fault.to_string()),
            });
        }
    }

    /// Returns the time as file systems stamp it.
    pub(super) fn timestamp(&self) -> Timestamp {
        let now = self.clock.now();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        Timestamp {
            seconds,
            nanos: now.subsec_nanos(),
        }
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
