//! Whether the end of a run is the time to collect, and collecting.
//!
//! There is no background process and no shared counter: each run that stored something draws a
//! number, and the more it stored the likelier it collects. So a store is collected about once for
//! every fiftieth of its budget that was added, whoever added it, and a run that stored nothing
//! never waits for it. What a collection leaves above the budget for being younger than a minute is
//! noted, and the first run that stores after that minute collects. So it does after a draw for
//! nothing but the number of files in a store that is younger than a minute itself, where nothing
//! can go. One collection at a time, by a lease that nothing depends on.

use std::time::Duration;

use super::apply::{Done, apply_while};
use super::inventory::{Inventory, nanos, take_settled};
use super::plan::{Plan, YOUNG, plan};
use super::policy::Policy;
use crate::fs::{PathError, random_bytes};
use crate::store::{Acquisition, LeaseOn, LocalStore, StoreError};

/// A store is collected once for every such part of its budget that is added.
const PART: u64 = 50;

/// A store is collected once for so many files that are added, whatever their size.
const FILES: u64 = 20_000;

/// A store that was not collected for so long is due with some probability at every run that
/// stores: leftovers and age do not grow with what is added.
const LONG: Duration = Duration::from_hours(7 * 24);

/// That probability.
const CHANCE: f64 = 1.0 / 16.0;

/// What a process added to the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Bytes of disk.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}

/// Says whether a run that added `load` to a store with this budget is the one that collects;
/// `draw` is uniformly random below 1.
#[expect(
    clippy::cast_precision_loss,
    reason = "a probability needs no more than the first digits"
)]
pub fn is_due(load: Load, max_size: Option<u64>, draw: f64) -> bool {
    let Load { bytes, files } = load;
    if bytes == 0 && files == 0 {
        return false;
    }
    let of_bytes = max_size.map_or(0.0, |most| bytes as f64 * PART as f64 / most.max(1) as f64);
    draw < of_bytes + files as f64 / FILES as f64
}

/// Says whether a run is the one that collects a store which was last collected `since` ago.
pub fn is_overdue(load: Load, since: Duration, draw: f64) -> bool {
    load.files > 0 && since > LONG && draw < CHANCE
}

/// Says whether this process is the one that collects, by what it added to the store through this
/// handle and by a number that is drawn. `now` is in nanoseconds since 1970.
pub fn draws_collection(store: &LocalStore, max_size: Option<u64>, now: u64) -> bool {
    let (bytes, files) = store.added();
    let load = Load { bytes, files };
    if load == Load::default() || !store.is_writable() {
        return false;
    }
    let draw = f64::from(u32::from_le_bytes(random_bytes())) / (f64::from(u32::MAX) + 1.0);
    draws(store, load, (max_size, now), draw)
}

/// The same, of a store that may be written and to which something was added.
fn draws(store: &LocalStore, load: Load, (max_size, now): (Option<u64>, u64), draw: f64) -> bool {
    // The stamp is only looked at where it can matter.
    let by_size = is_due(Load { files: 0, ..load }, max_size, draw);
    if by_size || (is_due(load, max_size, draw) && !is_put_off(store, load.bytes, now)) {
        return true;
    }
    (draw < CHANCE && is_overdue(load, age(store, now), draw))
        || max_size.is_some() && is_awaited(store, now)
}

/// Says whether nothing can go because the store itself is not old enough, and then notes what was
/// added: the first run that stores when it is collects.
fn is_put_off(store: &LocalStore, added: u64, now: u64) -> bool {
    // What is of later was stamped by a clock that was wrong, and puts nothing off.
    let made = store.made().ok().flatten().map(nanos);
    let age = made.and_then(|made| now.checked_sub(made));
    age.is_some_and(|age| age < YOUNG)
        && (store.waiting_since().is_some() || {
            // On a full disk it is said to be noted, and is not.
            store.note_waiting(added.max(1)).is_ok() && store.waiting_since().is_some()
        })
}

/// Says whether the last collection left something for the next one, which is old enough by now.
fn is_awaited(store: &LocalStore, now: u64) -> bool {
    let since = store.waiting_since().map(nanos);
    since.is_some_and(|since| now.saturating_sub(since) > YOUNG)
}

/// Returns how long ago a store was last collected.
fn age(store: &LocalStore, now: u64) -> Duration {
    let last = store.last_collected().ok().flatten();
    last.map_or(Duration::ZERO, |last| {
        let seconds = u64::try_from(last.seconds).unwrap_or(0);
        let last = Duration::new(seconds, last.nanos);
        Duration::from_nanos(now).saturating_sub(last)
    })
}

/// A collection that went as far as it could.
#[derive(Clone, Debug)]
pub struct Collected {
    /// What the store held.
    pub inventory: Inventory,
    /// What was to be done.
    pub plan: Plan,
    /// What was done.
    pub done: Done,
}

