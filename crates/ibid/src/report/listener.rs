//! `Listener`: who hears of everything where the process belongs to another front door.
//!
//! Knows nothing of how it is shown. What it hears is what the command line prints: the same
//! events, and the same lines without their tags.

use std::fmt::Debug;
use std::sync::Arc;

use ibid_core::exec::Stream;
use ibid_core::fs::Meter;
use serde_json::Value;

/// How much a line weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Good to know.
    Normal,
    /// Something was lost or failed.
    Heavy,
}

/// Hears of everything that happens, from any thread.
pub trait Listener: Debug + Send + Sync {
    /// Something happened: an event as in the JSON of the command line.
    fn event(&self, event: &Value);
    /// Says whether events are worth being made.
    fn wants_events(&self) -> bool {
        true
    }
    /// The command wrote these bytes, live or in a replay.
    fn output(&self, stream: Stream, bytes: &[u8]);
    /// Lines for people, without the line break at their end.
    fn told(&self, weight: Weight, lines: &str);
    /// Work on bytes began, such as `hashing`; the meter moves until its last owner drops it, and
    /// can stop the work.
    fn work(&self, verb: &'static str, meter: &Arc<Meter>);
}
