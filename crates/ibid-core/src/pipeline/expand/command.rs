//! The command: its placeholders filled, each value so that the command gets exactly it.
//!
//! In a list, a word that is one placeholder becomes as many words as there are values; in a
//! longer word there must be one. Texts for a shell are filled by `script`. Patterns of inputs stay
//! open until the step is bound.

use super::quote::Beside;
use super::scope::{Scope, scalar_text};
use super::script;
use super::template::{Family, Piece, Placeholder, parse};
use crate::action::CommandLine;
use crate::action::document::JsonText;
use crate::digest::encoding::Value;
use crate::mistake::{Mistake, closest};
use crate::pipeline::declared::{DeclaredCommand, Located};
use crate::pipeline::step::{Part, operand};
use crate::tree::Escaped;

/// What a declared path is in a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathWord {
    /// This word.
    Word(Vec<u8>),
    /// What matches this pattern.
    Matches(String),
    /// Nothing: files that match a pattern of outputs are not known before the run.
    Unknown(String),
}

/// A declared path, or what became of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedWords<'d> {
    pub(super) name: Option<&'d str>,
    pub(super) words: Vec<PathWord>,
}

/// The paths that placeholders can stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paths<'p> {
    pub(super) inputs: &'p [NamedWords<'p>],
    pub(super) outputs: &'p [NamedWords<'p>],
}

/// A command, and its parts if it is not complete.
pub(super) type Filled = (CommandLine, Option<Vec<Part>>);

/// What a placeholder stands for in a command.
pub(super) enum Content {
    One(String),
    /// A list or a table.
    Several(Vec<String>),
    Paths(Vec<PathWord>),
}

/// Fills the command of a step.
pub(super) fn fill(scope: &mut Scope<'_>, paths: Paths<'_>) -> Result<Filled, Mistake> {
    let step = scope.step;
    match &step.run {
        DeclaredCommand::Argv(words) => {
            let mut parts = Vec::with_capacity(words.len());
            for word in words {
                argv_word(scope, paths, word, &mut parts)?;
            }
            let is_empty = |part: &Part| matches!(part, Part::Fixed(word) if word.is_empty());
            if parts.first().is_none_or(is_empty) {
                let at = words.first().map_or(&step.name.at, |word| &word.at);
                return Err(scope.sources.mistake(at, "the command is empty"));
            }
            let shown = parts.iter().map(|part| part.shown().to_vec()).collect();
            Ok((CommandLine::Argv(shown), open(parts)))
        }
        DeclaredCommand::Shell {
            interpreter,
            script: declared,
        } => {
            let parts = script::text(scope, paths, declared, interpreter)?;
            let shown: Vec<&[u8]> = parts.iter().map(Part::shown).collect();
            let command = CommandLine::Shell {
                interpreter: interpreter
                    .iter()
                    .map(|it| it.as_bytes().to_vec())
                    .collect(),
                script: shown.concat(),
            };
            Ok((command, open(parts)))
        }
    }
}

impl Part {
    /// Returns what is shown of it: the pattern where files are to come.
    pub(super) fn shown(&self) -> &[u8] {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Matches { pattern, .. } => pattern.as_bytes(),
        }
    }
}

/// Keeps the parts only where something is still to be filled.
fn open(parts: Vec<Part>) -> Option<Vec<Part>> {
    let is_open = parts
        .iter()
        .any(|part| matches!(part, Part::Matches { .. }));
    is_open.then_some(parts)
}

fn argv_word(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    word: &Located<String>,
    parts: &mut Vec<Part>,
) -> Result<(), Mistake> {
    let pieces = parse(&word.value);
    if let [Piece::Placeholder(it)] = pieces.as_slice() {
        match content(scope, paths, word, it)? {
            Content::One(text) => parts.push(Part::Fixed(text.into_bytes())),
            Content::Several(texts) => {
                parts.extend(texts.into_iter().map(|text| Part::Fixed(text.into_bytes())));
            }
            Content::Paths(found) => {
                for path in found {
                    parts.push(path.part(scope, word, it, Beside::Other)?);
                }
            }
        }
    } else {
        let mut whole = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Literal(text) => whole.extend_from_slice(text.as_bytes()),
                Piece::Placeholder(it) => whole.extend(single(scope, paths, word, it)?),
            }
        }
        parts.push(Part::Fixed(whole));
    }
    let has_nul = |part: &Part| matches!(part, Part::Fixed(bytes) if bytes.contains(&0));
    if parts.iter().any(has_nul) {
        let message = "a word of a command cannot hold a NUL character";
        return Err(scope.sources.mistake(&word.at, message));
    }
    Ok(())
}

