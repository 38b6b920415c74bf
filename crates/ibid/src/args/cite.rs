//! The words of `ibid cite`.

use std::path::PathBuf;

use super::GlobalArgs;

/// Says which run made a file, wherever it lies and whatever it is called.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "cite",
    bin_name = "ibid cite",
    after_help = "Example: ibid cite ~/Desktop/figure-3-final.png"
)]
pub(crate) struct CiteArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: CiteFormat,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// How to print a citation.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum CiteFormat {
    /// For people.
    #[default]
    Text,
    /// As `--json`.
    Json,
    /// As an entry of a bibliography.
    Bibtex,
}
