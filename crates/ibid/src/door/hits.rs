//! Hits that this process had lately: where nothing that one looked at has changed, an equal request
//! comes to the same.
//!
//! Owns which requests are equal, and how long a hit is kept. What was looked at, and whether it is as
//! it was, is the library's ([`Seen`]). Invariants: requests are compared in full, with all that they
//! are made in; what is kept says nothing before everything was looked at again, and nothing after a
//! minute; nobody waits for the lock, which a fork may have copied while it was held.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use ibid_core::engine::snapshot::Seen;
use ibid_core::engine::{Clock, Event, Sink, StepOutcome};
use ibid_core::exec::Stream;
use ibid_core::fs::{self, Accounting, Timestamp};
use ibid_core::store::{View, Views};

use super::Place;
use crate::context::{Context, Session, now, stamp_clock, system_time, wall_clock};
use crate::report::Reporter;
use crate::run::Run;

/// So many bytes are known of requests and their hits; with one more all are forgotten.
const MUCH: usize = 32 << 20;

/// About so many bytes a request takes beside its texts.
const ENTRY: usize = 1024;

/// Requests with more bytes than this are not: to compare them would take as long.
pub(super) const LARGE: usize = 64 * 1024;

/// For so long a hit stands for the next ones. What would not be looked at is not passed over for longer.
const KEPT: Duration = Duration::from_mins(1);

/// What was printed is kept up to so many bytes.
const PRINTED: usize = 64 * 1024;

/// A hit that rests on more than this is as soon made anew.
const LOOKS: usize = 900;

/// So long after it could not be kept it is tried again, and twice as long after each further time:
/// what was made two seconds ago cannot be told by its stamps yet, and some hits never can be.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Requests of one kind, and the hits that they had.
#[derive(Debug)]
pub(super) struct Hits<R>(Mutex<Option<All<R>>>);

/// By a hash of the request; of two with the same one the later is known.
#[derive(Debug)]
struct All<R> {
    known: HashMap<u64, Known<R>, BuildHasherDefault<DefaultHasher>>,
    bytes: usize,
    /// Where the last request was made, as most are.
    place: Option<Arc<Place>>,
}

/// A request that was made.
#[derive(Debug)]
struct Known<R> {
    place: Arc<Place>,
    who: Who,
    request: R,
    hit: Option<Arc<Hit>>,
    /// When it is worth the notes that make a hit of it, in nanoseconds since 1970.
    not_before: u64,
    pause: Duration,
}

/// Whose rights a request has.
#[derive(Debug, PartialEq, Eq)]
struct Who(u32, u32, Vec<u32>);

impl Who {
    fn is_asking(context: &Context) -> Self {
        let groups = rustix::process::getgroups().unwrap_or_default();
        let groups = groups.into_iter().map(rustix::process::Gid::as_raw);
        let group = rustix::process::getegid().as_raw();
        Self(context.user, group, groups.collect())
    }
}

/// The result of a key in a copy that stood.
#[derive(Debug)]
pub(super) struct Hit {
    seen: Seen,
    views: Views,
    /// How it went.
    outcome: StepOutcome,
    /// The copy that its outputs stood in.
    view: PathBuf,
    /// What its run had printed.
    printed: Printed,
    /// The last view that was led to the copy.
    last_view: Mutex<Option<PathBuf>>,
}

/// What a run printed, piece by piece.
pub(super) type Printed = Vec<(Stream, Vec<u8>)>;

/// What is asked for again.
pub(super) trait Repeatable: Clone + PartialEq {
    /// Hashes what tells nearly all requests from each other.
    fn hash(&self, state: &mut DefaultHasher);
    /// About how many bytes it has.
    fn bytes(&self) -> usize;
}

impl<R: Repeatable> Hits<R> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns the hit that an equal request had.
    pub(super) fn find(&self, context: &Context, request: &R) -> Option<Arc<Hit>> {
        self.with(|all| all.get(context, request)?.hit.clone())?
    }

    /// Begins to write down what a request looks at, if it is worth it: a request that comes once
    /// pays for no notes.
    pub(super) fn noting(&self, context: &Context, request: &R) -> Option<Noting> {
        let is_due = self.with(|all| {
            let not_before = all.get(context, request).map(|known| known.not_before);
            if not_before.is_none() {
                all.add(context, request);
            }
            not_before.is_some_and(|moment| now() >= moment)
        });
        (is_due == Some(true)).then(Noting::begin)?
    }

    /// Keeps a hit, or that there is none to be kept.
    pub(super) fn keep(&self, context: &Context, request: &R, hit: Option<Hit>) {
        let hit = hit.map(Arc::new);
        let forgotten = self.with(|all| {
            // What it takes the place of is counted still: all are forgotten the earlier.
            all.count(hit.as_ref().map_or(0, |hit| hit.bytes()));
            let known = all.get(context, request)?;
            if hit.is_some() {
                (known.not_before, known.pause) = (0, PAUSE);
            } else {
                known.not_before = now().saturating_add(nanos(known.pause));
                known.pause = (known.pause * 2).min(LONGEST_PAUSE);
            }
            std::mem::replace(&mut known.hit, hit)
        });
        drop(forgotten);
    }

    fn with<T>(&self, act: impl FnOnce(&mut All<R>) -> T) -> Option<T> {
        let mut all = match self.0.try_lock() {
            Ok(all) => all,
            // Each change is whole.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(act(all.get_or_insert_with(All::default)))
    }
}

impl<R> Default for All<R> {
    fn default() -> Self {
        Self {
            known: HashMap::default(),
            bytes: 0,
            place: None,
        }
    }
}

