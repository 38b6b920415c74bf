//! Runs that a caller makes itself, when and how it likes: whether one is on record, what becomes
//! of one that is over, and what can be brought back without one.
//!
//! Owns no rule of its own about keys, freshness or what may be stored: those are the rules of
//! every step. What differs is that nothing is moved away before the run, and that the manifest is
//! the record: where it is gone, nothing is, whatever the store knows. Invariants: a question
//! changes nothing; a run is recorded only if all that its key rests on is provably what it was
//! when the run began or, where nobody watched that, was not touched since its outputs were written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bring_back::{Brought, bring_back};
use super::context::Context;
use super::decide::{decide, in_place};
use super::error::{Error, chain};
use super::freshness::{Miss, acceptable};
use super::history;
use super::lookup::{LookUp, look_up};
use super::made_links;
use super::manifest::{self, Manifest};
use super::outcome::{Decision, NotStored, Ran, Rerun, StepOutcome};
use super::prepare::Prepared;
use super::stamp::Stamp;
use super::storing::store;
use crate::action::{ComponentKind, OutputSpec, Trigger};
use crate::exec::{Ended, Status, StreamLog};
use crate::fs::{FileKind, Links, Signature, Timestamp, look};
use crate::output::{Difference, DifferenceKind, InPlace, find, leave_in_place, validate};
use crate::scan::{Seen, Ways};
use crate::store::Replace;
use crate::tree::Escaped;

/// As many outputs that are not as recorded are named.
const NAMED: usize = 5;

/// A run that is over.
#[derive(Clone, Debug)]
pub struct OwnRun {
    /// When it began, since 1970; of one that nobody watched, when it was told of.
    pub started: Duration,
    /// How long it took.
    pub took: Duration,
    /// What is known of its inputs.
    pub witness: Witness,
}

/// What is known of the inputs of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The step was prepared before the run began.
    Prepared,
    /// The step was prepared afterwards: stamps have to tell, those of the files of its code too.
    Stamps(Vec<PathBuf>),
}

/// Why no run is on record that would answer for the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unrecorded {
    /// The rerun triggers.
    pub triggers: BTreeSet<Trigger>,
    /// Why, in words.
    pub reason: String,
    /// The components that differ from the recorded ones, with both values in words.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
}

/// Says whether a run of this very key is on record, counts, and left its outputs as they stand.
pub fn on_record(prepared: &Prepared, cx: &Context<'_>) -> Result<(), Unrecorded> {
    let name = prepared
        .action
        .policy
        .manifest
        .as_deref()
        .unwrap_or_default();
    let manifest = match manifest::standing(cx.root, name) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Err(because(Trigger::New, "nothing is on record")),
        Err(why) => {
            let reason = format!("the record cannot be used: {why}");
            return Err(because(Trigger::New, reason));
        }
    };
    if manifest.key != prepared.key {
        return Err(differing(&manifest, prepared));
    }
    if let LookUp::Refused(miss) = look_up(prepared, cx) {
        return Err(of_miss(miss));
    }
    let times = (manifest.started, manifest.duration);
    acceptable(&manifest.outcome, times, &prepared.action, cx.clock.now()).map_err(of_miss)?;
    match in_place(prepared, &manifest.outcome, &|_| None, cx) {
        Ok(InPlace::UpToDate) => Ok(()),
        Ok(InPlace::Differs(differences)) => {
            let told = differences.iter().take(NAMED).map(|it| told(it, cx.root));
            let reason = told.collect::<Vec<_>>().join(", ");
            Err(because(Trigger::Outputs, reason))
        }
        Ok(InPlace::NotStored(missing)) => Err(because(Trigger::Outputs, missing.to_string())),
        Err(error) => Err(because(Trigger::Outputs, chain(&error))),
    }
}

fn because(trigger: Trigger, reason: impl Into<String>) -> Unrecorded {
    Unrecorded {
        triggers: BTreeSet::from([trigger]),
        reason: reason.into(),
        changes: Vec::new(),
    }
}

fn of_miss(miss: Miss) -> Unrecorded {
    because(miss.trigger.unwrap_or(Trigger::New), miss.reason)
}

