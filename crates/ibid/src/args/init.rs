//! The words of `ibid init`.

use super::GlobalArgs;

/// Writes a commented ibid.toml with a small step into this folder, where there is none.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "init",
    bin_name = "ibid init",
    after_help = "Example: ibid init\n\nThen `ibid plan` says what would be done, and `ibid run` does it."
)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
