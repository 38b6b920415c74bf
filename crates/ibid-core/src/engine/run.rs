//! A miss: earlier outputs are set aside, the command runs, and what it made is captured and
//! committed, if the run may be stored at all.
//!
//! ```text
//! set aside -> run -> judge -> inputs still the same? -> capture -> commit -> settle
//!                       |                 |                  |         |
//!                       +--- not stored --+------------------+---------+  the result counts
//! ```
//!
//! Whatever fails on the side of the store is told and changes nothing about the command's own
//! exit code and outputs.

use super::commit::{Committed, Storable, commit};
use super::context::Context;
use super::error::{Error, chain};
use super::event::{Event, Note, Warning, Work};
use super::explain;
use super::flight;
use super::freshness::Miss;
use super::history;
use super::outcome::{Decision, NotStored, Rerun, StepOutcome};
use super::prepare::{Prepared, Start};
use super::stamp::Stamp;
use super::verdict::{Verdict, judge};
use crate::action::{AccessMode, Trigger};
use crate::exec::{self, Ended, Launch, Stdin};
use crate::output::{
    Aside, Capture, CaptureError, Captured, Digests, Ground, MadeLinks, Reserved, find, set_aside,
    validate,
};
use crate::scan::{Drift, Scanner};
use crate::store::{LocalStore, Recorded, Replace};
use std::time::Duration;

/// A command that ran.
struct Ran {
    ended: Ended,
    started: Duration,
}

/// Runs the command of a prepared step, and stores what may be stored.
pub(super) fn run_and_commit(
    prepared: &Prepared,
    miss: &Miss,
    cx: &Context<'_>,
) -> Result<StepOutcome, Error> {
    let label = &prepared.action.policy.label;
    let rerun = explain::rerun(cx.store, label, (&prepared.key, &prepared.record), miss);
    prepared.notes.iter().for_each(|note| cx.note(note.clone()));
    let store_dir = cx.store.map(LocalStore::dir);
    let made = explain::links_made(cx.store, label, &prepared.action.outputs, cx.root);
    let reserved = Reserved {
        root: cx.root,
        reads: &prepared.reads,
        store: store_dir,
        made: &made,
    };
    validate(&prepared.action.outputs, &reserved)?;
    let _leases = match cx.writable() {
        Some(store) => flight::outputs(prepared, store, cx)?,
        None => Vec::new(),
    };
    let stamp = Stamp::now(cx);
    let ground = Ground {
        root: cx.root,
        stamp: stamp.as_run(),
    };
    let aside = clear_the_way(prepared, ground, &made, cx)?;
    cx.emit(&Event::Running { rerun: &rerun });
    let ran = match run(&prepared.start, prepared, cx) {
        Ok(ran) => ran,
        Err(error) => {
            put_back(aside, cx);
            return Err(error);
        }
    };
    let stored = store(prepared, &ran, &rerun, aside, cx);
    let (result, not_stored) = match stored {
        Ok(result) => (Some(result), None),
        Err(why) => (None, Some(why)),
    };
    cx.tell_faults();
    let outcome = StepOutcome {
        key: prepared.key,
        decision: Decision::Ran {
            rerun,
            took: ran.ended.duration,
            not_stored,
        },
        status: ran.ended.status,
        elapsed: cx.elapsed(),
    };
    history::record_run(prepared, &outcome, result, cx);
    Ok(outcome)
}

/// Moves earlier outputs away and makes the folders above. Without a store nothing can be put
/// back by content, so nothing is moved: the command finds what is there.
fn clear_the_way<'a>(
    prepared: &Prepared,
    ground: Ground<'a>,
    made: &MadeLinks,
    cx: &Context<'a>,
) -> Result<Option<Aside<'a>>, Error> {
    let outputs = &prepared.action.outputs;
    if cx.store.is_none() || cx.access.mode == AccessMode::Off {
        for output in outputs {
            if let Some(parent) = output.on_disk(cx.root).parent() {
                crate::fs::create_dirs(parent, None)?;
            }
        }
        return Ok(None);
    }
    let meter = cx.begin(Work::Hashing);
    let digests = Digests {
        stats: cx.stats,
        meter: &meter,
    };
    let aside = set_aside(outputs, ground, made, &digests);
    cx.end();
    Ok(Some(aside?))
}

fn run(start: &Start, prepared: &Prepared, cx: &Context<'_>) -> Result<Ran, Error> {
    let stdin = match &start.stdin {
        Some(path) => Stdin::File(crate::fs::open_file(path)?),
        None => Stdin::Null,
    };
    let launch = Launch {
        env: start.env.clone(),
        stdin,
        timeout: prepared.action.policy.timeout,
        orphans: cx.access.orphans,
        ..Launch::new(
            start.program.clone(),
            start.argv.clone(),
            start.dir.clone(),
            cx.spool_dir.to_owned(),
        )
    };
    let started = cx.clock.now();
    let ended = exec::run(
        launch,
        &mut |stream, bytes: &[u8]| cx.emit(&Event::Output { stream, bytes }),
        cx.interrupt,
    )?;
    Ok(Ran { ended, started })
}

