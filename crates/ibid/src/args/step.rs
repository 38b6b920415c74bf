//! What a step depends on, makes and runs: shared by `exec` and `key`, so that a command line can
//! be turned from one into the other by changing one word.

use std::ffi::OsString;
use std::path::PathBuf;

/// The declaration of a step.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct StepArgs {
    #[command(flatten)]
    pub needs: NeedArgs,
    #[command(flatten)]
    pub makes: MakeArgs,
    /// CMD is one text for a shell: /bin/sh, or the named one of sh, bash, dash, ksh and zsh.
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        help_heading = "Arguments"
    )]
    pub shell: Option<String>,
    /// The command and its arguments, after `--` or after the last flag.
    #[arg(
        trailing_var_arg = true,
        value_name = "CMD",
        required = true,
        help_heading = "Arguments"
    )]
    pub command: Vec<OsString>,
}

/// What the result depends on.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "What it depends on")]
pub struct NeedArgs {
    /// A file, folder or quoted pattern that the command reads (`data/`, 'src/**/*.h').
    #[arg(short, long, value_name = "PATH|GLOB")]
    pub input: Vec<OsString>,
    /// An input whose name does not count, only its content.
    #[arg(long, value_name = "PATH")]
    pub input_by_content: Vec<OsString>,
    /// Leave these files out of inputs that are folders or patterns.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// A variable the command sees and depends on; without a value, as it is in your shell.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<OsString>,
    /// A variable the command sees although the result does not depend on it.
    #[arg(long, value_name = "NAME")]
    pub pass_env: Vec<OsString>,
    /// A secret: seen by the command, never hashed, stored or printed.
    #[arg(long, value_name = "NAME")]
    pub secret_env: Vec<OsString>,
    /// Which variables the command sees [default: strict].
    #[arg(long, value_name = "MODE", value_enum)]
    pub env_mode: Option<EnvModeArg>,
    /// Another program that the command starts; its bytes count.
    #[arg(long, value_name = "NAME")]
    pub tool: Vec<OsString>,
    /// Which installed packages count [default: those of a virtual environment].
    #[arg(long, value_name = "KIND", value_enum)]
    pub packages: Option<PackagesArg>,
    /// A command whose output tells a version, in one word ('cc --version').
    #[arg(long, value_name = "'CMD'")]
    pub versions_from: Vec<OsString>,
    /// A value that the result depends on, as JSON (alpha=0.5, 'name="x"'); the command does not
    /// see it.
    #[arg(short, long, value_name = "NAME=JSON")]
    pub param: Vec<OsString>,
    /// A JSON, TOML or YAML document whose data counts, not its layout.
    #[arg(long, value_name = "FILE")]
    pub spec: Vec<PathBuf>,
    /// A file of code that the command runs; the script of an interpreter counts by itself.
    #[arg(long, value_name = "PATH")]
    pub code: Vec<OsString>,
    /// A word of the command that names a file but is no input.
    #[arg(long, value_name = "WORD")]
    pub ignore_arg: Vec<OsString>,
    /// A version given by hand (model=2).
    #[arg(long, value_name = "NAME=V")]
    pub version_tag: Vec<OsString>,
    /// Any text: another one makes another key, and so a fresh run.
    #[arg(long, value_name = "S")]
    pub salt: Vec<OsString>,
    /// Read standard input to its end, and let it count.
    #[arg(long)]
    pub stdin: bool,
    /// The command depends on nothing but itself.
    #[arg(long)]
    pub no_input: bool,
}

/// What it makes, and how the result is kept.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "What it makes, and for how long it counts")]
pub struct MakeArgs {
    /// A file, folder (`out/`) or quoted pattern that the command writes.
    #[arg(short, long, value_name = "PATH|GLOB")]
    pub output: Vec<OsString>,
    /// An output that the command may leave out.
    #[arg(long, value_name = "PATH|GLOB")]
    pub optional_output: Vec<OsString>,
    /// What history calls the step [default: folder/first output, else folder/command].
    #[arg(long, value_name = "NAME")]
    pub label: Option<OsString>,
    /// For how long a result counts (90s, 15m, 12h, 30d).
    #[arg(long, value_name = "DUR", allow_hyphen_values = true)]
    pub ttl: Option<OsString>,
    /// How long the command may run (90s, 15m, 12h).
    #[arg(long, value_name = "DUR", allow_hyphen_values = true)]
    pub timeout: Option<OsString>,
    /// Another exit code that counts as success (0 to 255).
    #[arg(long, value_name = "N")]
    pub ok_exit: Vec<OsString>,
    /// Store failures too, and replay them.
    #[arg(long)]
    pub cache_failures: bool,
    /// The folder that paths are named from [default: the nearest with an ibid.toml, else `.`].
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// How an execution goes about it; nothing here changes the key.
#[derive(clap::Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "How it runs")]
pub struct ExecutionArgs {
    /// Run even if a result is known, and store the new one.
    #[arg(long)]
    pub force: bool,
    /// What may be done with the cache [default: read-write].
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// How outputs come back [default: auto].
    #[arg(long, value_enum)]
    pub link: Option<LinkArg>,
    /// Say why it runs: every component that changed, old and new.
    #[arg(long)]
    pub explain: bool,
    /// Fail with exit code 125 where the cache cannot be used, instead of running without it.
    #[arg(long)]
    pub strict: bool,
}

/// Which variables the command sees.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvModeArg {
    /// Declared variables and a fixed minimal set.
    Strict,
    /// All of yours; those that are not declared do not count.
    Loose,
}

/// Which installed packages count.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackagesArg {
    /// Those of the command's Python interpreter.
    Python,
    /// None.
    None,
}

/// What may be done with the cache.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeArg {
    /// Look up and store.
    ReadWrite,
    /// Look up only.
    ReadOnly,
    /// Run and store.
    WriteOnly,
    /// Just run.
    Off,
}

/// How outputs come back.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkArg {
    /// Cloned where the file system can, else copied.
    Auto,
    /// Copied.
    Copy,
    /// Linked, and read-only.
    Hardlink,
}
