//! A hit: outputs in place are recognised and left alone, or put right from the store, and the
//! streams are replayed.

use super::context::Context;
use super::error::Error;
use super::event::{Event, Note, Warning, Work};
use super::flight;
use super::freshness::{Miss, is_success};
use super::history;
use super::outcome::{Decision, StepOutcome};
use super::prepare::Prepared;
use super::replay;
use super::stamp::Stamp;
use crate::action::Trigger;
use crate::exec::Status;
use crate::output::{
    Digests, Ground, InPlace, Reserved, RestoreError, Restored, Restorer, inspect, made_links,
    validate,
};
use crate::store::{LocalStore, StoredResult};
use std::time::Duration;

/// What trying to use a stored result came to.
pub(super) enum Brought {
    /// The step is over.
    Done(StepOutcome),
    /// The entry cannot be used.
    Miss(Miss),
}

/// Uses a stored result.
pub(super) fn bring_back(
    prepared: &Prepared,
    result: &StoredResult,
    store: &LocalStore,
    cx: &Context<'_>,
) -> Result<Brought, Error> {
    let log = match replay::open(result.run.log, store) {
        Ok(log) => log,
        Err(miss) => return Ok(Brought::Miss(miss)),
    };
    let saved = Duration::from_nanos(result.run.duration);
    let decision = match outputs(prepared, result, store, cx)? {
        Ok(None) => Decision::UpToDate { saved },
        Ok(Some(restored)) => Decision::Restored {
            outputs: restored.files,
            bytes: restored.bytes,
            saved,
        },
        Err(miss) => return Ok(Brought::Miss(miss)),
    };
    log.replay(cx);
    let status = Status::Exited(result.outcome.exit_code);
    let outcome = StepOutcome {
        key: prepared.key,
        decision,
        status,
        elapsed: cx.elapsed(),
    };
    if !matches!(outcome.decision, Decision::UpToDate { .. }) {
        history::record_hit(prepared, result, &outcome, cx);
    }
    Ok(Brought::Done(outcome))
}

/// Makes the outputs those of the result; `None` where they were already.
fn outputs(
    prepared: &Prepared,
    result: &StoredResult,
    store: &LocalStore,
    cx: &Context<'_>,
) -> Result<Result<Option<Restored>, Miss>, Error> {
    let action = &prepared.action;
    // A failed run leaves the outputs of the last good one in place, and so does its replay.
    if action.outputs.is_empty() || !is_success(result.outcome.exit_code, &action.policy) {
        return Ok(Ok(None));
    }
    let meter = cx.begin(Work::Hashing);
    let digests = Digests {
        stats: cx.stats,
        meter: &meter,
    };
    let listing = |id: crate::digest::TreeId| {
        let bytes = store
            .read_blob(&id.listing(), crate::store::LISTING_LIMIT)
            .ok()?;
        crate::tree::Tree::decode(&bytes).ok()
    };
    let found = inspect(
        &action.outputs,
        &result.outcome.outputs,
        cx.root,
        &digests,
        &listing,
    );
    cx.end();
    match found {
        Ok(InPlace::UpToDate) => Ok(Ok(None)),
        Ok(InPlace::Differs(_)) => restore(prepared, result, store, cx),
        Err(error) => Ok(Err(unusable(&error, cx))),
    }
}

fn restore(
    prepared: &Prepared,
    result: &StoredResult,
    store: &LocalStore,
    cx: &Context<'_>,
) -> Result<Result<Option<Restored>, Miss>, Error> {
    let action = &prepared.action;
    let made = made_links(&result.outcome.outputs);
    let reserved = Reserved {
        root: cx.root,
        reads: &prepared.reads,
        store: Some(store.dir()),
        made: &made,
    };
    validate(&action.outputs, &reserved)?;
    let _leases = flight::outputs(prepared, store, cx)?;
    let meter = cx.begin(Work::Restoring);
    let stamp = Stamp::now(cx);
    let source = Restorer {
        store,
        digests: Digests {
            stats: cx.stats,
            meter: &meter,
        },
        link_mode: cx.access.link,
        ground: Ground {
            root: cx.root,
            stamp: stamp.as_run(),
        },
    };
    let put_right = source.restore(&action.outputs, &result.outcome.outputs, &made);
    cx.end();
    match put_right {
        // Somebody else put them right meanwhile.
        Ok(restored) if restored.files == 0 && restored.replaced.count == 0 => Ok(Ok(None)),
        Ok(restored) => {
            tell(&restored, cx);
            Ok(Ok(Some(restored)))
        }
        Err(error) => Ok(Err(unusable(&error, cx))),
    }
}

fn tell(restored: &Restored, cx: &Context<'_>) {
    cx.note_kept(&restored.replaced);
    if let Some(refusal) = &restored.copied_because {
        cx.emit(&Event::Note(Note::NoHardLinks(refusal.to_string())));
    }
}

/// A result that cannot be used is a miss, whoever is at fault: the command can still run.
fn unusable(error: &RestoreError, cx: &Context<'_>) -> Miss {
    cx.tell_faults();
    let reason = super::error::chain(error);
    if !error.is_miss() {
        cx.warn(Warning::NotRestored(reason.clone()));
    }
    Miss::because(Trigger::Outputs, reason)
}
