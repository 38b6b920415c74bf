//! The words of `ibid restore`.

use std::path::PathBuf;

use super::GlobalArgs;

/// Writes the outputs of a stored result into a folder.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "restore",
    bin_name = "ibid restore",
    after_help = "Example: ibid restore 3f9c2a --to old/"
)]
pub(crate) struct RestoreArgs {
    /// A key, the start of one, or a label.
    #[arg(value_name = "KEY|LABEL")]
    pub(crate) of: String,
    /// The folder to write into; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
