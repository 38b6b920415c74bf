//! The words of `ibid run`.

use super::{ExecutionArgs, GlobalArgs, SelectArgs};

/// Runs the steps of ibid.toml: those that need it, as many at once as fit.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "run",
    bin_name = "ibid run",
    mut_arg("force", |arg| arg.help(
        "Run these steps (all, if none is named) even if their results are known"
    )),
    mut_arg("strict", |arg| arg.help("Fail with exit code 125 where the cache cannot be used")),
    after_help = "Example: ibid run -j 4 report\n\n  what would be done:               ibid run --dry-run\n  a step again, and what follows:   ibid run --force --downstream clean\n  all points of a matrix:           ibid run 'fit@*'\n\nExit codes: 0; 1 a step failed; 2 usage, or a mistake in ibid.toml; 125 ibid failed; 130 interrupted."
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Occupy so many processors at most [default: all].
    #[arg(
        short = 'j',
        long = "parallel",
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "How it runs"
    )]
    pub(crate) parallel: Option<u64>,
    /// After a failure, go on with the steps that do not hang on it.
    #[arg(short, long, help_heading = "How it runs")]
    pub(crate) keep_going: bool,
    /// Say what would be done, and do nothing: the same as `ibid plan`.
    #[arg(short = 'n', long, help_heading = "How it runs")]
    pub(crate) dry_run: bool,
    /// Whose output is printed, each in one piece at its end [default: failed].
    #[arg(long, value_name = "WHOSE", value_enum, help_heading = "How it runs")]
    pub(crate) show_output: Option<ShowOutputArg>,
    #[command(flatten)]
    pub(crate) execution: ExecutionArgs,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Whose output is printed.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowOutputArg {
    /// No step's.
    Never,
    /// The last lines of a step that failed.
    Failed,
    /// Every step's, also where it is replayed.
    All,
}
