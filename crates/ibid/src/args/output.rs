//! The words of `ibid output`.

use super::GlobalArgs;

/// Prints again what a run printed, each stream on its own.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "output",
    bin_name = "ibid output",
    after_help = "Example: ibid output project/table.csv"
)]
pub(crate) struct OutputArgs {
    /// A key, the start of one, or a label.
    #[arg(value_name = "KEY|LABEL")]
    pub(crate) of: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
