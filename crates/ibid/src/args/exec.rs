//! The words of `ibid exec`.

use super::{GlobalArgs, RunArgs, StepArgs};

/// Runs a command, or cites its earlier result: same outputs, streams and exit code.
#[derive(clap::Parser, Clone, Debug, Default)]
#[command(
    name = "exec",
    bin_name = "ibid exec",
    override_usage = "ibid exec [OPTIONS] -- CMD [ARG]...",
    after_help = "Example: ibid exec -i data.csv -o table.csv -- python3 clean.py data.csv table.csv\n\nExit codes: the command's own; 2 usage; 125 ibid failed; 126 not executable; 127 not found; 130 interrupted."
)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) step: StepArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
