//! What follows a decision that needs no run: outputs are left alone or put right from the store,
//! the streams are replayed, and the manifest says so.

use std::time::Duration;

use super::context::Context;
use super::decide::{Decided, Missed, Usable, unusable};
use super::error::Error;
use super::event::{Note, Work};
use super::flight;
use super::freshness::Miss;
use super::history;
use super::leftovers;
use super::made_links;
use super::manifest::{self, Manifest};
use super::outcome::{Decision, StepOutcome};
use super::prepare::Prepared;
use super::stamp::Stamp;
use crate::action::{OutputKind, OutputSpec};
use crate::exec::Status;
use crate::output::{Restored, Restorer, validate};
use crate::store::{LocalStore, OutputContent, Pace, StoredOutput, StoredResult};
use crate::tree::Entry;

/// What a decision came to.
pub(super) enum Brought {
    /// The step is over.
    Done(StepOutcome),
    /// No result is known; somebody may be computing it.
    Absent(Miss),
    /// The entry cannot be used: nobody else's run of it will do either.
    Unusable(Miss),
}

/// Does what was decided, as far as no command has to run for it.
pub(super) fn bring_back(
    prepared: &Prepared,
    decided: Decided,
    cx: &Context<'_>,
) -> Result<Brought, Error> {
    match decided {
        Decided::UpToDate(usable) => Ok(Brought::Done(up_to_date(prepared, usable, cx))),
        Decided::Recorded(manifest) => Ok(Brought::Done(recorded(&manifest, cx))),
        Decided::Restorable(usable) => restore(prepared, usable, cx),
        Decided::Miss(missed) => Ok(told(missed, cx)),
    }
}

/// Leaves the outputs in place alone.
pub(super) fn up_to_date(prepared: &Prepared, usable: Usable, cx: &Context<'_>) -> StepOutcome {
    let Usable { result, log } = usable;
    log.replay(cx);
    manifest::keep(prepared, &result, cx);
    mark_used(&result, cx);
    let saved = Duration::from_nanos(result.run.duration);
    outcome(&result, Decision::UpToDate { saved }, cx)
}

/// Notes that the result is still of use, where the store takes notes.
fn mark_used(result: &StoredResult, cx: &Context<'_>) {
    if let Some(store) = cx.writable() {
        store.mark_used(&result.key, cx.timestamp());
    }
}

/// Nothing is written and nothing replayed: all that is known stands in the manifest.
fn recorded(manifest: &Manifest, cx: &Context<'_>) -> StepOutcome {
    let saved = Duration::from_nanos(manifest.duration);
    StepOutcome {
        key: manifest.key,
        decision: Decision::UpToDate { saved },
        status: Status::Exited(manifest.outcome.exit_code),
        elapsed: cx.elapsed(),
    }
}

fn outcome(result: &StoredResult, decision: Decision, cx: &Context<'_>) -> StepOutcome {
    StepOutcome {
        key: result.key,
        decision,
        status: Status::Exited(result.outcome.exit_code),
        elapsed: cx.elapsed(),
    }
}

fn restore(prepared: &Prepared, usable: Usable, cx: &Context<'_>) -> Result<Brought, Error> {
    let store = cx.readable().expect("a hit comes out of a store");
    let action = &prepared.action;
    let outputs = &usable.result.outcome.outputs;
    let made = made_links::standing(prepared, outputs, cx);
    let reserved = prepared.reserved(&made, cx);
    validate(&action.outputs, &reserved)?;
    leftovers::check(prepared, &reserved, cx)?;
    let pace = pace(&action.outputs, outputs);
    let mut leases = flight::outputs(prepared, (store, pace), cx)?;
    let busy = cx.busy();
    let meter = cx.begin(Work::Restoring);
    let stamp = Stamp::now(cx);
    let source = Restorer {
        store,
        digests: cx.digests(&meter),
        link_mode: cx.access.link,
        ground: stamp.ground(cx),
    };
    let put_right = source.restore(&action.outputs, outputs, &made);
    cx.end();
    let restored = match put_right {
        // Somebody else put them right meanwhile.
        Ok(restored) if !restored.touched => {
            return Ok(Brought::Done(up_to_date(prepared, usable, cx)));
        }
        Ok(restored) => restored,
        Err(error) => return Ok(told(unusable(&error), cx)),
    };
    // An entry of history follows.
    if let Some(last) = leases.pop() {
        last.make_way();
    }
    drop((leases, busy));
    tell(&restored, cx);
    let Usable { result, log } = usable;
    log.replay(cx);
    manifest::keep(prepared, &result, cx);
    mark_used(&result, cx);
    let decision = Decision::Restored {
        outputs: restored.files,
        bytes: restored.bytes,
        saved: Duration::from_nanos(result.run.duration),
    };
    let outcome = outcome(&result, decision, cx);
    history::record_hit(prepared, &result, &outcome, cx);
    Ok(Brought::Done(outcome))
}

/// So many files are few.
const FEW: usize = 16;

/// So many bytes are copied at once.
const SMALL: u64 = 1 << 20;

/// Says whether outputs are a few small files, those in folders included.
pub(super) fn are_little(outputs: &[StoredOutput], store: &LocalStore) -> bool {
    let (mut files, mut bytes) = (0, 0_u64);
    for output in outputs {
        match &output.content {
            OutputContent::Link(_) => files += 1,
            OutputContent::File { size, .. } => {
                files += 1;
                bytes = bytes.saturating_add(*size);
            }
            OutputContent::Tree(id) => {
                let Ok(tree) = store.listing(id) else {
                    return false;
                };
                for entry in tree.into_entries().values() {
                    files += 1;
                    if let Entry::File { size, .. } = entry {
                        bytes = bytes.saturating_add(*size);
                    }
                }
            }
        }
    }
    files <= FEW && bytes <= SMALL
}

/// Putting back a few small files is over before anybody could ask who does it. What may take
/// longer even then, such as what stands in the way, says so itself.
fn pace(declared: &[OutputSpec], outputs: &[StoredOutput]) -> Pace {
    let is_small = |output: &StoredOutput| match &output.content {
        OutputContent::File { size, .. } => *size <= SMALL,
        OutputContent::Link(_) => true,
        OutputContent::Tree(_) => false,
    };
    // A pattern is looked for in folders of any size.
    let is_one = |output: &OutputSpec| !matches!(output.kind, OutputKind::Glob(_));
    let is_little = outputs.len() <= FEW && outputs.iter().all(is_small);
    if is_little && declared.iter().all(is_one) {
        Pace::Brief
    } else {
        Pace::Lasting
    }
}

fn tell(restored: &Restored, cx: &Context<'_>) {
    cx.note_kept(&restored.replaced);
    if let Some(refusal) = &restored.copied_because {
        cx.note(Note::NoHardLinks(refusal.to_string()));
    }
}

fn told(missed: Missed, cx: &Context<'_>) -> Brought {
    let Missed {
        miss,
        is_unusable,
        is_lost: _,
        warning,
    } = missed;
    cx.tell_faults();
    if let Some(warning) = warning {
        cx.warn(warning);
    }
    if is_unusable {
        Brought::Unusable(miss)
    } else {
        Brought::Absent(miss)
    }
}
