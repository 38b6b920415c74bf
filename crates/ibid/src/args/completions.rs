//! The words of `ibid completions`.

use super::GlobalArgs;

/// Prints a completion script for a shell.
#[derive(clap::Parser, Clone, Debug)]
#[command(
    name = "completions",
    bin_name = "ibid completions",
    after_help = "Example: ibid completions bash > ~/.local/share/bash-completion/completions/ibid\n\n  zsh:   ibid completions zsh > DIR/_ibid, where DIR is in $fpath\n  fish:  ibid completions fish > ~/.config/fish/completions/ibid.fish"
)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}
