//! The words of `ibid pins`.

use super::GlobalArgs;

/// Lists the pinned results: since when, key, size, label, why.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "pins",
    bin_name = "ibid pins",
    after_help = "Example: ibid pins"
)]
pub(crate) struct PinsArgs {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
