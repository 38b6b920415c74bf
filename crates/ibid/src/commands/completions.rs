//! `ibid completions`: a script that completes commands and flags.

use crate::args::{self, CompletionsArgs};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(args: &CompletionsArgs, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::tree(), "ibid", &mut script);
    context.console.data(&script)?;
    Ok(Exit::OK)
}
