//! The decision: what a prepared step comes to, by the store, its manifest and what stands in
//! place. Reads, and changes nothing: running a step and foreseeing it decide by this one code.
//!
//! ```text
//! look up ─ hit ──▶ streams there? ─▶ outputs in place? ─▶ up to date | restorable
//!         ─ absent ─▶ manifest of this key? outputs in place as it says? ─▶ up to date
//!         ─ refused ─▶ miss
//! ```

use super::context::Context;
use super::error::chain;
use super::event::{Warning, Work};
use super::freshness::{Miss, acceptable, is_success};
use super::lookup::{LookUp, look_up};
use super::made_links;
use super::manifest::{self, Manifest};
use super::prepare::Prepared;
use super::replay::{self, Log};
use crate::action::Trigger;
use crate::digest::TreeId;
use crate::fs::{Meter, spoil_account};
use crate::output::{InPlace, RestoreError, inspect, stand_as_known, trees_stand_as_known};
use crate::store::{Outcome, StoredResult};
use crate::tree::Tree;

/// What a step comes to.
pub(super) enum Decided {
    /// The outputs in place are those of a stored result, or it has none.
    UpToDate(Usable),
    /// The outputs in place are those that the manifest records; the store knows nothing.
    Recorded(Box<Manifest>),
    /// The outputs are to come out of the store, as far as it has them.
    Restorable(Usable),
    /// No result answers the request.
    Miss(Missed),
}

/// A stored result that answers the request.
pub(super) struct Usable {
    pub(super) result: Box<StoredResult>,
    /// What the run printed: verified and open.
    pub(super) log: Log,
}

/// A miss.
pub(super) struct Missed {
    pub(super) miss: Miss,
    /// Whether a result stands for the key that cannot be used: nobody else's run of it is worth
    /// waiting for.
    pub(super) is_unusable: bool,
    /// Whether that is because the store has lost something, so that any command that gives equal
    /// bytes brings it back.
    pub(super) is_lost: bool,
    /// What the user should hear, where the command runs although the store is not at fault.
    pub(super) warning: Option<Warning>,
}

/// Decides a prepared step.
pub(super) fn decide(prepared: &Prepared, cx: &Context<'_>) -> Decided {
    match look_up(prepared, cx) {
        LookUp::Hit(result) => weigh(prepared, result, cx),
        LookUp::Absent(miss) => by_manifest(prepared, cx).unwrap_or_else(|| none(miss)),
        LookUp::Refused(miss) => none(miss),
    }
}

/// Returns the result of a prepared step if its outputs are known to stand in place. No output is
/// read, so this never takes long.
pub(super) fn decide_as_known(prepared: &Prepared, cx: &Context<'_>) -> Option<Usable> {
    let LookUp::Hit(result) = look_up(prepared, cx) else {
        return None;
    };
    let action = &prepared.action;
    let Outcome { exit_code, outputs } = &result.outcome;
    let meter = Meter::default();
    let digests = cx.digests(&meter);
    let stands = is_success(*exit_code, &action.policy)
        && trees_stand_as_known(&action.outputs, outputs, cx.root, &digests);
    let log = replay::open(result.run.log, cx.readable()?).ok()?;
    stands.then_some(Usable { result, log })
}

fn none(miss: Miss) -> Decided {
    Decided::Miss(Missed {
        miss,
        is_unusable: false,
        is_lost: false,
        warning: None,
    })
}

/// Decides by a result that answers the request.
pub(super) fn weigh(prepared: &Prepared, result: Box<StoredResult>, cx: &Context<'_>) -> Decided {
    let store = cx.readable().expect("a hit comes out of a store");
    let log = match replay::open(result.run.log, store) {
        Ok(log) => log,
        Err(miss) => {
            let missed = Missed {
                miss,
                is_unusable: true,
                is_lost: true,
                warning: None,
            };
            return by_manifest(prepared, cx).unwrap_or(Decided::Miss(missed));
        }
    };
    let listing = |id| store.listing(&id).ok();
    match in_place(prepared, &result.outcome, &listing, cx) {
        Ok(InPlace::UpToDate) => Decided::UpToDate(Usable { result, log }),
        Ok(InPlace::Differs(_)) => Decided::Restorable(Usable { result, log }),
        Ok(InPlace::NotStored(missing)) => Decided::Miss(Missed {
            miss: Miss::because(Trigger::Outputs, missing.to_string()),
            is_unusable: true,
            is_lost: false,
            warning: None,
        }),
        Err(error) => Decided::Miss(unusable(&error)),
    }
}

/// Compares the outputs in place with those of an outcome.
pub(super) fn in_place(
    prepared: &Prepared,
    outcome: &Outcome,
    listing: &dyn Fn(TreeId) -> Option<Tree>,
    cx: &Context<'_>,
) -> Result<InPlace, RestoreError> {
    let action = &prepared.action;
    // A failed run leaves the outputs of the last good one in place, and so does its replay.
    if action.outputs.is_empty() || !is_success(outcome.exit_code, &action.policy) {
        return Ok(InPlace::UpToDate);
    }
    let (meter, outputs) = (Meter::default(), &outcome.outputs);
    if stand_as_known(&action.outputs, outputs, cx.root, &cx.digests(&meter)) {
        return Ok(InPlace::UpToDate);
    }
    let made = made_links::standing(prepared, outputs, cx);
    let meter = cx.begin(Work::Hashing);
    let found = inspect(
        &action.outputs,
        &outcome.outputs,
        (cx.root, &made),
        &cx.digests(&meter),
        listing,
    );
    cx.end();
    found
}

/// Decides by the manifest, if the step keeps one and it is of this key. What it says of outputs
/// is believed of those that are declared and stand with these digests, and of nothing else; so a
/// manifest that is damaged, foreign or of another schema only decides nothing.
fn by_manifest(prepared: &Prepared, cx: &Context<'_>) -> Option<Decided> {
    let action = &prepared.action;
    let name = action.policy.manifest.as_deref()?;
    let manifest = manifest::read(cx.root, name).filter(|it| it.key == prepared.key)?;
    let times = (manifest.started, manifest.duration);
    acceptable(&manifest.outcome, times, action, cx.clock.now()).ok()?;
    // Of a failed run there are only streams to bring back, and a manifest has none.
    if !is_success(manifest.outcome.exit_code, &action.policy) {
        return None;
    }
    // Whoever stores a result of this key meanwhile changes nothing else that was looked at.
    spoil_account("the store knows less than a manifest");
    let found = in_place(prepared, &manifest.outcome, &|_| None, cx);
    matches!(found, Ok(InPlace::UpToDate)).then(|| Decided::Recorded(Box::new(manifest)))
}

/// A result that cannot be used is a miss, whoever is at fault: the command can still run.
pub(super) fn unusable(error: &RestoreError) -> Missed {
    let reason = chain(error);
    let warning = (!error.is_miss()).then(|| Warning::NotRestored(reason.clone()));
    Missed {
        miss: Miss::because(Trigger::Outputs, reason),
        is_unusable: true,
        is_lost: error.is_miss(),
        warning,
    }
}
