//! `ibid pin`: results that stay.

use crate::args::PinArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &PinArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
