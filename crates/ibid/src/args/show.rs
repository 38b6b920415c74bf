//! The words of `ibid show`.

use super::GlobalArgs;

/// Prints what is stored for a step, a run or a key: command, components, outputs, times.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "show",
    bin_name = "ibid show",
    after_help = "Example: ibid show 3f9c2a"
)]
pub(crate) struct ShowArgs {
    /// A step, a run of it such as `fit@-1`, a label, a key or the start of one.
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
