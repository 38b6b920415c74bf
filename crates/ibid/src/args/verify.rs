//! The words of `ibid verify`.

use super::GlobalArgs;

/// Reads and checks everything that a stored result needs.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "verify",
    bin_name = "ibid verify",
    after_help = "Exit codes: 0, 1 where no result is stored, else those of `ibid fsck`.\n\nExample: ibid verify fit@Adelie"
)]
pub(crate) struct VerifyArgs {
    /// A step (of a matrix all points), a run of it (`STEP@2`), a label, a key or the start of one.
    #[arg(value_name = "STEP|LABEL|KEY")]
    pub(crate) of: String,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
