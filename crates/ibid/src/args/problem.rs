//! Turns clap's answers into one line, a hint, and exit code 2.

use std::ffi::OsStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::Failure;

/// How the command line to run is called where it is missing.
const COMMAND: &str = "`<CMD>...`";

/// Says what is wrong with the words of a command.
pub(super) fn describe(error: &clap::Error, verb: &OsStr) -> Failure {
    let verb = verb.to_string_lossy();
    let flag = text(error, ContextKind::InvalidArg).unwrap_or_default();
    // clap names a flag with its value: `--ttl <DUR>`.
    let bare = flag.split([' ', '=']).next().unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UnknownArgument if bare.starts_with('-') => {
            format!("unknown flag `{bare}` of `ibid {verb}`")
        }
        ErrorKind::UnknownArgument => {
            format!("`ibid {verb}` takes no `{bare}`")
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("`{bare}` needs a value"),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            format!("`{value}` is no value of `{bare}`")
        }
        ErrorKind::MissingRequiredArgument if missing(error) == COMMAND => {
            return Failure::usage("the command to run is missing").hint(format!(
                "it stands behind `--`: `ibid {verb} -i data.csv -- wc data.csv`"
            ));
        }
        ErrorKind::MissingRequiredArgument => {
            format!("`ibid {verb}` needs {}", missing(error))
        }
        ErrorKind::ArgumentConflict => match text(error, ContextKind::PriorArg) {
            Some(prior) if prior != flag => {
                format!("`{bare}` and `{prior}` exclude each other")
            }
            _ => format!("`{bare}` is given more than once"),
        },
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("`{bare}` takes one value")
        }
        ErrorKind::InvalidUtf8 => "an argument that must be text is not UTF-8".to_owned(),
        _ => first_line(error),
    };
    let failure = Failure::usage(message);
    if let Some(similar) = suggestion(error) {
        return failure.hint(format!("did you mean `{similar}`?"));
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
            failure.hint(format!("one of {}", quoted(valid)))
        }
        _ => failure.hint(format!("`ibid {verb} --help` lists what it takes")),
    }
}

/// Returns the word that was probably meant.
pub(super) fn suggestion(error: &clap::Error) -> Option<String> {
    [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
        ContextKind::SuggestedSubcommand,
    ]
    .into_iter()
    .find_map(|kind| text(error, kind))
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        // Clap sorts them the nearest last.
        ContextValue::Strings(texts) => texts.last().cloned(),
        _ => None,
    }
}

fn missing(error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => quoted(names),
        _ => "more".to_owned(),
    }
}

fn quoted(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
