//! Hits that this process had lately: where nothing that one looked at has changed, an equal request
//! comes to the same.
//!
//! Owns which requests are equal. What was looked at, and whether it is as it was, is the library's
//! ([`ibid_core::engine::snapshot::Seen`]). Invariants: requests are compared in full, with all that they
//! are made in; what is kept says nothing before everything was looked at again, and nothing after a
//! minute; nobody waits for the lock, which a fork may have copied while it was held.

mod hit;
mod noting;
mod printing;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use self::hit::Hit;
use self::noting::Noting;
use crate::context::{Context, now};
use crate::place::Place;

pub(super) use self::noting::Came;
pub(super) use self::printing::Printing;

/// So many bytes are known of requests and their hits; with one more all are forgotten.
const MUCH: usize = 32 << 20;

/// About so many bytes a request takes beside its texts.
const ENTRY: usize = 1024;

/// Requests with more bytes than this are not: to compare them would take as long.
pub(super) const LARGE: usize = 64 * 1024;

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
            && *known.place == context.place
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
        let place = self.place.take().filter(|place| **place == context.place);
        let place = place.unwrap_or_else(|| Arc::new(context.place.clone()));
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
    context.place.cache_dir.hash(&mut state);
    request.hash(&mut state);
    state.finish()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests make and change the files that are looked at"
)]
mod tests;
