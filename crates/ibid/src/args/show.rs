//! The words of `ibid show`.

use super::GlobalArgs;

/// Prints what is stored for a key: command, components, outputs, times.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "show",
    bin_name = "ibid show",
    after_help = "Example: ibid show 3f9c2a"
)]
pub(crate) struct ShowArgs {
    /// A key, the start of one, or a label.
    #[arg(value_name = "KEY|LABEL")]
    pub(crate) of: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
