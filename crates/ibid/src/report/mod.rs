//! What is printed, where and how.
//!
//! stdout carries data only: the command's own bytes, and what a command was asked to print.
//! Everything else goes to stderr. Nobody but this module and `error` prints. Invariant: a line of
//! progress is gone before anything else is written.

mod console;
pub(crate) mod people;
mod progress;

pub(crate) use self::console::Console;
