//! One function for each command, and the way to it.

mod causes;
mod changed;
mod cite;
mod completions;
mod config;
mod diff;
mod dirs;
mod exec;
mod hash;
mod invalidate;
mod key;
mod known;
mod log;
mod man;
mod named;
mod output;
mod restore;
mod runs;
mod show;
mod stats;
mod text_diff;
mod underway;
mod why;

use std::ffi::OsString;

use ibid_core::environ::EnvSnapshot;

use crate::args::{self, Asked, GlobalArgs, Verb};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::Console;

/// Reads a command line and does what it says.
pub(crate) fn dispatch(words: Vec<OsString>) -> Result<Exit, Failure> {
    let verb = match args::parse(words)? {
        Asked::Verb(verb) => verb,
        Asked::Text(text) => {
            let console = Console::new(&GlobalArgs::default(), &EnvSnapshot::default());
            return console.data(text.as_bytes()).map(|()| Exit::OK);
        }
    };
    let context = Context::new(verb.global())?;
    match verb {
        Verb::Completions(args) => completions::run(&args, &context),
        Verb::Man(args) => man::run(&args, &context),
        Verb::Cite(args) => cite::run(&args, &context),
        Verb::Diff(args) => diff::run(&args, &context),
        Verb::Hash(args) => hash::run(&args, &context),
        Verb::Invalidate(args) => invalidate::run(&args, &context),
        Verb::Log(args) => log::run(&args, &context),
        Verb::Output(args) => output::run(&args, &context),
        Verb::Restore(args) => restore::run(&args, &context),
        Verb::Show(args) => show::run(&args, &context),
        Verb::Stats(args) => stats::run(&args, &context),
        Verb::Why(args) => why::run(&args, &context),
        Verb::Config(args) => config::run(&args, &context),
        Verb::Dirs(args) => dirs::run(&args, &context),
        Verb::Exec(args) => exec::run(args, &context),
        Verb::Key(args) => key::run(args, &context),
    }
}

/// Says whether failures are to be printed as JSON, before anything else of the words is read.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    let ours = words.iter().take_while(|word| *word != "--");
    ours.into_iter().any(|word| word == "--json")
}
