//! One function for each command, and the way to it.

mod completions;
mod config;
mod dirs;
mod exec;
mod key;
mod man;

use std::ffi::OsString;

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
            let console = Console::new(&GlobalArgs::default(), &Default::default());
            return console.data(text.as_bytes()).map(|()| Exit::OK);
        }
    };
    let context = Context::new(verb.global())?;
    match verb {
        Verb::Completions(args) => completions::run(&args, &context),
        Verb::Man(args) => man::run(&args, &context),
        Verb::Config(args) => config::run(&args, &context),
        Verb::Dirs(args) => dirs::run(&args, &context),
        Verb::Exec(args) => exec::run(args, &context),
        Verb::Key(args) => key::run(args, &context),
        _ => Err(Failure::usage("unwired")),
    }
}

/// Says whether failures are to be printed as JSON, before anything else of the words is read.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    let ours = words.iter().take_while(|word| *word != "--");
    ours.into_iter().any(|word| word == "--json")
}
