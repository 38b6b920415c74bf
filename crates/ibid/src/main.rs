//! The command line of ibid.
//!
//! `args` (what was typed) → `request` (validated) → `context` (environment, settings, folders) →
//! `commands` (one function each) → `report` (what is printed). Only `report` and `error` print.

// Words reach a program without the standard library's start only where glibc hands them over.
#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

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
#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
mod start;

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() -> std::process::ExitCode {
    run_words().into()
}

/// Does what the words of the process say, and returns its exit code.
fn run_words() -> u8 {
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
