//! The words of `ibid doctor`.

use super::GlobalArgs;

/// Looks at the cache and its surroundings: what was found, what it means, what to set.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "doctor",
    bin_name = "ibid doctor",
    after_help = "Changes nothing. Exits with 1 where the cache is of no use.\n\nExample: ibid doctor"
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
