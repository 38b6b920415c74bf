//! The words of `ibid gc`.

use super::GlobalArgs;

/// Moves files that no result needs to the trash, and deletes old trash.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "gc",
    bin_name = "ibid gc",
    after_help = "Leftovers of killed runs are deleted, too. Runs do this by themselves now and then. It evicts no result: that is `ibid prune`.\n\nExample: ibid gc --dry-run"
)]
pub(crate) struct GcArgs {
    /// Say what would go, and change nothing.
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
