//! The words of `ibid why`.

use super::GlobalArgs;

/// Says why a step ran, against the closest earlier run, and what changed its inputs.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "why",
    bin_name = "ibid why",
    after_help = "A changed input that another step wrote is followed to the run that changed it, \
                  and on from there.\n\nExample: ibid why project/table.csv"
)]
pub(crate) struct WhyArgs {
    /// A step, a run of it such as `fit@-1`, a label, a key or the start of one [default: the latest run].
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: Option<String>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
