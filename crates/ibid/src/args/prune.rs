//! The words of `ibid prune`.

use super::GlobalArgs;

/// Evicts the least valuable results until the cache is within its limits.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "prune",
    bin_name = "ibid prune",
    after_help = "What is evicted is computed again when it is needed. Without flags the settings count: `max_size`, `max_age`. Runs do the same by themselves now and then.\nPinned results stay, and those used within the last minute.\n\nExample: ibid prune --max-size 20G --dry-run"
)]
pub(crate) struct PruneArgs {
    /// Most bytes of disk that the cache may take: `20G`, `500M` (in steps of 1024), `auto` or `none`.
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<String>,
    /// Evict what was not used for so long: `30d`, `12h`, or `none`.
    #[arg(long, value_name = "TIME")]
    pub(crate) max_age: Option<String>,
    /// Of each step, keep only the newest N results.
    #[arg(long, value_name = "N")]
    pub(crate) keep_last: Option<usize>,
    /// Say what would go, and change nothing.
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
