//! The command line of ibid, and [`door`]: the same requests for callers in the same process.
//!
//! `args` (what was typed) → `request` (validated) → `context` (environment, settings, folders) →
//! `commands` (one function each) → `report` (what is printed). Only `report` and `error` print.

mod again;
mod args;
mod collection;
mod commands;
mod context;
pub mod door;
mod error;
mod exit;
mod members;
mod place;
mod project;
mod report;
mod request;
mod run;
mod signals;

/// Does what the words of the process say, and returns its exit code.
pub fn run_words() -> u8 {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let json = commands::wants_json(&words);
    match commands::dispatch(words) {
        Ok(exit) => exit.leave(),
        Err(failure) => {
            failure.print(json);
            failure.exit()
        }
    }
}
