//! The words of `ibid key`.

use super::{ExecutionArgs, GlobalArgs, StepArgs};

/// Prints the key of a command and everything it is made of, without running it.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "key",
    bin_name = "ibid key",
    override_usage = "ibid key [OPTIONS] -- CMD [ARG]...",
    after_help = "Takes the flags of `ibid exec`.\n\nExample: ibid key -i data.csv -- python3 clean.py data.csv"
)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) step: StepArgs,
    #[command(flatten)]
    pub(crate) run: ExecutionArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
