//! The command: its placeholders filled, each value so that the command gets exactly it.
//!
//! In a list, a word that is one placeholder becomes as many words as there are values; in a
//! longer word there must be one. In a text for a shell, values are quoted as their corner of the
//! text needs it; a text for anything else takes plain values only, because nobody here knows how
//! it quotes. Patterns of inputs stay open until the step is bound.

use super::quote::{self, Beside};
use super::scope::{Scope, scalar_text};
use super::shell::{Corner, Unit, corners};
use super::template::{Family, Piece, Placeholder, parse};
use crate::action::CommandLine;
use crate::action::document::JsonText;
use crate::digest::encoding::Value;
use crate::mistake::{Mistake, closest};
use crate::pipeline::declared::{DeclaredCommand, Located};
use crate::pipeline::step::{Part, operand};
use crate::scan::programs::inline_script;
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
enum Content {
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
            script,
        } => {
            let parts = text(scope, paths, script, interpreter)?;
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
    fn shown(&self) -> &[u8] {
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
    fn part(
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
fn single(
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
fn content(
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

/// A script that is being written.
struct Script {
    parts: Vec<Part>,
    /// What comes after the last part.
    text: Vec<u8>,
    /// Places in the text whose line may not become the end of a here-document.
    lines: Vec<Line>,
}

struct Line {
    /// An offset in the text, which holds the whole line because no pattern can stand in it.
    at: usize,
    delimiter: Vec<u8>,
    strips_tabs: bool,
}

fn text(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    script: &Located<String>,
    interpreter: &[String],
) -> Result<Vec<Part>, Mistake> {
    let pieces = parse(&script.value);
    let mut units = Vec::new();
    for piece in &pieces {
        match piece {
            Piece::Literal(text) => units.extend(text.bytes().map(Unit::Byte)),
            Piece::Placeholder(_) => units.push(Unit::Hole),
        }
    }
    let beside = |at: usize| match units.get(at + 1) {
        Some(Unit::Byte(b'<' | b'>')) => Beside::Redirection,
        _ => Beside::Other,
    };
    let holes = units
        .iter()
        .enumerate()
        .filter(|(_, unit)| **unit == Unit::Hole);
    let besides: Vec<Beside> = holes.map(|(at, _)| beside(at)).collect();
    let found = if is_shell(interpreter) {
        corners(&units)
    } else {
        vec![Corner::Plain("text for a program that is not known as a shell"); besides.len()]
    };
    let mut corners = found.into_iter().zip(besides);
    let mut out = Script {
        parts: Vec::new(),
        text: Vec::new(),
        lines: Vec::new(),
    };
    for piece in &pieces {
        match piece {
            Piece::Literal(text) => out.text.extend_from_slice(text.as_bytes()),
            Piece::Placeholder(it) => {
                let corner = corners.next().expect("every hole has its corner");
                place(scope, paths, (script, it), corner, &mut out)?;
            }
        }
    }
    if out.text.contains(&0) {
        let message = "the text of a command cannot hold a NUL character";
        return Err(scope.sources.mistake(&script.at, message));
    }
    out.close();
    if out.lines.iter().any(|line| line.ends_document(&out)) {
        let message = "a value makes a line that ends its here-document too early";
        return Err(scope.sources.mistake(&script.at, message));
    }
    Ok(out.parts)
}

fn is_shell(interpreter: &[String]) -> bool {
    let words = interpreter.iter().map(|word| word.as_bytes().to_vec());
    let argv: Vec<Vec<u8>> = words.chain([b"text".to_vec()]).collect();
    inline_script(&argv) == Some(interpreter.len())
}

impl Script {
    /// Ends the text before a pattern, or the script.
    fn close(&mut self) {
        if !self.text.is_empty() || self.parts.is_empty() {
            self.parts.push(Part::Fixed(std::mem::take(&mut self.text)));
        }
    }

    /// Returns how many bytes come before the text that is being written.
    fn before(&self) -> usize {
        let lengths = self.parts.iter().map(|part| part.shown().len());
        lengths.sum()
    }
}

impl Line {
    fn ends_document(&self, script: &Script) -> bool {
        let whole: Vec<&[u8]> = script.parts.iter().map(Part::shown).collect();
        let whole = whole.concat();
        let start = whole[..self.at].iter().rposition(|byte| *byte == b'\n');
        let end = whole[self.at..].iter().position(|byte| *byte == b'\n');
        let start = start.map_or(0, |at| at + 1);
        let mut line = &whole[start..end.map_or(whole.len(), |ahead| self.at + ahead)];
        while self.strips_tabs && line.starts_with(b"\t") {
            line = &line[1..];
        }
        line == self.delimiter
    }
}

type Hole<'h> = (&'h Located<String>, &'h Placeholder<'h>);

/// Writes what a placeholder stands for into its corner of the script.
fn place(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    (text, it): Hole<'_>,
    (corner, beside): (Corner, Beside),
    out: &mut Script,
) -> Result<(), Mistake> {
    match corner {
        Corner::Word => return place_words(scope, paths, (text, it), beside, out),
        Corner::Comment => {
            let words = shown_words(scope, paths, (text, it))?;
            if words.contains(&b'\n') {
                return Err(refused(scope, (text, it), "a comment ends with its line"));
            }
            out.text.extend(words);
            return Ok(());
        }
        _ => {}
    }
    let value = single(scope, paths, text, it)?;
    let written = match corner {
        Corner::DoubleQuotes => quote::within_double_quotes(&value),
        Corner::SingleQuotes => quote::within_single_quotes(&value),
        Corner::Escaped => {
            let reason = "the backslash before it would take its first character";
            return Err(refused(scope, (text, it), reason));
        }
        Corner::Plain(reason) => plain(scope, (text, it), value, reason)?,
        Corner::HereDocument {
            delimiter,
            expands,
            strips_tabs,
            plain: only_plain,
        } => {
            if value.iter().any(u8::is_ascii_control) {
                let reason = "a value in a here-document is one line without control characters";
                return Err(refused(scope, (text, it), reason));
            }
            out.lines.push(Line {
                at: out.before() + out.text.len(),
                delimiter,
                strips_tabs,
            });
            match only_plain {
                Some(reason) => plain(scope, (text, it), value, reason)?,
                None if expands => quote::within_here_document(&value),
                None => value,
            }
        }
        Corner::Word | Corner::Comment => unreachable!("handled above"),
    };
    out.text.extend(written);
    Ok(())
}

fn place_words(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    (text, it): Hole<'_>,
    beside: Beside,
    out: &mut Script,
) -> Result<(), Mistake> {
    let Content::Paths(words) = content(scope, paths, text, it)? else {
        let value = single(scope, paths, text, it)?;
        out.text.extend(quote::as_word(&value, beside));
        return Ok(());
    };
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            out.text.push(b' ');
        }
        match word.part(scope, text, it, beside)? {
            Part::Fixed(word) => out.text.extend(quote::as_word(&word, beside)),
            open @ Part::Matches { .. } => {
                out.close();
                out.parts.push(open);
            }
        }
    }
    Ok(())
}

/// Writes values where nothing reads them: patterns stand for themselves.
fn shown_words(
    scope: &mut Scope<'_>,
    paths: Paths<'_>,
    (text, it): Hole<'_>,
) -> Result<Vec<u8>, Mistake> {
    let Content::Paths(words) = content(scope, paths, text, it)? else {
        return single(scope, paths, text, it);
    };
    let words = words.into_iter().map(|word| match word {
        PathWord::Word(word) => word,
        PathWord::Matches(pattern) | PathWord::Unknown(pattern) => pattern.into_bytes(),
    });
    Ok(words.collect::<Vec<_>>().join(&b' '))
}

fn plain(
    scope: &Scope<'_>,
    hole: Hole<'_>,
    value: Vec<u8>,
    reason: &str,
) -> Result<Vec<u8>, Mistake> {
    if quote::is_plain(&value) {
        return Ok(value);
    }
    let reason = format!("{reason} takes only letters, digits and `@%+:./_-`");
    Err(refused(scope, hole, &reason))
}

fn refused(scope: &Scope<'_>, (text, it): Hole<'_>, reason: &str) -> Mistake {
    let message = format!("the value of `{}` cannot stand here: {reason}", it.written);
    let mut mistake = scope.mistake(text, it, message);
    mistake.hint = Some(format!(
        "put `x={}` on a line of its own and use `$x` here, or make `run` a list",
        it.written
    ));
    mistake
}
