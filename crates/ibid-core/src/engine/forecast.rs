//! What will become of a step: the same code as running it, up to the look-up and the look at what
//! stands in place. Changes nothing.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::decide::{Decided, Missed, Usable, decide, unusable};
use super::error::Error;
use super::event::Work;
use super::explain;
use super::freshness::is_success;
use super::leftovers;
use super::made_links;
use super::outcome::Rerun;
use super::overlay::{Leaves, Overlay};
use super::prepare::{Prepared, prepare_over};
use super::run::moves_outputs;
use crate::action::Step;
use crate::digest::Key;
use crate::output::{rehearse, validate};
use crate::store::StoredResult;

/// What will be done about a step, and with which key.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// The key.
    pub key: Key,
    /// What will be done.
    pub forecast: Forecast,
}

/// What will be done about a step.
#[derive(Clone, Debug)]
pub enum Forecast {
    /// Nothing: outputs in place already equal a result.
    UpToDate {
        /// How long the stored run took.
        saved: Duration,
    },
    /// Outputs will come out of the store, which has them.
    Restore {
        /// The result that they come from.
        result: Box<StoredResult>,
    },
    /// The command will run.
    Run {
        /// Why.
        rerun: Rerun,
    },
}

/// What a step means for those that wait for it.
pub(super) enum After {
    /// Its outputs stand already.
    Stands,
    /// Its outputs will stand like this.
    Leaves(Leaves),
    /// Its outputs are not known yet.
    Open,
    /// The same; and its command runs only because the store has lost something, which any other
    /// command may bring back.
    Lost,
    /// It will give none: what is replayed is a failure.
    Fails,
}

/// Foresees what [`super::step`] would do. Reads what that reads, and runs what tells versions.
pub fn foresee(step: &Step, overlay: &Overlay, cx: &Context<'_>) -> Result<Foreseen, Error> {
    look_ahead(step, overlay, cx).map(|(foreseen, _)| foreseen)
}

/// Foresees a step, and what that means for others.
pub(super) fn look_ahead(
    step: &Step,
    overlay: &Overlay,
    cx: &Context<'_>,
) -> Result<(Foreseen, After), Error> {
    let prepared = prepare_over(step, overlay, cx)?;
    let policy = &prepared.action.policy;
    let after = |code| {
        if is_success(code, policy) {
            After::Stands
        } else {
            After::Fails
        }
    };
    let up_to_date = |nanos| Forecast::UpToDate {
        saved: Duration::from_nanos(nanos),
    };
    let (forecast, after) = match decide(&prepared, cx) {
        Decided::UpToDate(Usable { result, .. }) => (
            up_to_date(result.run.duration),
            after(result.outcome.exit_code),
        ),
        Decided::Recorded(manifest) => (
            up_to_date(manifest.duration),
            after(manifest.outcome.exit_code),
        ),
        Decided::Restorable(usable) => restore(&prepared, usable, cx)?,
        Decided::Miss(missed) => run(&prepared, &missed, cx)?,
    };
    let key = prepared.key;
    Ok((Foreseen { key, forecast }, after))
}

/// A restore, if the store has what it needs: all that is to be copied, whole.
fn restore(
    prepared: &Prepared,
    usable: Usable,
    cx: &Context<'_>,
) -> Result<(Forecast, After), Error> {
    let store = cx.readable().expect("a hit comes out of a store");
    let action = &prepared.action;
    let result = usable.result;
    let outputs = &result.outcome.outputs;
    let made = made_links::standing(prepared, outputs, cx);
    let reserved = prepared.reserved(&made, cx);
    validate(&action.outputs, &reserved)?;
    leftovers::check(prepared, &reserved, cx)?;
    let meter = cx.begin(Work::Hashing);
    let digests = cx.digests(&meter);
    let rehearsed = rehearse(&action.outputs, outputs, (cx.root, &made), &digests, store);
    cx.end();
    match rehearsed {
        Ok(leaves) => {
            let leaves = leaves.into_iter();
            let leaves = leaves.map(|(path, entries)| (path, Arc::new(entries)));
            let after = After::Leaves(leaves.collect());
            Ok((Forecast::Restore { result }, after))
        }
        Err(error) => run(prepared, &unusable(&error), cx),
    }
}

/// A run, if its outputs may be outputs.
fn run(prepared: &Prepared, missed: &Missed, cx: &Context<'_>) -> Result<(Forecast, After), Error> {
    let made = made_links::standing(prepared, &[], cx);
    let reserved = prepared.reserved(&made, cx);
    validate(&prepared.action.outputs, &reserved)?;
    if moves_outputs(cx) {
        leftovers::check(prepared, &reserved, cx)?;
    }
    let rerun = explain::rerun(prepared, &missed.miss, cx);
    let after = if missed.is_lost {
        After::Lost
    } else {
        After::Open
    };
    Ok((Forecast::Run { rerun }, after))
}
