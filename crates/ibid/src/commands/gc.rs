//! `ibid gc`: what nothing names goes.

use crate::args::GcArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &GcArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
