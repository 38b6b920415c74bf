//! `ibid fsck`: the whole store, read and checked.

use crate::args::FsckArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(_args: &FsckArgs, _context: &Context) -> Result<Exit, Failure> {
    todo!("room")
}
