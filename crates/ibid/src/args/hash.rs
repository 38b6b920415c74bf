//! The words of `ibid hash`.

use std::path::PathBuf;

use super::GlobalArgs;

/// Prints the BLAKE3 digest of files, as b3sum does, or of folders.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "hash",
    bin_name = "ibid hash",
    after_help = "Example: ibid hash --tree data/"
)]
pub(crate) struct HashArgs {
    /// Files; with --tree, folders too.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// Hash folders with everything below them, as inputs: without `.git/` and the like.
    #[arg(long)]
    pub(crate) tree: bool,
    /// Read every byte, even of files known to be unchanged.
    #[arg(long)]
    pub(crate) no_stat_cache: bool,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