fn told(difference: &Difference, root: &Path) -> String {
    let path = &difference.path;
    let path = Escaped::path(path.strip_prefix(root).unwrap_or(path));
    let what = match difference.what {
        DifferenceKind::Missing => "is missing",
        DifferenceKind::Edited => "was edited",
        DifferenceKind::Stray => "was not there",
        DifferenceKind::WrongKind => "is another kind of thing",
        DifferenceKind::WrongMode => "is executable, or was",
    };
    format!("the output `{path}` {what}")
}

/// Compares what is on record with what holds. The words of a record decide nothing, but the keys
/// differ already.
fn differing(manifest: &Manifest, prepared: &Prepared) -> Unrecorded {
    let changes = manifest.changes_to(&prepared.record);
    let kinds = changes.iter().filter_map(|(title, ..)| {
        let kind = title.split('/').next().unwrap_or_default();
        ComponentKind::from_word(kind).map(ComponentKind::trigger)
    });
    let triggers: BTreeSet<_> = kinds.collect();
    if triggers.is_empty() {
        return because(Trigger::New, "what is on record has another key");
    }
    let names: Vec<_> = changes.iter().take(NAMED).map(|it| it.0.as_str()).collect();
    Unrecorded {
        triggers,
        reason: format!("changed: {}", names.join(", ")),
        changes,
    }
}

/// Records a run that is over: its outputs go from where they stand into the store, and its
/// manifest is written. It replaces what is on record.
pub fn record_own_run(
    prepared: &Prepared,
    run: &OwnRun,
    cx: &Context<'_>,
) -> Result<StepOutcome, Error> {
    let made = made_links::standing(prepared, &[], cx);
    validate(&prepared.action.outputs, &prepared.reserved(&made, cx))?;
    let stamp = Stamp::now(cx);
    let standing = leave_in_place(&prepared.action.outputs, stamp.ground(cx), &made)?;
    let again = || because(Trigger::Forced, "it was run all the same");
    let why = on_record(prepared, cx).err().unwrap_or_else(again);
    let ran = Ran {
        rerun: Rerun {
            triggers: why.triggers,
            reason: why.reason,
            ..Rerun::default()
        },
        replace: Replace::Yes,
        started: run.started,
        ended: ended(run.took, cx),
        unfit: Vec::new(),
    };
    let trusted = match &run.witness {
        Witness::Prepared => Ok(()),
        Witness::Stamps(code) => find(&standing)
            .map_err(|error| NotStored::Outputs(vec![chain(&error)]))
            .and_then(|found| older_than(found.written(), (prepared, code), cx)),
    };
    let stored = trusted.and_then(|()| store(prepared, &ran, Some(standing), cx));
    cx.tell_faults();
    history::record_run(prepared, &ran, stored.as_ref(), cx);
    Ok(StepOutcome {
        key: prepared.key,
        decision: Decision::Ran {
            rerun: ran.rerun,
            took: run.took,
            not_stored: stored.err(),
        },
        status: ran.ended.status,
        elapsed: cx.elapsed(),
    })
}

/// A run that went well, of which nothing else is known.
fn ended(took: Duration, cx: &Context<'_>) -> Ended {
    Ended {
        status: Status::Exited(0),
        timed_out: false,
        oom_killed: false,
        interrupted: None,
        survivors: Vec::new(),
        streams_open: false,
        duration: took,
        log: StreamLog::new(cx.spool_dir.to_owned()).finish(),
    }
}

/// Stamps of two file systems may come from two clocks, and of one from a coarse one.
const APART: i128 = 2_000_000_000;

/// When the outputs were written, with the file system of each.
struct Written(Vec<(u64, Timestamp)>);

impl Written {
    /// Says whether something was touched last before any output, and not in the same tick.
    fn is_after(&self, signature: &Signature) -> bool {
        let touched = signature.mtime.max(signature.ctime).as_nanos();
        self.0.iter().all(|(device, written)| {
            let apart = if *device == signature.device {
                0
            } else {
                APART
            };
            touched + apart < written.as_nanos()
        })
    }
}

