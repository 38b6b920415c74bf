//! What becomes of a run: it is judged, and its outputs and streams are stored if it may be.
//!
//! Every way out brings the outputs that were set aside to rest: what a success replaced goes,
//! what a failure would have replaced returns. A run that is not stored counts all the same.

use super::commit::{Committed, Storable, commit};
use super::context::Context;
use super::error::chain;
use super::event::{Note, Warning, Work};
use super::explain;
use super::manifest;
use super::outcome::{NotStored, Ran};
use super::prepare::Prepared;
use super::texts::keep_code;
use super::verdict::{Verdict, judge};
use crate::action::Storing;
use crate::digest::{BlobId, Digest};
use crate::fs::Meter;
use crate::output::{Aside, Capture, CaptureError, Captured, Reading, find};
use crate::scan::{Drift, DriftKind, Scanner, Watch};
use crate::store::{LocalStore, Recorded, StoreError};
use crate::tree::Escaped;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Judges the run and stores it if it may be stored. Returns the blob of the result, or why there
/// is none.
pub(super) fn store(
    prepared: &Prepared,
    ran: &Ran,
    aside: Option<Aside<'_>>,
    cx: &Context<'_>,
) -> Result<BlobId, NotStored> {
    match judge(&ran.ended, &prepared.action.policy) {
        Verdict::Success if !ran.unfit.is_empty() => {
            settle(prepared, aside, &BTreeSet::new(), cx);
            Err(NotStored::Unfit(ran.unfit.clone()))
        }
        Verdict::Success => {
            let stored = store_success(prepared, ran, aside.as_ref(), cx);
            let (stored, standing) = match stored {
                Ok((result, standing)) => (Ok(result), standing),
                Err(why) => (Err(why), BTreeSet::new()),
            };
            settle(prepared, aside, &standing, cx);
            stored
        }
        Verdict::StoredFailure => {
            let unchanged = look_again(prepared, cx);
            put_back(aside, cx);
            unchanged?;
            store_failure(prepared, ran, cx)
        }
        Verdict::Refused { success, why } => {
            if success {
                settle(prepared, aside, &BTreeSet::new(), cx);
            } else {
                put_back(aside, cx);
            }
            Err(why)
        }
    }
}

/// Stores a success. Returns the blob of its result, and the digests of what stands in place as it
/// was captured although the store has it not.
fn store_success(
    prepared: &Prepared,
    ran: &Ran,
    aside: Option<&Aside<'_>>,
    cx: &Context<'_>,
) -> Result<(BlobId, BTreeSet<Digest>), NotStored> {
    look_again(prepared, cx)?;
    // Nothing is set aside where nothing is ever stored.
    let aside = aside.ok_or(NotStored::Mode)?;
    let first = capture(prepared, aside, cx)?;
    let (capture, stored) = match put(prepared, ran, Some(&first), cx) {
        // What was collected meanwhile still stands in place.
        Err(Failed::Vanished(_)) => {
            let second = capture(prepared, aside, cx)?;
            let stored = put(prepared, ran, Some(&second), cx);
            (second, stored)
        }
        stored => (first, stored),
    };
    Ok((stored?, capture.not_stored()))
}

/// Stores a failure: its exit code and what it printed.
fn store_failure(prepared: &Prepared, ran: &Ran, cx: &Context<'_>) -> Result<BlobId, NotStored> {
    match put(prepared, ran, None, cx) {
        Err(Failed::Vanished(_)) => Ok(put(prepared, ran, None, cx)?),
        stored => Ok(stored?),
    }
}

/// Looks again at everything that the key's digests rest on (hazard A7).
fn look_again(prepared: &Prepared, cx: &Context<'_>) -> Result<(), NotStored> {
    if cx.writable().is_none() {
        return Ok(());
    }
    let meter = cx.begin(Work::Hashing);
    let mut drifts = Scanner::new(cx.root, cx.stats, &meter).recheck(&prepared.seen);
    drifts.extend(prepared.watched.get().into_iter().flat_map(Watch::drifts));
    cx.end();
    let Some(worst) = drifts.iter().map(|drift| drift.kind).max() else {
        return Ok(());
    };
    // What wrote to an input may have done the rest as well.
    let (why, least): (fn(_) -> _, _) = match worst {
        DriftKind::Untold => (NotStored::Untold, worst),
        DriftKind::Linked => (NotStored::InputsLinked, worst),
        DriftKind::Status => (NotStored::InputsStatus, worst),
        DriftKind::Touched | DriftKind::Changed => (NotStored::InputsChanged, DriftKind::Touched),
    };
    let from_root = |Drift { path, .. }: Drift| match path.strip_prefix(cx.root) {
        Ok(below) if below != Path::new("") => below.to_owned(),
        _ => path,
    };
    let told = drifts.into_iter().filter(|drift| drift.kind >= least);
    // A folder may be both an input's and on the way to others.
    let told: BTreeSet<_> = told.map(from_root).collect();
    Err(why(told.into_iter().collect()))
}