impl PathWord {
    pub(super) fn part(
        self,
        scope: &Scope<'_>,
        text: &Located<String>,
        it: &Placeholder<'_>,
        beside: Beside,
    ) -> Result<Part, Mistake> {
        match self {
            Self::Word(word) => Ok(Part::Fixed(word)),
            Self::Matches(pattern) => Ok(Part::Matches { pattern, beside }),
            Self::Unknown(pattern) => {
                let message = format!(
                    "`{}` stands for the pattern `{}`, and what matches is only known after the run",
                    it.written,
                    Escaped(pattern.as_bytes())
                );
                Err(scope.mistake(text, it, message))
            }
        }
    }
}

/// Returns the one value that stands within a longer text.
pub(super) fn single(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    text: &Located<String>,
    it: &Placeholder<'_>,
) -> Result<Vec<u8>, Mistake> {
    match content(scope, paths, text, it)? {
        Content::One(value) => Ok(value.into_bytes()),
        // Says that lists have no place in a text.
        Content::Several(_) => scope.scalar(text, it).map(String::into_bytes),
        Content::Paths(mut found) => {
            let path = (found.len() == 1).then(|| found.remove(0));
            match path.map(|path| path.part(scope, text, it, Beside::Other)) {
                Some(Ok(Part::Fixed(word))) => Ok(word),
                Some(Err(mistake)) => Err(mistake),
                Some(Ok(Part::Matches { .. })) | None => Err(several(scope, text, it)),
            }
        }
    }
}

fn several(scope: &Scope<'_>, text: &Located<String>, it: &Placeholder<'_>) -> Mistake {
    let message = format!(
        "`{}` may stand for several paths, and here is place for one",
        it.written
    );
    let mut mistake = scope.mistake(text, it, message);
    mistake.hint =
        Some("let it be a word of its own, without quotes, or name a single path".to_owned());
    mistake
}

/// Returns what a placeholder stands for.
pub(super) fn content(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    text: &Located<String>,
    it: &Placeholder<'_>,
) -> Result<Content, Mistake> {
    let declared = match it.family {
        Family::Inputs => paths.inputs,
        Family::Outputs => paths.outputs,
        _ => {
            let spelled =
                |value: &Value| scalar_text(value).unwrap_or_else(|| JsonText(value).to_string());
            return Ok(match scope.value(text, it)? {
                Value::Array(items) => Content::Several(items.iter().map(spelled).collect()),
                table @ Value::Map(_) => Content::Several(vec![JsonText(&table).to_string()]),
                scalar => Content::One(spelled(&scalar)),
            });
        }
    };
    let chosen: Vec<&NamedWords<'_>> = match it.name {
        None => declared.iter().collect(),
        Some(name) => {
            let named: Vec<_> = declared
                .iter()
                .filter(|path| path.name == Some(name))
                .collect();
            let index = name.parse::<usize>().ok().filter(|_| named.is_empty());
            index
                .and_then(|index| declared.get(index))
                .map_or(named, |path| vec![path])
        }
    };
    if chosen.is_empty() {
        return Err(no_path(scope, declared, text, it));
    }
    let words = chosen
        .into_iter()
        .flat_map(|path| path.words.iter().cloned());
    let words = words.map(|word| match word {
        PathWord::Word(path) => PathWord::Word(operand(&path)),
        other => other,
    });
    Ok(Content::Paths(words.collect()))
}

fn no_path(
    scope: &Scope<'_>,
    declared: &[NamedWords<'_>],
    text: &Located<String>,
    it: &Placeholder<'_>,
) -> Mistake {
    let word = it.family.word();
    let message = match it.name {
        Some(name) if !declared.is_empty() => format!("no path of `{word}` is called `{name}`"),
        _ => format!("`{}`: the step has no {word}", it.written),
    };
    let mut mistake = scope.mistake(text, it, message);
    let names = declared.iter().filter_map(|path| path.name);
    let meant = it.name.and_then(|name| closest(name, names));
    mistake.suggestion = meant.map(|meant| format!("{{{word}.{meant}}}"));
    mistake
}
