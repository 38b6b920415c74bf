//! The look-up: a prepared step and a store give a hit or a miss with a reason.

use super::context::Context;
use super::freshness::{Miss, acceptable};
use super::prepare::Prepared;
use crate::action::{AccessMode, HumanDuration, Trigger};
use crate::store::{Lookup, MissReason, StoredResult};
use crate::tree::Escaped;

/// What is known of a key.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// A result that answers the request. Its blobs may turn out damaged or missing.
    Hit(Box<StoredResult>),
    /// Nothing is known, or what the key's file names is lost: a manifest may know more.
    Absent(Miss),
    /// What is known does not count, or nothing is to be looked for: no manifest says otherwise.
    Refused(Miss),
}

/// Looks a prepared step up. Changes nothing, but for damage in the store that is put aside.
pub fn look_up(prepared: &Prepared, cx: &Context<'_>) -> LookUp {
    if cx.access.force {
        let why = if cx.access.always {
            "declared to run always"
        } else {
            "asked to run again"
        };
        return LookUp::Refused(Miss::because(Trigger::Forced, why));
    }
    let Some(store) = cx.readable() else {
        return bypassed(cx);
    };
    match store.look_up(&prepared.key) {
        Lookup::Found(result) => {
            let StoredResult { outcome, run, .. } = &*result;
            let times = (run.started, run.duration);
            match acceptable(outcome, times, &prepared.action, cx.clock.now()) {
                Ok(()) => LookUp::Hit(result),
                Err(miss) => LookUp::Refused(miss),
            }
        }
        Lookup::Tombstone(tombstone) => {
            let age = cx.clock.nanos().saturating_sub(tombstone.when);
            let age = HumanDuration(std::time::Duration::from_nanos(age));
            let why = Escaped(tombstone.why.as_bytes());
            let reason = format!("the result was invalidated {age} ago: {why}");
            LookUp::Refused(Miss::because(Trigger::Forced, reason))
        }
        Lookup::Absent(reason) => absent(&reason),
    }
}

/// Tells a lost result from a key's file that cannot be read: the file may have been a tombstone.
fn absent(reason: &MissReason) -> LookUp {
    let told = || Miss::because(Trigger::Outputs, reason.to_string());
    match reason {
        MissReason::Absent => LookUp::Absent(Miss::absent(reason.to_string())),
        // Nor can a stranger's file have been a tombstone that counts.
        MissReason::ResultMissing(_)
        | MissReason::Damaged { what: "result", .. }
        | MissReason::Untrusted { .. } => LookUp::Absent(told()),
        _ => LookUp::Refused(told()),
    }
}

fn bypassed(cx: &Context<'_>) -> LookUp {
    let refused = |why| LookUp::Refused(Miss::because(Trigger::Forced, why));
    match cx.access.mode {
        AccessMode::WriteOnly => refused("stored results are not looked at"),
        AccessMode::Off => refused("the cache is off"),
        AccessMode::ReadWrite | AccessMode::ReadOnly => {
            LookUp::Absent(Miss::absent("there is no cache"))
        }
    }
}
