//! The words of `ibid invalidate`.

use super::GlobalArgs;

/// Makes stored results count no longer; the next run computes them again.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "invalidate",
    bin_name = "ibid invalidate",
    after_help = "Example: ibid invalidate project/table.csv"
)]
pub(crate) struct InvalidateArgs {
    /// A step (of a matrix all points), a label, a key or the start of one.
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: String,
    /// Also what hangs on the step, however far.
    #[arg(long)]
    pub(crate) downstream: bool,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
