//! The words of `ibid config`.

use super::GlobalArgs;

/// Prints the settings in force.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "config",
    bin_name = "ibid config",
    after_help = "Example: ibid config --show-origin"
)]
pub(crate) struct ConfigArgs {
    /// Say where each value comes from.
    #[arg(long)]
    pub(crate) show_origin: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
