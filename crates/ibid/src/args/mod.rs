//! What was typed.
//!
//! Owns the flags of every command, and nothing of their meaning: that is `request`. A start costs
//! more than a hit, so the command's name is looked at first and only its own parser is built; the
//! whole tree is built for completions, manual pages, the top-level help and suggestions.

mod cite;
mod completions;
mod config;
mod diff;
mod dirs;
mod doctor;
mod exec;
mod fsck;
mod gc;
mod global;
mod hash;
mod init;
mod invalidate;
mod key;
mod log;
mod man;
mod output;
mod pin;
mod pins;
mod plain;
mod plan;
mod problem;
mod prune;
mod restore;
mod run;
mod select;
mod show;
mod stats;
mod status;
mod step;
mod unpin;
mod usage;
mod verify;
mod why;

use std::ffi::{OsStr, OsString};

use clap::{CommandFactory as _, Parser};

pub(crate) use self::cite::{CiteArgs, CiteFormat};
pub(crate) use self::completions::CompletionsArgs;
pub(crate) use self::config::ConfigArgs;
pub(crate) use self::diff::DiffArgs;
pub(crate) use self::dirs::DirsArgs;
pub(crate) use self::doctor::DoctorArgs;
pub(crate) use self::exec::ExecArgs;
pub(crate) use self::fsck::FsckArgs;
pub(crate) use self::gc::GcArgs;
pub(crate) use self::global::{ColorChoice, GlobalArgs};
pub(crate) use self::hash::HashArgs;
pub(crate) use self::init::InitArgs;
pub(crate) use self::invalidate::InvalidateArgs;
pub(crate) use self::key::KeyArgs;
pub(crate) use self::log::LogArgs;
pub(crate) use self::man::ManArgs;
pub(crate) use self::output::OutputArgs;
pub(crate) use self::pin::PinArgs;
pub(crate) use self::pins::PinsArgs;
pub(crate) use self::plan::PlanArgs;
pub(crate) use self::prune::PruneArgs;
pub(crate) use self::restore::RestoreArgs;
pub(crate) use self::run::RunArgs;
pub use self::run::ShowOutputArg;
pub use self::select::SelectArgs;
pub(crate) use self::show::ShowArgs;
pub(crate) use self::stats::StatsArgs;
pub(crate) use self::status::StatusArgs;
pub use self::step::{
    EnvModeArg, ExecutionArgs, LinkArg, MakeArgs, ModeArg, NeedArgs, PackagesArg, StepArgs,
};
pub(crate) use self::unpin::UnpinArgs;
pub(crate) use self::usage::UsageArgs;
pub(crate) use self::verify::VerifyArgs;
pub(crate) use self::why::WhyArgs;
use crate::error::Failure;
use crate::exit;

/// Runs the steps of a pipeline, or one command, and brings back what was computed before.
#[derive(Parser, Debug)]
#[command(
    name = "ibid",
    version,
    disable_help_subcommand = true,
    subcommand_value_name = "COMMAND",
    subcommand_help_heading = "Commands",
    after_help = "A file of steps: `ibid init` writes an ibid.toml, `ibid plan` says what would be done, `ibid run` does it.\n\nOne command, without a file: ibid exec -i data.csv -o table.csv -- python3 clean.py data.csv table.csv\n\n`ibid COMMAND --help` lists the flags of a command; those under \"Everywhere\" may also stand before its name."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// One command with its flags.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Verb {
    Run(RunArgs),
    Plan(PlanArgs),
    Status(StatusArgs),
    Init(InitArgs),
    Exec(ExecArgs),
    Key(KeyArgs),
    Hash(HashArgs),
    Why(WhyArgs),
    Diff(DiffArgs),
    Show(ShowArgs),
    Log(LogArgs),
    Output(OutputArgs),
    Restore(RestoreArgs),
    Cite(CiteArgs),
    Invalidate(InvalidateArgs),
    Stats(StatsArgs),
    Gc(GcArgs),
    Prune(PruneArgs),
    Pin(PinArgs),
    Unpin(UnpinArgs),
    Pins(PinsArgs),
    Usage(UsageArgs),
    Verify(VerifyArgs),
    Fsck(FsckArgs),
    Doctor(DoctorArgs),
    Config(ConfigArgs),
    Dirs(DirsArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

impl Verb {
    /// Returns the flags that every command takes.
    pub(crate) fn global(&self) -> &GlobalArgs {
        match self {
            Self::Run(args) => &args.global,
            Self::Plan(args) => &args.global,
            Self::Status(args) => &args.global,
            Self::Init(args) => &args.global,
            Self::Exec(args) => &args.global,
            Self::Key(args) => &args.global,
            Self::Hash(args) => &args.global,
            Self::Why(args) => &args.global,
            Self::Diff(args) => &args.global,
            Self::Show(args) => &args.global,
            Self::Log(args) => &args.global,
            Self::Output(args) => &args.global,
            Self::Restore(args) => &args.global,
            Self::Cite(args) => &args.global,
            Self::Invalidate(args) => &args.global,
            Self::Stats(args) => &args.global,
            Self::Gc(args) => &args.global,
            Self::Prune(args) => &args.global,
            Self::Pin(args) => &args.global,
            Self::Unpin(args) => &args.global,
            Self::Pins(args) => &args.global,
            Self::Usage(args) => &args.global,
            Self::Verify(args) => &args.global,
            Self::Fsck(args) => &args.global,
            Self::Doctor(args) => &args.global,
            Self::Config(args) => &args.global,
            Self::Dirs(args) => &args.global,
            Self::Completions(args) => &args.global,
            Self::Man(args) => &args.global,
        }
    }
}

/// What a command line asks for.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one value is made in the life of the process"
)]
pub(crate) enum Asked {
    /// A command.
    Verb(Verb),
    /// A text for stdout: help or the version.
    Text(String),
}

