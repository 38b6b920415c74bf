//! The words of `ibid gc`.

use super::GlobalArgs;

/// Removes what nothing names any more: blobs, leftovers of killed processes, old trash.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "gc",
    bin_name = "ibid gc",
    after_help = "Evicts no result: that is `ibid prune`.\n\nExample: ibid gc --dry-run"
)]
pub(crate) struct GcArgs {
    /// Say what would go, and change nothing.
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
