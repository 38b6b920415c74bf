//! The words of `ibid plan`.

use super::{GlobalArgs, SelectArgs};

/// Says what `ibid run` would do about each step, and why. Changes nothing.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "plan",
    bin_name = "ibid plan",
    after_help = "Example: ibid plan report\n\nExit codes: 0; 1 a step could not be tried; 2 usage, or a mistake in ibid.toml; 125 ibid failed."
)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// As if these steps (all, if none is named) had to run even if their results are known.
    #[arg(long, help_heading = "Which steps")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