impl<R: Repeatable> All<R> {
    fn get(&mut self, context: &Context, request: &R) -> Option<&mut Known<R>> {
        let known = self.known.get_mut(&hash(context, request))?;
        let is_same = known.request == *request
            && context.is_in(&known.place)
            && known.who == Who::is_asking(context);
        is_same.then_some(known)
    }

    /// Makes room, and counts what follows.
    fn count(&mut self, bytes: usize) {
        if self.bytes + bytes > MUCH {
            self.known.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
    }

    fn add(&mut self, context: &Context, request: &R) {
        let bytes = request.bytes();
        if bytes > LARGE {
            return;
        }
        self.count(bytes + ENTRY);
        let place = self.place.take().filter(|place| context.is_in(place));
        let place = place.unwrap_or_else(|| Arc::new(context.place()));
        self.place = Some(Arc::clone(&place));
        let known = Known {
            place,
            who: Who::is_asking(context),
            request: request.clone(),
            hit: None,
            not_before: 0,
            pause: PAUSE,
        };
        self.known.insert(hash(context, request), known);
    }
}

fn hash(context: &Context, request: &impl Repeatable) -> u64 {
    let mut state = DefaultHasher::new();
    context.cache_dir().hash(&mut state);
    request.hash(&mut state);
    state.finish()
}

impl Hit {
    fn bytes(&self) -> usize {
        let printed = self.printed.iter().map(|(_, piece)| piece.len());
        self.seen.bytes() + printed.sum::<usize>()
    }

    /// Returns the copy that its outputs stand in, where that is the one that counts.
    pub(super) fn standing(&self) -> Option<View> {
        let view = self.views.standing(&self.outcome.key)?;
        (view.root() == self.view).then_some(view)
    }

    /// Returns the last view that was led to the copy.
    pub(super) fn last_view(&self) -> Option<PathBuf> {
        self.last_view.try_lock().ok()?.clone()
    }

    /// Notes that a view leads to the copy.
    pub(super) fn note_view(&self, view: &Path) {
        if let Ok(mut last) = self.last_view.try_lock() {
            *last = Some(view.to_owned());
        }
    }

    /// Tells it as it was told before, if everything is as it was; the copy is held.
    pub(super) fn again(&self, label: &str, view: &View, context: &Context) -> Option<StepOutcome> {
        let clock = Clock::starting(system_time());
        if !self.seen.holds(now()) {
            return None;
        }
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let key = self.outcome.key;
        reporter.event(&Event::Prepared { label, key });
        for (stream, bytes) in &self.printed {
            let stream = *stream;
            reporter.event(&Event::Output { stream, bytes });
        }
        let outcome = StepOutcome {
            elapsed: clock.elapsed(),
            ..self.outcome.clone()
        };
        reporter.event(&Event::Finished {
            label,
            outcome: &outcome,
        });
        view.note_use(wall_clock());
        Some(outcome)
    }
}

/// Writes down what a request looks at, until it is dropped.
#[derive(Debug)]
pub(super) struct Noting {
    account: Accounting,
    began: Timestamp,
}

/// A hit, and where it came from.
pub(super) struct Came<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) session: &'a Session,
    /// The store's generation before anything was decided.
    pub(super) generation: Option<Vec<u8>>,
    pub(super) view: &'a View,
    pub(super) outcome: &'a StepOutcome,
}

impl Noting {
    fn begin() -> Option<Self> {
        let began = stamp_clock();
        let account = fs::begin_account()?;
        Some(Self { account, began })
    }

    /// Makes a hit that can be kept, with what was `printed`; `None` where that is too much, or not all
    /// that was looked at can be looked at again.
    pub(super) fn end(&self, came: &Came<'_>, printed: Option<Printed>) -> Option<Hit> {
        let mut account = fs::end_account(self.account)?;
        let most = now().saturating_add(nanos(KEPT));
        account.until = Some(account.until.map_or(most, |until| until.min(most)));
        let views = came.run.own_views(came.session)?;
        if account.looks.len() > LOOKS {
            return None;
        }
        let around = (came.view.root(), came.session);
        let moment = (self.began, came.generation.as_deref());
        Some(Hit {
            seen: came.run.seen(account, around, moment)?,
            views,
            outcome: came.outcome.clone(),
            view: came.view.root().to_owned(),
            printed: printed?,
            last_view: Mutex::new(None),
        })
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        fs::end_account(self.account);
    }
}

/// Hands everything on, and keeps what is printed if that is wanted and not much.
pub(super) struct Printing<'a> {
    sink: &'a dyn Sink,
    /// All that was printed, and how many bytes may follow.
    kept: Mutex<Option<(Printed, usize)>>,
}

impl<'a> Printing<'a> {
    pub(super) fn heard_by(sink: &'a dyn Sink, is_kept: bool) -> Self {
        Self {
            sink,
            kept: Mutex::new(is_kept.then(|| (Vec::new(), PRINTED))),
        }
    }

    /// Returns all that was printed; `None` if it was not kept.
    pub(super) fn all(&self) -> Option<Printed> {
        let (printed, _) = self.lock().take()?;
        Some(printed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Printed, usize)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Printing<'_> {
    fn event(&self, event: &Event<'_>) {
        if let Event::Output { stream, bytes } = event {
            let mut kept = self.lock();
            *kept = kept.take().and_then(|(mut printed, left)| {
                let left = left.checked_sub(bytes.len())?;
                printed.push((*stream, bytes.to_vec()));
                Some((printed, left))
            });
        }
        self.sink.event(event);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "hits_tests.rs"]
#[expect(
    clippy::disallowed_methods,
    reason = "tests make and change the files that are looked at"
)]
mod tests;