/// The whole command, for completions and manual pages.
pub(crate) fn tree() -> clap::Command {
    Cli::command()
}

/// Reads a command line without the program's own name.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Asked, Failure> {
    let (before, name, mut rest) = split_at_verb(words)?;
    match name.as_ref().and_then(|name| name.to_str()) {
        Some("--help" | "-h") => return Ok(Asked::Text(tree().render_help().to_string())),
        Some("--version" | "-V") => {
            return Ok(Asked::Text(format!("ibid {}\n", env!("CARGO_PKG_VERSION"))));
        }
        Some("help") if rest.is_empty() => {
            return Ok(Asked::Text(tree().render_help().to_string()));
        }
        Some("help") => {
            let verb = rest.swap_remove(0);
            return verb_of(&verb, vec!["--help".into()]);
        }
        _ => {}
    }
    let Some(name) = name else {
        return Err(Failure::usage("a command is missing")
            .hint("`ibid --help` lists them; `ibid run` runs the steps of ibid.toml, `ibid exec -- CMD` a program"));
    };
    verb_of(&name, [before, rest].concat())
}

/// Flags before the command's name, the name, and what follows it.
type Split = (Vec<OsString>, Option<OsString>, Vec<OsString>);

/// Splits the words at the command's name. Flags before it are those of every command, so they
/// can as well stand behind it.
fn split_at_verb(words: Vec<OsString>) -> Result<Split, Failure> {
    let mut before = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let Some(text) = word.to_str().filter(|text| text.starts_with('-')) else {
            return Ok((before, Some(word), words.collect()));
        };
        if matches!(text, "--help" | "-h" | "--version" | "-V") {
            return Ok((before, Some(word), Vec::new()));
        }
        let takes_value = global::FLAGS_WITH_VALUE.contains(&text);
        let known = takes_value
            || matches!(text, "--json" | "--quiet" | "-q")
            || (text.starts_with("-C") && text.len() > 2)
            || global::FLAGS_WITH_VALUE
                .iter()
                .any(|flag| text.strip_prefix(flag).is_some_and(|v| v.starts_with('=')));
        if !known {
            return Err(Failure::usage(format!("unknown flag `{text}`"))
                .hint("flags of a command stand behind its name: `ibid COMMAND --help`"));
        }
        let value = if takes_value { words.next() } else { None };
        before.push(word);
        before.extend(value);
    }
    Ok((before, None, Vec::new()))
}

