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
    /// Only runs of this step (of a matrix all points), label or key.
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