/// Why nothing could be collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The store could not be listed.
    #[error(transparent)]
    List(#[from] PathError),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Collects what may go by this policy, until `goes_on` says no. `None` where another process is at
/// it. `now` is in nanoseconds since 1970.
pub fn collect(
    store: &LocalStore,
    policy: &Policy,
    now: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<Collected>, CollectError> {
    let lease = match store.lease(LeaseOn::Collection).try_acquire() {
        Acquisition::Held(_) => return Ok(None),
        Acquisition::Acquired(lease) => Some(lease),
        Acquisition::Unavailable => None,
    };
    let collected = collect_beside(store, policy, now, goes_on);
    drop(lease);
    collected.map(Some)
}

/// Collects what may go by this policy, beside whoever else may be at it.
pub fn collect_beside(
    store: &LocalStore,
    policy: &Policy,
    now: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<Collected, CollectError> {
    // First of all: a collection that is killed again and again must not be due at every run.
    match store.note_collected() {
        // Another member's stamp, where each replaces only their own files.
        Err(StoreError::Io(error)) if error.is_denied() => {}
        noted => noted?,
    }
    let inventory = take_settled(store, now)?;
    let plan = plan(&inventory, policy);
    let done = apply_while(store, &inventory, &plan, goes_on)?;
    if plan.waiting > 0 && !done.interrupted {
        // It only makes the next collection come sooner.
        let _ = store.note_waiting(plan.waiting);
    }
    Ok(Collected {
        inventory,
        plan,
        done,
    })
}

#[cfg(test)]
mod tests {
    use ibid_testkit::TempDir;

    use super::*;
    use crate::store::StoreOptions;

    const SOME: Load = Load {
        bytes: 10 << 20,
        files: 10,
    };

    #[test]
    fn the_more_is_added_the_likelier_is_a_collection() {
        // A fiftieth of 1 GiB is about twice what is added.
        let budget = Some(1 << 30);
        assert!(is_due(SOME, budget, 0.48));
        assert!(!is_due(SOME, budget, 0.50));
        assert!(is_due(SOME, Some(1 << 20), 0.999));
    }

    #[test]
    fn many_small_files_count_whatever_the_budget() {
        let load = Load {
            bytes: 1,
            files: 10_000,
        };
        assert!(is_due(load, None, 0.49));
        assert!(!is_due(load, None, 0.51));
    }

    #[test]
    fn a_run_that_stored_nothing_never_collects() {
        assert!(!is_due(Load::default(), Some(0), 0.0));
        assert!(!is_overdue(Load::default(), 2 * LONG, 0.0));
    }

    #[test]
    fn a_store_that_was_left_alone_for_a_week_is_due_once_in_sixteen_runs() {
        assert!(is_overdue(SOME, LONG + Duration::from_secs(1), 0.06));
        assert!(!is_overdue(SOME, LONG + Duration::from_secs(1), 0.07));
        assert!(!is_overdue(SOME, LONG, 0.0));
    }

    #[test]
    fn many_files_in_a_store_that_was_just_made_are_noted_and_collected_later() {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        store.put_bytes(b"content").unwrap();
        let made = nanos(store.made().unwrap().unwrap());
        let load = Load {
            bytes: 0,
            files: FILES,
        };
        assert!(!draws(&store, load, (Some(u64::MAX), made), 0.5));
        assert!(store.waiting_since().is_some());
        assert!(draws(&store, load, (Some(u64::MAX), made + YOUNG), 0.5));
    }

    #[test]
    fn a_store_in_which_nothing_can_be_old_enough_is_collected_by_the_first_run_that_stores_later()
    {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        store.put_bytes(b"content").unwrap();
        let made = nanos(store.made().unwrap().unwrap());
        let is_put_off = |now| is_put_off(&store, 1, now);
        assert!(!is_put_off(made + YOUNG), "it is old enough");
        assert!(!is_put_off(made - 1), "a wrong clock puts nothing off");
        assert_eq!(store.waiting_since(), None);
        assert!(draws_collection(&store, Some(1), made), "it may not fit");
        assert!(is_put_off(made));
        let since = store.waiting_since().unwrap();
        assert!(is_put_off(made + YOUNG - 1));
        assert_eq!(store.waiting_since(), Some(since), "it is noted once");
        let later = nanos(since) + YOUNG + 1;
        assert!(draws_collection(&store, Some(u64::MAX), later));
    }

    #[test]
    fn what_was_too_young_is_collected_by_the_first_run_that_stores_a_minute_later() {
        let dir = TempDir::new();
        let store = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        store.put_bytes(b"content").unwrap();
        store.note_waiting(4096).unwrap();
        let since = nanos(store.last_collected().unwrap().unwrap());
        assert!(!is_awaited(&store, since + YOUNG));
        assert!(is_awaited(&store, since + YOUNG + 1));
        assert!(draws_collection(&store, Some(1 << 60), since + 2 * YOUNG));
        assert!(!draws_collection(&store, None, since + 2 * YOUNG));
        store.note_collected().unwrap();
        assert!(!is_awaited(&store, u64::MAX));
    }
}
