//! The words of `ibid invalidate`.

use super::GlobalArgs;

/// Makes a stored result count no longer; the next run computes it again.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "invalidate",
    bin_name = "ibid invalidate",
    after_help = "Example: ibid invalidate project/table.csv"
)]
pub(crate) struct InvalidateArgs {
    /// A key, the start of one, or a label.
    #[arg(value_name = "KEY|LABEL")]
    pub(crate) of: String,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
