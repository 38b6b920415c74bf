//! What history keeps of a step: one entry for every run and every restore.
//!
//! A step that is up to date writes nothing. A failure to write is a warning: history explains,
//! it decides nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::clock::nanos;
use super::context::Context;
use super::error::chain;
use super::event::Warning;
use super::freshness::is_success;
use super::manifest;
use super::outcome::{NotStored, Ran, StepOutcome};
use super::prepare::Prepared;
use crate::action::{Change, Trigger};
use crate::digest::BlobId;
use crate::exec::Status;
use crate::store::{RunEntry, RunOutcome, StoreError, StoredOutput, StoredResult};

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
        ..entry(prepared, outcome.status, cx)
    };
    if let Err(error) = store.append(&entry) {
        warn(&error, cx);
    }
}

/// Notes that the command ran; `stored` is the blob of its result, or why there is none.
pub(super) fn record_run(
    prepared: &Prepared,
    ran: &Ran,
    stored: Result<&BlobId, &NotStored>,
    cx: &Context<'_>,
) {
    let Some(store) = cx.writable() else { return };
    let result = stored.ok();
    let Ran { rerun, ended, .. } = ran;
    let succeeded = matches!(ended.status, Status::Exited(code)
        if is_success(code, &prepared.action.policy));
    let became = match result {
        _ if !succeeded => RunOutcome::Failed,
        Some(_) if rerun.is_for_any(&[Trigger::Ttl, Trigger::Forced]) => RunOutcome::Refreshed,
        Some(_) => RunOutcome::Ran,
        None => RunOutcome::Uncacheable,
    };
    let entry = RunEntry {
        outcome: became,
        result: result.copied(),
        triggers: rerun.triggers.iter().copied().collect(),
        reason: rerun.reason.clone(),
        changed: rerun.changes.iter().map(Change::title).take(1000).collect(),
        compared_to: rerun.compared_to,
        duration: nanos(ended.duration),
        ..entry(prepared, ended.status, cx)
    };
    // The record explains later misses, whether or not there is a result, with which it was stored.
    let put = match result {
        Some(_) => Ok(()),
        None => store.put_bytes(&prepared.encoded).map(drop),
    };
    match put.and_then(|()| store.append(&entry)) {
        // One fault of the store is told once: the report says why the result was not stored.
        Err(error) if !matches!(stored, Err(NotStored::Store(_))) => warn(&error, cx),
        _ => {}
    }
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
        reason: String::new(),
        changed: Vec::new(),
        compared_to: None,
        exit_code,
        signal,
        duration: nanos(Duration::ZERO),
        saved: 0,
        root: root_name(cx),
        host: cx.provenance.host.clone(),
    }
}

/// As many earlier runs are asked what they made.
const ASKED: usize = 256;

/// Returns what the step, by its manifest, and the last runs of this workspace, as far as they are
/// stored, are known to have made.
pub(super) fn outputs_here<'a>(
    prepared: &Prepared,
    cx: &Context<'a>,
) -> impl Iterator<Item = StoredOutput> + use<'a> {
    let name = prepared.action.policy.manifest.as_deref();
    let manifest = name.and_then(|name| manifest::read(cx.root, name));
    let recorded = manifest.map(|it| it.outcome.outputs).unwrap_or_default();
    let of_results = results_here(cx).flat_map(|result| result.outcome.outputs);
    recorded.into_iter().chain(of_results)
}

/// Returns the results of the last runs of this workspace, each once, as far as they are stored.
fn results_here<'a>(cx: &Context<'a>) -> impl Iterator<Item = StoredResult> + use<'a> {
    let here = root_name(cx);
    let store = cx.store;
    let entries = store.and_then(|store| store.entries(ASKED).ok());
    let of_here = entries.unwrap_or_default().into_iter();
    let results: BTreeSet<_> = of_here
        .filter(|entry| entry.root == here)
        .filter_map(|entry| entry.result)
        .collect();
    let read = move |result: BlobId| store?.read_result(&result).ok();
    results.into_iter().filter_map(read)
}

/// Returns what history calls the workspace.
fn root_name(cx: &Context<'_>) -> String {
    let name = cx.root.file_name();
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn warn(error: &StoreError, cx: &Context<'_>) {
    // A store that cannot be written was told of already.
    if cx.writable().is_some() {
        let reason = chain(error);
        cx.warn(Warning::Store(format!(
            "no history entry was written: {reason}"
        )));
    }
}
