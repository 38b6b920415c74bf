//! The command line of ibid.
//!
//! `args` (what was typed) → `request` (validated) → `context` (environment, settings, folders) →
//! `commands` (one function each) → `report` (what is printed). Only `report` and `error` print.

mod again;
mod args;
mod collection;
mod commands;
mod context;
mod error;
mod exit;
mod members;
mod project;
mod report;
mod request;
mod run;
mod signals;

fn main() -> std::process::ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let json = commands::wants_json(&words);
    match commands::dispatch(words) {
        Ok(exit) => exit.leave(),
        Err(failure) => {
            failure.print(json);
            failure.exit().into()
        }
    }
}
