//! What is computed: steps as declared, actions as resolved, and the keys made of them.
//!
//! Pure data. An [`Action`] becomes a [`KeyRecord`], the record's encoding is hashed to the key,
//! and nothing is hashed that the record does not hold: so two keys that differ can always be
//! explained by [`diff`]. `docs/reference/key-format.md` specifies the record.

mod component;
mod diff;
pub mod document;
pub mod duration;
mod moment;
mod quote;
mod record;
mod resolved;
pub mod secret;
pub mod shell;
mod step;
mod trigger;

pub use component::{Component, ComponentKind, ComponentName};
pub use diff::{Change, diff};
pub use document::{DocumentError, DocumentFormat};
pub use duration::{DurationError, HumanDuration, parse_duration};
pub use moment::{Moment, ParseMomentError};
pub(crate) use moment::{date_of, day_of};
pub use quote::{command_text, command_words};
pub use record::{KeyRecord, RecordError};
pub use resolved::{Action, Command, OutputKind, OutputSpec, Platform, Segment, Word};
pub use secret::looks_like_secret;
pub use step::{
    AccessMode, CommandLine, EnvMode, EnvRequest, InputRequest, Packages, Policy, StdinRequest,
    Step, Storing,
};
pub use trigger::Trigger;
