//! Single flight: of processes that miss the same key, one runs it and the others wait.
//!
//! Leases only save work. A wait ends when the result has landed, when the holder is gone or
//! stands still, or when the user interrupts; everything stays right without any lease
//! (hazards D4, D5).

use std::thread;

use super::context::Context;
use super::error::Error;
use super::event::Event;
use super::freshness::Miss;
use super::lookup::{LookUp, look_up};
use super::prepare::Prepared;
use crate::exec::{Session, end_session};
use crate::store::{
    Acquisition, Backoff, Lease, LeaseAttempt, LeaseOn, LocalStore, Pace, StoredResult,
};
use crate::tree::Escaped;

/// What waiting for a key came to.
pub(super) enum Flight {
    /// Somebody else's run has landed.
    Landed(Box<StoredResult>),
    /// The key is ours to run, under a lease where there are leases.
    Ours(Option<Box<Lease>>, Miss),
}

/// Waits until the key is ours to run or its result is there.
pub(super) fn enter(prepared: &Prepared, miss: Miss, cx: &Context<'_>) -> Result<Flight, Error> {
    let (Some(store), Some(_)) = (cx.writable(), cx.readable()) else {
        return Ok(Flight::Ours(None, miss));
    };
    let mut attempt = store.lease(LeaseOn::Key(&prepared.key));
    let lease = wait(&mut attempt, "the same computation", cx, || {
        matches!(look_up(prepared, cx), LookUp::Hit(_))
    })?;
    // Between the first look and the lease somebody may have landed and released.
    Ok(match look_up(prepared, cx) {
        LookUp::Hit(result) => Flight::Landed(result),
        LookUp::Absent(again) | LookUp::Refused(again) => Flight::Ours(lease.map(Box::new), again),
    })
}

/// Takes a lease for every place that the step writes, so that two runs in one workspace do not
/// write the same output. Places are taken in one order everywhere, so nobody waits in a circle. A
/// view that is being filled is nobody else's to write.
pub(super) fn outputs(
    prepared: &Prepared,
    (store, pace): (&LocalStore, Pace),
    cx: &Context<'_>,
) -> Result<Vec<Lease>, Error> {
    if cx.access.in_view {
        return Ok(Vec::new());
    }
    let mut paths: Vec<_> = prepared
        .action
        .outputs
        .iter()
        .map(|output| output.on_disk(cx.root))
        .collect();
    paths.sort_unstable();
    let mut leases = Vec::new();
    for path in paths {
        let mut attempt = store.lease(LeaseOn::Output(&path)).at(pace);
        let what = format!("the output `{}`", Escaped::path(&path));
        leases.extend(wait(&mut attempt, &what, cx, || false)?);
    }
    for (leader, start) in leases.iter().filter_map(Lease::abandoned) {
        end_session(Session { leader, start });
    }
    Ok(leases)
}

/// Tries until the lease is ours, or `done` says that it is not needed any more.
fn wait(
    attempt: &mut LeaseAttempt<'_>,
    what: &str,
    cx: &Context<'_>,
    done: impl Fn() -> bool,
) -> Result<Option<Lease>, Error> {
    let mut told = false;
    for pause in Backoff::default() {
        match attempt.try_acquire() {
            Acquisition::Acquired(lease) => return Ok(Some(lease)),
            Acquisition::Unavailable => break,
            Acquisition::Held(_) if done() => break,
            Acquisition::Held(holder) if !told => {
                told = true;
                let holder = if attempt.is_ours(&holder) {
                    "another step of this run".to_owned()
                } else {
                    holder.to_string()
                };
                cx.emit(&Event::Waiting { holder, what });
            }
            Acquisition::Held(_) => {}
        }
        if let Some(signal) = cx.interrupt.signal() {
            return Err(Error::Interrupted { signal });
        }
        thread::sleep(pause);
    }
    Ok(None)
}
