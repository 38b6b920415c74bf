//! The words of `ibid fsck`.

use super::GlobalArgs;

/// Reads and checks the whole store, and lists all that is wrong.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "fsck",
    bin_name = "ibid fsck",
    after_help = "Works on a store that may only be read. Exit codes: 0, or the sum of 8 (something is damaged), 16 (something is not to be trusted), 32 (something cannot be read).\n\nExample: ibid fsck --repair"
)]
pub(crate) struct FsckArgs {
    /// Put what is damaged aside, so that the next run makes it anew.
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
