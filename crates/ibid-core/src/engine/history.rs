//! What history keeps of a step: one entry for every run and every restore.
//!
//! A step that is up to date writes nothing. A failure to write is a warning: history explains,
//! it decides nothing.

use std::time::Duration;

use super::clock::nanos;
use super::context::Context;
use super::event::Warning;
use super::outcome::{Decision, Rerun, StepOutcome};
use super::prepare::Prepared;
use crate::digest::BlobId;
use crate::exec::Status;
use crate::output::{MadeLinks, made_links};
use crate::store::{LocalStore, RunEntry, RunOutcome, StoreError, StoredResult};

/// Notes that a stored result was restored.
pub(super) fn record_hit(
    prepared: &Prepared,
    result: &StoredResult,
    outcome: &StepOutcome,
    cx: &Context<'_>,
) {
    let Some(store) = cx.writable() else { return };
    let took = nanos(outcome.elapsed);
    let entry = RunEntry {
        outcome: RunOutcome::Hit,
        result: Some(BlobId::of(&result.encode())),
        duration: took,
        saved: result.run.duration.saturating_sub(took),
        links: made_links(&result.outcome.outputs),
        ..entry(prepared, outcome.status, cx)
    };
    append(store, &entry, cx);
}

/// Notes that the command ran.
pub(super) fn record_run(
    prepared: &Prepared,
    outcome: &StepOutcome,
    result: Option<BlobId>,
    cx: &Context<'_>,
) {
    let (
        Some(store),
        Decision::Ran {
            rerun,
            took,
            not_stored,
        },
    ) = (cx.writable(), &outcome.decision)
    else {
        return;
    };
    let became = match (result, outcome.status, not_stored) {
        (_, Status::Exited(code), _)
            if !super::freshness::is_success(code, &prepared.action.policy) =>
        {
            RunOutcome::Failed
        }
        (_, Status::Signalled { .. }, _) => RunOutcome::Failed,
        (Some(_), ..) if is_refresh(rerun) => RunOutcome::Refreshed,
        (Some(_), ..) => RunOutcome::Ran,
        (None, ..) => RunOutcome::Uncacheable,
    };
    let entry = RunEntry {
        outcome: became,
        result,
        triggers: rerun.triggers.iter().copied().collect(),
        changed: rerun
            .changes
            .iter()
            .map(crate::action::Change::title)
            .take(1000)
            .collect(),
        compared_to: rerun.compared_to,
        duration: nanos(*took),
        links: links_of(prepared, result, store, cx),
        ..entry(prepared, outcome.status, cx)
    };
    // The record explains later misses, whether or not there is a result.
    match store.put_bytes(&prepared.encoded) {
        Ok(_) => append(store, &entry, cx),
        Err(error) => warn(&error, cx),
    }
}

fn is_refresh(rerun: &Rerun) -> bool {
    use crate::action::Trigger;
    [Trigger::Ttl, Trigger::Forced]
        .iter()
        .any(|trigger| rerun.triggers.contains(trigger))
}

/// The part that all entries share.
fn entry(prepared: &Prepared, status: Status, cx: &Context<'_>) -> RunEntry {
    let (exit_code, signal) = match status {
        Status::Exited(code) => (Some(code), None),
        Status::Signalled { signal } => (None, u8::try_from(signal).ok()),
    };
    RunEntry {
        time: cx.clock.nanos(),
        label: prepared.action.policy.label.clone(),
        key: prepared.key,
        record: BlobId::of(&prepared.encoded),
        result: None,
        outcome: RunOutcome::Ran,
        triggers: Vec::new(),
        changed: Vec::new(),
        compared_to: None,
        exit_code,
        signal,
        duration: nanos(Duration::ZERO),
        saved: 0,
        root: cx
            .root
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        host: cx.provenance.host.clone(),
        links: MadeLinks::new(),
    }
}

/// Returns the links among the outputs of a result; one is only read if there is a link to see.
fn links_of(
    prepared: &Prepared,
    result: Option<BlobId>,
    store: &LocalStore,
    cx: &Context<'_>,
) -> MadeLinks {
    let any = super::explain::is_any_link(&prepared.action.outputs, cx.root);
    result
        .filter(|_| any)
        .and_then(|result| store.read_result(&result).ok())
        .map(|result| made_links(&result.outcome.outputs))
        .unwrap_or_default()
}

fn append(store: &LocalStore, entry: &RunEntry, cx: &Context<'_>) {
    if let Err(error) = store.append(entry) {
        warn(&error, cx);
    }
}

fn warn(error: &StoreError, cx: &Context<'_>) {
    // A store that cannot be written was told of already.
    if cx.writable().is_some() {
        let reason = super::error::chain(error);
        cx.warn(Warning::Store(format!(
            "no history entry was written: {reason}"
        )));
    }
}
