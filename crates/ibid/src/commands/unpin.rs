//! `ibid unpin`: results that may go again.

use crate::args::UnpinArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &UnpinArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
