//! The words of `ibid output`.

use super::GlobalArgs;

/// Prints again what a run printed, each stream on its own.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "output",
    bin_name = "ibid output",
    after_help = "Example: ibid output project/table.csv"
)]
pub(crate) struct OutputArgs {
    /// A step, a run of it such as `fit@-1`, a label, a key or the start of one.
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: String,
    /// Follow a run that is under way in another process, until it ends. Of a run on another
    /// machine nothing is seen before its end. Of output beyond 1 MiB a follower sees the last.
    #[arg(short, long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
