//! The words of `ibid diff`.

use super::GlobalArgs;

/// Prints the components in which two keys differ.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "diff",
    bin_name = "ibid diff",
    after_help = "Example: ibid diff 3f9c2a 81b0dd"
)]
pub(crate) struct DiffArgs {
    /// The key of one run, the start of it, or a label.
    #[arg(value_name = "KEY")]
    pub(crate) old: String,
    /// The key of the other.
    #[arg(value_name = "KEY")]
    pub(crate) new: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
