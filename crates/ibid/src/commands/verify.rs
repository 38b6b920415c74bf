//! `ibid verify`: one result, read and checked.

use crate::args::VerifyArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &VerifyArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
