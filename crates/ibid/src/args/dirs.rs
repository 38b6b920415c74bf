//! The words of `ibid dirs`.

use super::GlobalArgs;

/// Prints where cache, local and temporary files live; makes nothing.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "dirs",
    bin_name = "ibid dirs",
    after_help = "Example: ibid dirs"
)]
pub(crate) struct DirsArgs {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