/// Puts the outputs into the store, or only looks at them where nothing may be written.
fn capture(prepared: &Prepared, aside: &Aside<'_>, cx: &Context<'_>) -> Result<Capture, NotStored> {
    let found = find(aside).map_err(|error| not_captured(error, cx))?;
    let Some(store) = cx.writable() else {
        return Err(not_writable(cx));
    };
    let meter = cx.begin(Work::Storing);
    let storing = prepared.action.policy.storing;
    let captured = found.capture(aside, (store, storing), &cx.digests(&meter));
    cx.end();
    match captured {
        Ok(Captured::Whole(capture)) => Ok(capture),
        Ok(Captured::Unstable(paths)) => Err(NotStored::OutputsChanged(paths)),
        Err(error) => Err(not_captured(error, cx)),
    }
}

/// Why a result is not in the store, which tells why the store is not written any more, too.
fn not_stored(error: &dyn std::error::Error, cx: &Context<'_>) -> NotStored {
    cx.store.and_then(LocalStore::take_denial);
    NotStored::Store(chain(error))
}

/// Tells a request that is not to be stored from a store that turned out not to be writable.
fn not_writable(cx: &Context<'_>) -> NotStored {
    let denial = cx.store.and_then(LocalStore::take_denial);
    denial.map_or(NotStored::Mode, NotStored::Store)
}

fn not_captured(error: CaptureError, cx: &Context<'_>) -> NotStored {
    match error {
        CaptureError::Outputs(problems) => {
            NotStored::Outputs(problems.iter().map(ToString::to_string).collect())
        }
        // Said alike of whatever did not fit first, or stood in the way.
        CaptureError::Store(all @ (StoreError::Full { .. } | StoreError::Theirs { .. })) => {
            not_stored(&all, cx)
        }
        error => not_stored(&error, cx),
    }
}

/// Why a run could not be committed.
enum Failed {
    /// A blob is gone that was there when the commit began: the next try stores it again.
    Vanished(String),
    Other(NotStored),
}

impl From<Failed> for NotStored {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Vanished(reason) => Self::Store(reason),
            Failed::Other(why) => why,
        }
    }
}

/// Commits a run.
fn put(
    prepared: &Prepared,
    ran: &Ran,
    capture: Option<&Capture>,
    cx: &Context<'_>,
) -> Result<BlobId, Failed> {
    let failed = |error: &dyn std::error::Error| Failed::Other(not_stored(error, cx));
    let store = cx
        .writable()
        .ok_or_else(|| Failed::Other(not_writable(cx)))?;
    let storable = Storable {
        ran,
        log: ran.ended.log.as_ref().map_err(|error| failed(error))?,
        capture,
        replace: ran.replace,
    };
    let committed = commit(prepared, &storable, store, cx).map_err(|error| match error {
        StoreError::Vanished(_) => Failed::Vanished(chain(&error)),
        error => failed(&error),
    })?;
    let Committed {
        result,
        blob,
        recorded,
    } = committed;
    if let Recorded::Differs(standing) = recorded {
        let names = explain::differing(capture, &standing);
        cx.note(Note::NotDeterministic(names));
    }
    note_size(capture, store, cx);
    keep_code(prepared, store, cx);
    if let Some(capture) = capture {
        capture.remember(&cx.digests(&Meter::default()));
    }
    manifest::keep(prepared, &result, cx);
    Ok(blob)
}

/// Tells of a result that takes much of what the store may take.
fn note_size(capture: Option<&Capture>, store: &LocalStore, cx: &Context<'_>) {
    let blobs = capture.map_or(&[][..], |capture| &capture.blobs);
    let distinct: BTreeMap<BlobId, u64> = blobs.iter().map(|it| (it.blob, it.size)).collect();
    let size = distinct.values().copied().fold(0, u64::saturating_add);
    if let Some(budget) = cx.access.budget.if_largely_taken_by(size, store.dir()) {
        cx.note(Note::LargeResult { size, budget });
    }
}

/// After a success: what the store has, or what stands in place again, goes; what neither has stays,
/// and is told.
fn settle(
    prepared: &Prepared,
    aside: Option<Aside<'_>>,
    standing: &BTreeSet<Digest>,
    cx: &Context<'_>,
) {
    let Some(aside) = aside else { return };
    let meter = Meter::default();
    let in_store = |blob: &BlobId, size| {
        let store = cx.store;
        store.is_some_and(|store| store.contains_verified(blob, size).is_ok())
    };
    let is_stored = |blob: BlobId, size| standing.contains(blob.digest()) || in_store(&blob, size);
    // Outputs that are too large to keep twice are too large to read for this alone.
    let reading = match prepared.action.policy.storing {
        Storing::Content => Reading::Unknown,
        Storing::Digest => Reading::Never,
    };
    let kept = aside.settle(&is_stored, reading, &cx.digests(&meter));
    cx.note_kept(&kept);
}

/// After a failure: the last good outputs return, what the failed run left is kept aside.
pub(super) fn put_back(aside: Option<Aside<'_>>, cx: &Context<'_>) {
    let Some(aside) = aside else { return };
    let updated: Vec<_> = aside
        .updated()
        .iter()
        .map(|path| path.strip_prefix(cx.root).unwrap_or(path))
        .map(|path| format!("`{}`", Escaped::path(path)))
        .collect();
    if !updated.is_empty() {
        cx.note(Note::LeftUpdated(updated));
    }
    match aside.put_back() {
        Ok(kept) => {
            if let Some(folder) = kept.folder {
                cx.note(Note::Partial(folder));
            }
        }
        Err(error) => {
            let reason = chain(&error);
            cx.warn(Warning::Store(format!(
                "earlier outputs could not be put back: {reason}"
            )));
        }
    }
}
