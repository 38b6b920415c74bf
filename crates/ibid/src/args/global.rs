//! What every command takes: where to work, which cache, and how to talk.

use std::path::PathBuf;

/// Flags of every command; they may also stand before the command's name.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct GlobalArgs {
    /// Work in this folder instead of the current one.
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Keep the cache here [default: see `ibid dirs`].
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Read this configuration file too, above all others.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON: data on stdout; for `run` and `exec` one event a line, those of `exec` on stderr.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print errors and warnings only.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// When to use colours; `NO_COLOR` is honoured.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: ColorChoice,
}

/// When to use colours.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Also in a pipe or a file.
    Always,
    /// Never.
    Never,
}

/// The flags of [`GlobalArgs`] whose value is the next word.
pub(super) const FLAGS_WITH_VALUE: [&str; 4] = ["-C", "--cache-dir", "--config", "--color"];