/// Builds the parser of one command and reads its words.
fn verb_of(name: &OsStr, words: Vec<OsString>) -> Result<Asked, Failure> {
    let verb = match name.to_str().unwrap_or_default() {
        "exec" => match plain::exec(&words) {
            Some(args) => Ok(Verb::Exec(args)),
            None => one(words).map(Verb::Exec),
        },
        "run" => one(words).map(Verb::Run),
        "plan" => one(words).map(Verb::Plan),
        "status" => one(words).map(Verb::Status),
        "init" => one(words).map(Verb::Init),
        "key" => one(words).map(Verb::Key),
        "hash" => one(words).map(Verb::Hash),
        "why" => one(words).map(Verb::Why),
        "diff" => one(words).map(Verb::Diff),
        "show" => one(words).map(Verb::Show),
        "log" => one(words).map(Verb::Log),
        "output" => one(words).map(Verb::Output),
        "restore" => one(words).map(Verb::Restore),
        "cite" => one(words).map(Verb::Cite),
        "invalidate" => one(words).map(Verb::Invalidate),
        "stats" => one(words).map(Verb::Stats),
        "gc" => one(words).map(Verb::Gc),
        "prune" => one(words).map(Verb::Prune),
        "pin" => one(words).map(Verb::Pin),
        "unpin" => one(words).map(Verb::Unpin),
        "pins" => one(words).map(Verb::Pins),
        "usage" => one(words).map(Verb::Usage),
        "verify" => one(words).map(Verb::Verify),
        "fsck" => one(words).map(Verb::Fsck),
        "doctor" => one(words).map(Verb::Doctor),
        "config" => one(words).map(Verb::Config),
        "dirs" => one(words).map(Verb::Dirs),
        "completions" => one(words).map(Verb::Completions),
        "man" => one(words).map(Verb::Man),
        _ => return unknown_verb(name),
    };
    match verb {
        Ok(verb) => Ok(Asked::Verb(verb)),
        Err(error) if error.exit_code() == 0 => Ok(Asked::Text(error.to_string())),
        Err(error) => Err(problem::describe(&error, name)),
    }
}

fn one<A: Parser>(words: Vec<OsString>) -> Result<A, clap::Error> {
    A::try_parse_from(std::iter::once(OsString::from("ibid")).chain(words))
}

fn unknown_verb(name: &OsStr) -> Result<Asked, Failure> {
    let error = match Cli::try_parse_from([OsStr::new("ibid"), name]) {
        Err(error) => error,
        Ok(cli) => return Ok(Asked::Verb(cli.verb)),
    };
    let failure = Failure::new(
        exit::USAGE,
        format!("unknown command `{}`", name.to_string_lossy()),
    );
    Err(match problem::suggestion(&error) {
        Some(similar) => failure.hint(format!("did you mean `ibid {similar}`?")),
        None => failure.hint(format!(
            "`ibid --help` lists the commands; to run a program, type `ibid exec -- {}`",
            name.to_string_lossy()
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(words: &[&str]) -> Verb {
        match parse(words.iter().map(OsString::from).collect()) {
            Ok(Asked::Verb(verb)) => verb,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_tree_of_all_commands_is_sound() {
        tree().debug_assert();
    }

    #[test]
    fn every_command_of_the_tree_is_parsed_by_its_own_parser() {
        for command in tree().get_subcommands() {
            let help = parse(vec![command.get_name().into(), "--help".into()]);
            let Ok(Asked::Text(text)) = help else {
                panic!("{help:?}");
            };
            let usage = format!("Usage: ibid {}", command.get_name());
            assert!(text.contains(&usage), "{text}");
            assert!(text.contains("Example: ibid "), "{text}");
        }
    }

    #[test]
    fn flags_before_and_behind_the_name_are_the_same() {
        for words in [
            ["-C", "d", "dirs", "--quiet"].as_slice(),
            &["--quiet", "dirs", "-Cd"],
            &["-Cd", "--quiet", "dirs"],
        ] {
            let global = verb(words).global().clone();
            assert!(global.quiet, "{words:?}");
            assert_eq!(global.directory.as_deref(), Some("d".as_ref()), "{words:?}");
        }
    }

    #[test]
    fn the_first_plain_word_starts_the_command() {
        let Verb::Exec(args) = verb(&["exec", "-i", "a", "cc", "-c", "--quiet", "--", "x"]) else {
            panic!("not exec");
        };
        assert_eq!(args.step.needs.input, ["a"]);
        assert_eq!(args.step.command, ["cc", "-c", "--quiet", "--", "x"]);
        assert!(!args.global.quiet);
    }

    #[test]
    fn everything_after_two_dashes_is_the_command() {
        let Verb::Exec(args) = verb(&["exec", "--no-input", "--", "-odd", "--", "b"]) else {
            panic!("not exec");
        };
        assert_eq!(args.step.command, ["-odd", "--", "b"]);
    }
}
