//! The words of `ibid why`.

use super::GlobalArgs;

/// Says why a step ran, against the closest earlier run.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "why",
    bin_name = "ibid why",
    after_help = "Example: ibid why project/table.csv"
)]
pub(crate) struct WhyArgs {
    /// A key, the start of one, or a label [default: the latest run].
    #[arg(value_name = "KEY|LABEL")]
    pub(crate) of: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
