//! The words of `ibid log`.

use super::GlobalArgs;

/// Lists earlier runs, the latest first.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "log",
    bin_name = "ibid log",
    after_help = "Example: ibid log project/table.csv"
)]
pub(crate) struct LogArgs {
    /// Only runs of this label.
    #[arg(value_name = "LABEL")]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
