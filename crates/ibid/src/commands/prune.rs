//! `ibid prune`: results go by policy.

use crate::args::PruneArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &PruneArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
