//! `ibid gc`: what nothing names goes.

use ibid_core::maintain::Policy;

use super::collecting::{self, Doing};
use crate::args::GcArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(args: &GcArgs, context: &Context) -> Result<Exit, Failure> {
    let doing = if args.dry_run {
        Doing::Tell
    } else {
        Doing::Apply
    };
    let known = collecting::open(context, doing)?;
    let policy = Policy::unreachable_only(known.session.config.grace.value.0);
    collecting::run(&known, &policy, doing)
}
