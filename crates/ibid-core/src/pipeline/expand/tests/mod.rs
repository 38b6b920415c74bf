//! What becomes of declared steps, one room a file.

mod commands;
mod graphs;
mod laws;
mod matrices;
mod steps;

use crate::action::{CommandLine, Step};

/// Returns the words of a command, or its script alone.
fn words(step: &Step) -> Vec<String> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    match &step.command {
        CommandLine::Argv(argv) => argv.iter().map(text).collect(),
        CommandLine::Shell { script, .. } => vec![text(script)],
        CommandLine::Call { .. } | CommandLine::Delegated(_) => {
            unreachable!("no file declares what others run")
        }
    }
}
