//! The words of `ibid man`.

use std::path::PathBuf;

use super::GlobalArgs;

/// Prints the manual page, or writes all of them into a folder.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "man",
    bin_name = "ibid man",
    after_help = "Example: ibid man --out ~/.local/share/man/man1\n\nTo read one without keeping it: ibid man | man -l -"
)]
pub(crate) struct ManArgs {
    /// Write one page a command into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
