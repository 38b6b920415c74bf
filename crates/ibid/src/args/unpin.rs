//! The words of `ibid unpin`.

use super::GlobalArgs;

/// Unpins results: they may be evicted again.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "unpin",
    bin_name = "ibid unpin",
    after_help = "Example: ibid unpin fit@Adelie"
)]
pub(crate) struct UnpinArgs {
    /// A step (of a matrix all points), a label, a key or the start of one.
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
