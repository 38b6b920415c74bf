//! The commit: blobs are in, then the record, the log, the result, and the key's file last.

use std::io::Read as _;
use std::path::Path;

use super::clock::nanos;
use super::context::Context;
use super::outcome::Ran;
use super::prepare::Prepared;
use crate::digest::BlobId;
use crate::exec::{SpooledLog, Status};
use crate::fs::Meter;
use crate::output::Capture;
use crate::store::{
    LocalStore, Outcome, Recorded, Replace, RunInfo, StoreError, Stored, StoredResult, StreamLogRef,
};

/// A run that may be stored.
pub(super) struct Storable<'a> {
    /// How it went.
    pub(super) ran: &'a Ran,
    /// What it printed.
    pub(super) log: &'a SpooledLog,
    /// Its outputs; none of a failed run.
    pub(super) capture: Option<&'a Capture>,
    /// Whether the result replaces one that stands.
    pub(super) replace: Replace,
}

/// What was committed.
pub(super) struct Committed {
    /// Our result.
    pub(super) result: StoredResult,
    /// Its blob.
    pub(super) blob: BlobId,
    /// Whose result stands for the key.
    pub(super) recorded: Recorded,
}

/// Stores a run under its key.
pub(super) fn commit(
    prepared: &Prepared,
    run: &Storable<'_>,
    store: &LocalStore,
    cx: &Context<'_>,
) -> Result<Committed, StoreError> {
    let Status::Exited(exit_code) = run.ran.ended.status else {
        unreachable!("a run that a signal ended is judged and refused before");
    };
    let mut blobs: Vec<Stored> = run
        .capture
        .map_or_else(Vec::new, |capture| capture.blobs.clone());
    let record = store.put_bytes(&prepared.encoded)?;
    blobs.push(record);
    for listing in &prepared.listings {
        blobs.push(store.put_bytes(&listing.encode())?);
    }
    let log = put_log(run.log, store)?;
    blobs.extend(log);
    let result = StoredResult {
        key: prepared.key,
        outcome: Outcome {
            exit_code,
            outputs: run
                .capture
                .map_or_else(Vec::new, |capture| capture.outputs.clone()),
        },
        run: RunInfo {
            record: record.blob,
            log: log.map(|log| StreamLogRef {
                blob: log.blob,
                size: log.size,
            }),
            started: nanos(run.ran.started),
            duration: nanos(run.ran.ended.duration),
            host: cx.provenance.host.clone(),
            user: cx.provenance.user.clone(),
            version: cx.provenance.version.clone(),
            label: prepared.action.policy.label.clone(),
        },
    };
    let recorded = store.record(&result, &blobs, run.replace)?;
    Ok(Committed {
        blob: BlobId::of(&result.encode()),
        result,
        recorded,
    })
}

/// Stores the log, unless the command printed nothing.
fn put_log(log: &SpooledLog, store: &LocalStore) -> Result<Option<Stored>, StoreError> {
    if log.is_empty() {
        return Ok(None);
    }
    if let Some(file) = log.as_file() {
        let meter = Meter::default();
        return store
            .put_file(file, Path::new("the stream log"), &meter)
            .map(Some);
    }
    let mut bytes = Vec::new();
    log.open()
        .read_to_end(&mut bytes)
        .expect("reading memory does not fail");
    store.put_bytes(&bytes).map(Some)
}
