//! `run` and `shell`.

use super::super::declared::{DeclaredCommand, Located};
use super::field::Shape;
use super::fields::{Fields, Origin};
use super::item::Item;
use crate::action::shell;
use crate::mistake::{Mistake, closest};

/// Reads what a step runs.
pub(super) fn read(step: &Located<String>, fields: &Fields<'_>) -> Result<Run, Mistake> {
    let Some(run) = fields.get("run") else {
        return Ok(Run::Absent);
    };
    let Some(words) = run.list() else {
        if run.raw().as_str().is_none() {
            return Err(run.wrong(&Shape::Command.expected()));
        }
        let script = run.some_text()?;
        let interpreter = match fields.get("shell") {
            Some(shell) => interpreter(shell)?,
            None => shell::default(),
        };
        return Ok(Run::Command(DeclaredCommand::Shell {
            interpreter,
            script,
        }));
    };
    let words: Vec<_> = words.iter().map(Item::text).collect::<Result<_, _>>()?;
    match words.first() {
        None => return Err(run.mistake("`run` is empty")),
        Some(first) if first.value.trim().is_empty() => {
            return Err(run
                .page
                .mistake(first.at.span.clone(), "the program of `run` is empty"));
        }
        Some(_) => {}
    }
    if let Some((shell, Origin::Own)) = fields.find("shell") {
        let message = format!("`shell` of step `{}` has no text to read", step.value);
        let mut mistake = shell.mistake(message);
        mistake.hint = Some("`run` is a list: the program is started without a shell".to_owned());
        return Err(mistake);
    }
    Ok(Run::Command(DeclaredCommand::Argv(words)))
}

/// What a step runs, if it says so.
#[derive(Clone, Debug)]
pub(super) enum Run {
    Command(DeclaredCommand),
    Absent,
}

/// Reads the words that a script is handed to.
pub(super) fn interpreter(item: &Item<'_>) -> Result<Vec<String>, Mistake> {
    if let Some(words) = item.list() {
        let words: Vec<_> = words
            .iter()
            .map(Item::some_text)
            .collect::<Result<_, _>>()?;
        if words.is_empty() {
            return Err(item.mistake("`shell` is empty"));
        }
        return Ok(words.into_iter().map(|word| word.value).collect());
    }
    let Some(name) = item.raw().as_str() else {
        return Err(item.wrong(&Shape::Interpreter.expected()));
    };
    if let Some(words) = shell::named(name) {
        return Ok(words);
    }
    let mut mistake = item.mistake(format!("`{name}` is not a shell that is known by its name"));
    mistake.suggestion = closest(name, shell::names()).map(str::to_owned);
    if mistake.suggestion.is_none() {
        let hint = "write all its words: shell = [\"fish\", \"-c\"]";
        mistake.hint = Some(hint.to_owned());
    }
    Err(mistake)
}

/// Reads `versions_from`: commands as lists of words, or as texts without quotes.
pub(super) fn versions_from(fields: &Fields<'_>) -> Result<Vec<Vec<String>>, Mistake> {
    let Some(item) = fields.get("versions_from") else {
        return Ok(Vec::new());
    };
    let Some(commands) = item.list() else {
        return Err(item.wrong(&Shape::Commands.expected()));
    };
    commands.iter().map(version_command).collect()
}

fn version_command(item: &Item<'_>) -> Result<Vec<String>, Mistake> {
    const HINT: &str = "a command is a list of words: versions_from = [[\"cc\", \"--version\"]]";
    let hinted = |mut mistake: Mistake| {
        mistake.hint = Some(HINT.to_owned());
        mistake
    };
    let words: Vec<String> = match item.list() {
        Some(words) => {
            let words: Vec<_> = words.iter().map(Item::text).collect::<Result<_, _>>()?;
            words.into_iter().map(|word| word.value).collect()
        }
        None if item.raw().as_str().is_none() => {
            return Err(item.wrong("a list of words, or text"));
        }
        None => {
            let text = item.text()?.value;
            let special = |c: char| "'\"\\$`;|&<>()*?#~".contains(c);
            if let Some(c) = text.chars().find(|c| special(*c)) {
                let message = format!("`{c}` in a command that is text means nothing here");
                return Err(hinted(item.mistake(message)));
            }
            text.split_whitespace().map(str::to_owned).collect()
        }
    };
    match words.first() {
        Some(program) if program.starts_with('-') => {
            let message = format!("`{program}` is an option, not a command");
            Err(hinted(item.mistake(message)))
        }
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(hinted(
            item.mistake("a command of `versions_from` is empty"),
        )),
    }
}
