//! The words of `ibid usage`.

use super::GlobalArgs;

/// Says what takes how much of the disk: by step, by age, and what sharing saves.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "usage",
    bin_name = "ibid usage",
    after_help = "`alone` is what would be free without these results, `in all` counts what others need, too.\n\nExample: ibid usage"
)]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
