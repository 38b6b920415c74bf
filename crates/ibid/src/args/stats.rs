//! The words of `ibid stats`.

use super::GlobalArgs;

/// Counts runs and restored results, why steps ran, and the time spent and saved.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "stats",
    bin_name = "ibid stats",
    after_help = "Counted is what history tells. A step that is up to date leaves no entry there, \
                  so it is not counted.\n\nExample: ibid stats --since 7d"
)]
pub(crate) struct StatsArgs {
    /// Only this step (of a matrix all points), or this label.
    #[arg(value_name = "STEP|LABEL")]
    pub(crate) of: Option<String>,
    /// Only the last so long: `12h`, `7d`, `4w`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
