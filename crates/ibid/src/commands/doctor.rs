//! `ibid doctor`: what was found, what it means, what to set.

use crate::args::DoctorArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &DoctorArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
