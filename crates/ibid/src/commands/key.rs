//! `ibid key`.

use crate::args::KeyArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::request;

pub(super) fn run(args: KeyArgs, context: &Context) -> Result<Exit, Failure> {
    let request = request::exec(args.step, &args.run, &context.dir)?;
    context.console.say(&format!("{request:?}"));
    Ok(Exit::OK)
}
