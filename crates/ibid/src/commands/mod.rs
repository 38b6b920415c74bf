//! One function for each command, and the way to it.

mod causes;
mod changed;
mod cite;
mod collecting;
mod completions;
mod config;
mod diff;
mod dirs;
mod doctor;
pub(crate) mod exec;
mod fsck;
mod gc;
mod hash;
mod init;
mod invalidate;
pub(crate) mod key;
mod known;
mod log;
mod man;
mod named;
mod output;
mod pin;
mod pins;
pub(crate) mod plan;
mod prune;
mod restore;
pub(crate) mod run;
mod runs;
mod show;
mod stats;
mod status;
mod text_diff;
mod underway;
mod unpin;
mod usage;
mod verify;
pub(crate) mod why;

use std::ffi::OsString;

use ibid_core::environ::EnvSnapshot;

use crate::again::{self, Start};
use crate::args::{self, Asked, GlobalArgs, Verb};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::Console;

/// Reads a command line and does what it says.
pub(crate) fn dispatch(words: Vec<OsString>) -> Result<Exit, Failure> {
    let asking = match again::start(&words) {
        Start::Over(exit) => return Ok(exit),
        Start::Goes(asking) => asking,
    };
    let verb = match args::parse(words)? {
        Asked::Verb(verb) => verb,
        Asked::Text(text) => {
            let console = Console::new(&GlobalArgs::default(), &EnvSnapshot::default());
            return console.data(text.as_bytes()).map(|()| Exit::OK);
        }
    };
    let context = Context::new(verb.global())?.asking(asking);
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
        Verb::Gc(args) => gc::run(&args, &context),
        Verb::Prune(args) => prune::run(&args, &context),
        Verb::Pin(args) => pin::run(&args, &context),
        Verb::Unpin(args) => unpin::run(&args, &context),
        Verb::Pins(args) => pins::run(&args, &context),
        Verb::Usage(args) => usage::run(&args, &context),
        Verb::Verify(args) => verify::run(&args, &context),
        Verb::Fsck(args) => fsck::run(&args, &context),
        Verb::Doctor(args) => doctor::run(&args, &context),
        Verb::Why(args) => why::run(&args, &context),
        Verb::Config(args) => config::run(&args, &context),
        Verb::Dirs(args) => dirs::run(&args, &context),
        Verb::Run(args) => run::run(&args, &context),
        Verb::Plan(args) => plan::run(&args, &context),
        Verb::Status(args) => status::run(args, &context),
        Verb::Init(_) => init::run(&context),
        Verb::Exec(args) => exec::run(args, &context),
        Verb::Key(args) => key::run(args, &context),
    }
}

/// Says whether failures are to be printed as JSON, before anything else of the words is read.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    let ours = words.iter().take_while(|word| *word != "--");
    ours.into_iter().any(|word| word == "--json")
}