/// Judges the run, captures and commits it, and brings the outputs that were set aside to rest.
/// Returns the blob of the result, or why there is none.
fn store(
    prepared: &Prepared,
    ran: &Ran,
    rerun: &Rerun,
    aside: Option<Aside<'_>>,
    cx: &Context<'_>,
) -> Result<crate::digest::BlobId, NotStored> {
    let verdict = judge(&ran.ended, &prepared.action.policy);
    let failed = match &verdict {
        Verdict::Success => None,
        Verdict::StoredFailure => Some(None),
        Verdict::Refused { success: true, why } => {
            settle(aside, cx);
            return Err(why.clone());
        }
        Verdict::Refused {
            success: false,
            why,
        } => Some(Some(why.clone())),
    };
    let drift = look_again(prepared, cx);
    if let Some(why) = failed {
        put_back(aside, cx);
        return match (why, drift) {
            (Some(why), _) => Err(why),
            (None, Some(drift)) => Err(drift),
            (None, None) => put(prepared, ran, rerun, None, cx),
        };
    }
    if let Some(drift) = drift {
        settle(aside, cx);
        return Err(drift);
    }
    let Some(aside) = aside else {
        return Err(NotStored::Mode);
    };
    let captured = capture(&aside, cx);
    let stored = captured.and_then(|capture| put(prepared, ran, rerun, Some(&capture), cx));
    settle(Some(aside), cx);
    stored
}

/// Looks again at everything that the key's digests rest on (hazard A7).
fn look_again(prepared: &Prepared, cx: &Context<'_>) -> Option<NotStored> {
    cx.writable()?;
    let meter = cx.begin(Work::Hashing);
    let drifts = Scanner::new(cx.root, cx.stats, &meter).recheck(&prepared.seen);
    cx.end();
    let paths: Vec<_> = drifts.into_iter().map(|Drift { path, .. }| path).collect();
    (!paths.is_empty()).then(|| {
        let shown = |path: &std::path::PathBuf| {
            path.strip_prefix(cx.root)
                .map_or_else(|_| path.clone(), ToOwned::to_owned)
        };
        NotStored::InputsChanged(paths.iter().map(shown).collect())
    })
}

/// Puts the outputs into the store, or only looks at them where nothing may be written.
fn capture(aside: &Aside<'_>, cx: &Context<'_>) -> Result<Capture, NotStored> {
    let found = find(aside).map_err(not_captured)?;
    let Some(store) = cx.writable() else {
        return Err(NotStored::Mode);
    };
    let meter = cx.begin(Work::Storing);
    let digests = Digests {
        stats: cx.stats,
        meter: &meter,
    };
    let captured = found.capture(aside, Some(store), &digests);
    cx.end();
    match captured {
        Ok(Captured::Whole(capture)) => Ok(capture),
        Ok(Captured::Unstable(paths)) => Err(NotStored::OutputsChanged(paths)),
        Err(error) => Err(not_captured(error)),
    }
}

fn not_captured(error: CaptureError) -> NotStored {
    match error {
        CaptureError::Outputs(problems) => {
            NotStored::Outputs(problems.iter().map(ToString::to_string).collect())
        }
        error => NotStored::Store(chain(&error)),
    }
}

/// Commits a run.
fn put(
    prepared: &Prepared,
    ran: &Ran,
    rerun: &Rerun,
    capture: Option<&Capture>,
    cx: &Context<'_>,
) -> Result<crate::digest::BlobId, NotStored> {
    let Some(store) = cx.writable() else {
        return Err(NotStored::Mode);
    };
    let log = ran
        .ended
        .log
        .as_ref()
        .map_err(|error| NotStored::Store(chain(error)))?;
    let storable = Storable {
        status: ran.ended.status,
        started: ran.started,
        took: ran.ended.duration,
        log,
        capture,
        replace: replace(rerun),
    };
    let Committed { result, recorded } =
        commit(prepared, &storable, store, cx).map_err(|error| NotStored::Store(chain(&error)))?;
    if let Recorded::Differs(standing) = recorded {
        let names = explain::differing(capture, &standing);
        cx.note(Note::NotDeterministic(names));
    }
    if let Some(capture) = capture {
        let meter = crate::fs::Meter::default();
        capture.remember(&Digests {
            stats: cx.stats,
            meter: &meter,
        });
    }
    Ok(result)
}

/// A refresh replaces the result that stands; so does a run that follows one which this request
/// could not use.
fn replace(rerun: &Rerun) -> Replace {
    let refreshing = [Trigger::Ttl, Trigger::Forced, Trigger::Outputs];
    let refresh = refreshing
        .iter()
        .any(|trigger| rerun.triggers.contains(trigger));
    if refresh && rerun.changes.is_empty() {
        Replace::Yes
    } else {
        Replace::No
    }
}

/// After a success: what the store has goes, what it has not stays, and is told.
fn settle(aside: Option<Aside<'_>>, cx: &Context<'_>) {
    let (Some(aside), Some(store)) = (aside, cx.store) else {
        return;
    };
    let meter = crate::fs::Meter::default();
    let digests = Digests {
        stats: cx.stats,
        meter: &meter,
    };
    let is_stored = |blob, size| store.contains_verified(&blob, size).is_ok();
    let kept = aside.settle(&is_stored, &digests);
    cx.note_kept(&kept);
}

/// After a failure: the last good outputs return, what the failed run left is kept aside.
fn put_back(aside: Option<Aside<'_>>, cx: &Context<'_>) {
    let Some(aside) = aside else { return };
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
