//! `ibid key`.

use crate::args::KeyArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::request;

pub(super) fn run(args: KeyArgs, context: &Context) -> Result<Exit, Failure> {
    let root = args.step.makes.root.as_deref();
    let root = root
        .map(|root| request::asked_root(root, &context.dir))
        .transpose()?;
    let session = context.session(root, request::overrides(&args.step, &args.run))?;
    let request = request::exec(args.step, &args.run, &context.dir, &session)?;
    context.console.say(&format!("{request:?}"));
    Ok(Exit::OK)
}
