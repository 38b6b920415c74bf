//! The words of `ibid diff`.

use super::GlobalArgs;

/// Prints the components in which two keys or runs differ, and the lines of texts.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "diff",
    bin_name = "ibid diff",
    after_help = "Lines are shown where both versions can still be read, from the store or from \
                  the workspace.\n\nExample: ibid diff 3f9c2a 81b0dd"
)]
pub(crate) struct DiffArgs {
    /// A key, the start of one, a label, a step or a run of it such as `fit@-1`.
    #[arg(value_name = "RUN")]
    pub(crate) old: String,
    /// The other.
    #[arg(value_name = "RUN")]
    pub(crate) new: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
