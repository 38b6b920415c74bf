//! The look-up: a prepared step and a store give a hit or a miss with a reason.

use super::context::Context;
use super::freshness::{Miss, acceptable};
use super::prepare::Prepared;
use crate::action::{AccessMode, HumanDuration, Trigger};
use crate::store::{Lookup, MissReason, StoredResult};

/// What is known of a key.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// A result that answers the request. Its blobs may turn out damaged or missing.
    Hit(Box<StoredResult>),
    /// None.
    Miss(Miss),
}

/// Looks a prepared step up. Changes nothing, but for damage in the store that is put aside.
pub fn look_up(prepared: &Prepared, cx: &Context<'_>) -> LookUp {
    if cx.access.force {
        return LookUp::Miss(Miss::because(Trigger::Forced, "asked to run again"));
    }
    let Some(store) = cx.readable() else {
        return LookUp::Miss(bypassed(cx));
    };
    match store.look_up(&prepared.key) {
        Lookup::Found(result) => match acceptable(&result, &prepared.action, cx.clock.now()) {
            Ok(()) => LookUp::Hit(result),
            Err(miss) => LookUp::Miss(miss),
        },
        Lookup::Tombstone(tombstone) => {
            let age = cx.clock.nanos().saturating_sub(tombstone.when);
            let age = HumanDuration(std::time::Duration::from_nanos(age));
            let reason = format!("the result was invalidated {age} ago: {}", tombstone.why);
            LookUp::Miss(Miss::because(Trigger::Forced, reason))
        }
        Lookup::Absent(reason @ MissReason::Absent) => {
            LookUp::Miss(Miss::absent(reason.to_string()))
        }
        Lookup::Absent(reason) => LookUp::Miss(Miss::because(Trigger::Outputs, reason.to_string())),
    }
}

fn bypassed(cx: &Context<'_>) -> Miss {
    match cx.access.mode {
        AccessMode::WriteOnly => Miss::because(Trigger::Forced, "stored results are not looked at"),
        AccessMode::Off => Miss::because(Trigger::Forced, "the cache is off"),
        AccessMode::ReadWrite | AccessMode::ReadOnly => Miss::absent("there is no cache"),
    }
}
