//! The words of `ibid fsck`.

use super::GlobalArgs;

/// Reads and checks the whole cache, and lists all that is wrong.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "fsck",
    bin_name = "ibid fsck",
    after_help = "Deletes nothing, and works on a cache that may only be read.\n\nExit codes: 0, or the sum of 8 (something is damaged), 16 (something is not to be trusted), 32 (something cannot be read).\n\nExample: ibid fsck --repair"
)]
pub(crate) struct FsckArgs {
    /// Move what is damaged to the trash, so that the next run makes it anew.
    #[arg(long)]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
