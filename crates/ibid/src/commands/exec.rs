//! `ibid exec`.

use crate::args::ExecArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::request;

pub(super) fn run(args: ExecArgs, context: &Context) -> Result<Exit, Failure> {
    let request = request::exec(args.step, &args.run, &context.dir)?;
    context.console.say(&format!("{request:?}"));
    Ok(Exit::OK)
}
