//! The words of `ibid restore`.

use std::path::PathBuf;

use super::GlobalArgs;

/// Writes the outputs of a stored result into a folder.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "restore",
    bin_name = "ibid restore",
    after_help = "Behind the `@` stands which run is meant: the start of its key; `-1`, `-2` for \
                  so many runs before the newest; or a time, for the newest run at or before it: \
                  `2026-11-20`, `2026-11-20T10:30`, `yesterday`, `2h ago`. Counted are runs that \
                  gave a result. A day or a minute counts to its end.\n\n\
                  Example: ibid restore project/table.csv@-1 --to old/"
)]
pub(crate) struct RestoreArgs {
    /// A step, a run of it such as `fit@-1`, a label, a key or the start of one.
    #[arg(value_name = "STEP[@RUN]|KEY")]
    pub(crate) of: String,
    /// The folder to write into; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
