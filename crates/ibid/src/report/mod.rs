//! What is printed, where and how.
//!
//! stdout carries data only: the command's own bytes, and what a command was asked to print.
//! Everything else goes to stderr. Nobody but this module and `error` prints. Invariant: a line of
//! progress is gone before anything else is written.

mod console;
mod events;
pub(crate) mod flaws;
pub(crate) mod history;
mod human;
mod json;
mod listener;
pub(crate) mod people;
mod pipeline;
pub(crate) mod plan;
mod progress;
pub(crate) mod value;

pub(crate) use self::console::Console;
pub(crate) use self::events::Reporter;
pub(crate) use self::json::outcome_json;
pub use self::listener::{Listener, Weight};
pub(crate) use self::pipeline::{
    PipelineReporter, ShowOutput, Telltale, nothing_to_do, up_to_date_names,
};