/// Makes sure that nothing of what the key rests on was touched since any of the outputs was
/// written last, nor within the same tick of their clock, and that nothing on the way to it was put
/// in the place of something else. A folder that an output was made in may have lost an input, too:
/// where its stamp is that young, it tells nothing.
fn older_than(
    written: impl Iterator<Item = (u64, Timestamp)>,
    (prepared, code): (&Prepared, &[PathBuf]),
    cx: &Context<'_>,
) -> Result<(), NotStored> {
    let written = Written(written.collect());
    if written.0.is_empty() {
        return Err(NotStored::Unwitnessed);
    }
    let mut younger: BTreeSet<PathBuf> = BTreeSet::new();
    let mut judge = |path: &Path, signature: &Signature| {
        if !written.is_after(signature) {
            younger.insert(path.to_owned());
        }
    };
    for seen in &prepared.seen {
        seen.statuses(&mut judge);
        // One that holds nothing but outputs is not listed.
        for folder in folders_of_outputs(prepared, seen, cx) {
            if let Ok(Some(now)) = look(&folder, Links::Follow) {
                judge(&folder, &now);
            }
        }
    }
    for file in code {
        match look(file, Links::Follow) {
            Ok(Some(now)) => judge(file, &now),
            // It was there a moment ago.
            Ok(None) | Err(_) => return Err(NotStored::InputsYounger(vec![file.clone()])),
        }
    }
    younger.extend(put_elsewhere(&written, (prepared, code), cx));
    if younger.is_empty() {
        return Ok(());
    }
    let shown = |path: &PathBuf| path.strip_prefix(cx.root).unwrap_or(path).to_owned();
    Err(NotStored::InputsYounger(
        younger.iter().map(shown).collect(),
    ))
}

/// Returns the links and folders on the way to inputs and code that may have been put where they
/// are since the outputs were written.
fn put_elsewhere(
    written: &Written,
    (prepared, code): (&Prepared, &[PathBuf]),
    cx: &Context<'_>,
) -> Vec<PathBuf> {
    let around = around_outputs(prepared, cx);
    let above = |part: &Path| look(part.parent()?, Links::Follow).ok().flatten();
    let mut ways = Ways::default();
    let mut put = Vec::new();
    let inputs = prepared.seen.iter().filter_map(Seen::path);
    for path in inputs.chain(code.iter().map(PathBuf::as_path)) {
        ways.show(path, &mut |part, own| {
            // To put a folder in another's place changes its own status and that of the one around
            // it. With what holds all outputs, these would be in another place as well.
            let stays = written.is_after(own)
                || own.kind() == FileKind::Dir
                    && (around.contains(&(own.device, own.inode))
                        || above(part).is_none_or(|above| written.is_after(&above)));
            if !stays {
                put.push(part.to_owned());
            }
        });
    }
    put
}

/// Returns the folders that hold an output and lie in one that was looked at.
fn folders_of_outputs(prepared: &Prepared, seen: &Seen, cx: &Context<'_>) -> BTreeSet<PathBuf> {
    let Some(dir) = seen.path() else {
        return BTreeSet::new();
    };
    let places = prepared.action.outputs.iter().map(|it| it.on_disk(cx.root));
    let folders = places.flat_map(|place| {
        let above = place.ancestors().skip(1);
        let inside = above.take_while(|folder| folder.starts_with(dir));
        inside.map(Path::to_owned).collect::<Vec<_>>()
    });
    folders.collect()
}

/// Returns device and inode of the folders that hold all outputs.
fn around_outputs(prepared: &Prepared, cx: &Context<'_>) -> BTreeSet<(u64, u64)> {
    let folders_of = |output: &OutputSpec| -> BTreeSet<_> {
        let place = output.on_disk(cx.root);
        let folders = place.ancestors().skip(1);
        let found = folders.filter_map(|folder| look(folder, Links::Follow).ok().flatten());
        found.map(|it| (it.device, it.inode)).collect()
    };
    let all = prepared.action.outputs.iter().map(folders_of);
    all.reduce(|one, other| &one & &other).unwrap_or_default()
}

/// Brings back the outputs of a stored result, if there is one, and its record; runs nothing. Says
/// why where there is none.
pub fn bring_back_only(
    prepared: &Prepared,
    cx: &Context<'_>,
) -> Result<Result<StepOutcome, Unrecorded>, Error> {
    let decided = decide(prepared, cx);
    cx.tell_faults();
    Ok(match bring_back(prepared, decided, cx)? {
        Brought::Done(outcome) => Ok(outcome),
        Brought::Absent(miss) | Brought::Unusable(miss) => Err(of_miss(miss)),
    })
}
