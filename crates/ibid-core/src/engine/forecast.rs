//! What will become of a step: the same code as running it, up to the look-up and the look at what
//! stands in place. Changes nothing.

use std::time::Duration;

use super::context::Context;
use super::error::Error;
use super::outcome::Rerun;
use super::overlay::Overlay;
use crate::action::Step;
use crate::digest::Key;
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
    /// Outputs will come out of the store.
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

/// Foresees what [`super::step`] would do.
pub fn foresee(step: &Step, overlay: &Overlay, cx: &Context<'_>) -> Result<Foreseen, Error> {
    let _ = (step, overlay, cx);
    todo!("room E1")
}
