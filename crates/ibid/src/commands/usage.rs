//! `ibid usage`: what takes how much.

use crate::args::UsageArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &UsageArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
