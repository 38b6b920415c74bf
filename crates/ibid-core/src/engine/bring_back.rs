//! A hit: outputs in place are recognised and left alone, or put right from the store, and the
//! streams are replayed.

use std::time::Duration;

use super::context::Context;
use super::error::{Error, chain};
use super::event::{Note, Warning, Work};
use super::flight;
use super::freshness::{Miss, is_success};
use super::history;
use super::leftovers;
use super::made_links;
use super::outcome::{Decision, StepOutcome};
use super::prepare::Prepared;
use super::replay;
use super::stamp::Stamp;
use crate::action::Trigger;
use crate::exec::Status;
use crate::output::{InPlace, RestoreError, Restored, Restorer, inspect, validate};
use crate::store::{LocalStore, StoredResult};

/// What trying to use a stored result came to.
pub(super) enum Brought {
    /// The step is over.
    Done(StepOutcome),
    /// The entry cannot be used.
    Miss(Miss),
}

/// How the outputs came to be those of a result.
enum Outputs {
    /// They were already, or the result has none.
    UpToDate,
    /// They came out of the store.
    Restored(Restored),
    /// They did not: the entry cannot be used.
    Unusable(Miss),
}

/// Uses a stored result.
pub(super) fn bring_back(
    prepared: &Prepared,
    result: &StoredResult,
    cx: &Context<'_>,
) -> Result<Brought, Error> {
    let store = cx.readable().expect("a hit comes out of a store");
    let log = match replay::open(result.run.log, store) {
        Ok(log) => log,
        Err(miss) => return Ok(Brought::Miss(miss)),
    };
    let saved = Duration::from_nanos(result.run.duration);
    let decision = match outputs(prepared, result, store, cx)? {
        Outputs::UpToDate => Decision::UpToDate { saved },
        Outputs::Restored(restored) => Decision::Restored {
            outputs: restored.files,
            bytes: restored.bytes,
            saved,
        },
        Outputs::Unusable(miss) => return Ok(Brought::Miss(miss)),
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

/// Makes the outputs those of the result.
fn outputs(
    prepared: &Prepared,
    result: &StoredResult,
    store: &LocalStore,
    cx: &Context<'_>,
) -> Result<Outputs, Error> {
    let action = &prepared.action;
    // A failed run leaves the outputs of the last good one in place, and so does its replay.
    if action.outputs.is_empty() || !is_success(result.outcome.exit_code, &action.policy) {
        return Ok(Outputs::UpToDate);
    }
    let made = made_links::standing(prepared, Some(result), cx);
    let meter = cx.begin(Work::Hashing);
    let found = inspect(
        &action.outputs,
        &result.outcome.outputs,
        (cx.root, &made),
        &cx.digests(&meter),
        &|id| store.listing(&id).ok(),
    );
    cx.end();
    match found {
        Ok(InPlace::UpToDate) => Ok(Outputs::UpToDate),
        Ok(InPlace::NotStored(missing)) => Ok(Outputs::Unusable(Miss::because(
            Trigger::Outputs,
            missing.to_string(),
        ))),
        Ok(InPlace::Differs(_)) => restore(prepared, result, store, cx),
        Err(error) => Ok(unusable(&error, cx)),
    }
}

fn restore(
    prepared: &Prepared,
    result: &StoredResult,
    store: &LocalStore,
    cx: &Context<'_>,
) -> Result<Outputs, Error> {
    let action = &prepared.action;
    let made = made_links::standing(prepared, Some(result), cx);
    let reserved = prepared.reserved(&made, cx);
    validate(&action.outputs, &reserved)?;
    leftovers::check(prepared, &reserved, cx)?;
    let _leases = flight::outputs(prepared, store, cx)?;
    let _busy = cx.busy();
    let meter = cx.begin(Work::Restoring);
    let stamp = Stamp::now(cx);
    let source = Restorer {
        store,
        digests: cx.digests(&meter),
        link_mode: cx.access.link,
        ground: stamp.ground(cx),
    };
    let put_right = source.restore(&action.outputs, &result.outcome.outputs, &made);
    cx.end();
    Ok(match put_right {
        // Somebody else put them right meanwhile.
        Ok(restored) if restored.files == 0 && restored.replaced.count == 0 => Outputs::UpToDate,
        Ok(restored) => {
            tell(&restored, cx);
            Outputs::Restored(restored)
        }
        Err(error) => unusable(&error, cx),
    })
}

fn tell(restored: &Restored, cx: &Context<'_>) {
    cx.note_kept(&restored.replaced);
    if let Some(refusal) = &restored.copied_because {
        cx.note(Note::NoHardLinks(refusal.to_string()));
    }
}

/// A result that cannot be used is a miss, whoever is at fault: the command can still run.
fn unusable(error: &RestoreError, cx: &Context<'_>) -> Outputs {
    cx.tell_faults();
    let reason = chain(error);
    if !error.is_miss() {
        cx.warn(Warning::NotRestored(reason.clone()));
    }
    Outputs::Unusable(Miss::because(Trigger::Outputs, reason))
}
