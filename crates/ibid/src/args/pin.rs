//! The words of `ibid pin`.

use super::GlobalArgs;

/// Pins results: no limit evicts them, until `ibid unpin`.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "pin",
    bin_name = "ibid pin",
    after_help = "Example: ibid pin fit@Adelie --because \"figure 3 of the thesis\""
)]
pub(crate) struct PinArgs {
    /// A step (of a matrix all points), a label, a key or the start of one.
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: String,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT")]
    pub(crate) because: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
