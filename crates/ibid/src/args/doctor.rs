//! The words of `ibid doctor`.

use super::GlobalArgs;

/// Looks at the store and its surroundings: what was found, what it means, what to set.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "doctor",
    bin_name = "ibid doctor",
    after_help = "Exits with 0 where results can be had or stored, with 1 where the cache is of no\n\
                  use.\n\n\
                  Example: ibid doctor"
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
