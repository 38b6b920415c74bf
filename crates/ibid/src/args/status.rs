//! The words of `ibid status`.

use super::GlobalArgs;

/// Says which steps are up to date and which are not: the short form of `ibid plan`.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "status",
    bin_name = "ibid status",
    after_help = "Example: ibid status\n\n`ibid plan` says of each step why."
)]
pub(crate) struct StatusArgs {
    /// Steps, and all that they wait for: names, matrices or quoted patterns [default: all].
    #[arg(value_name = "STEP|GLOB", help_heading = "Arguments")]
    pub(crate) steps: Vec<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
