//! `ibid pins`: which results are protected.

use crate::args::PinsArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &PinsArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
