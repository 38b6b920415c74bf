//! What placeholders stand for at one point of a step, and texts filled with it.
//!
//! Owns the look-up of params, axes and resources, and the params that were used, because those
//! are keyed. Paths are filled here as well: a value in a path is one name, or part of one, and
//! may not lead elsewhere. The command is not: [`super::command`] knows how values stand there.

use std::collections::BTreeMap;

use super::matrix::Point;
use super::template::{Family, Piece, Placeholder, parse};
use crate::action::document::JsonText;
use crate::digest::encoding::Value;
use crate::mistake::{Mistake, closest};
use crate::pipeline::declared::{At, DeclaredStep, Located, Sources};
use crate::scan::{is_magic, is_pattern};

/// One point of a step.
pub(super) struct Scope<'a> {
    pub(super) sources: &'a Sources,
    pub(super) params: &'a BTreeMap<String, Value>,
    pub(super) step: &'a DeclaredStep,
    pub(super) point: Option<&'a Point>,
    /// Params of the pipeline that were used, by dotted name.
    pub(super) used: BTreeMap<String, Value>,
}

/// A declared path with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilledPath {
    /// The path as it stands.
    pub(super) text: String,
    /// The path as a pattern: what values brought in stands for itself.
    pub(super) pattern: String,
    /// Whether it is written as a pattern.
    pub(super) magic: bool,
}

impl Scope<'_> {
    /// Tells a mistake at a placeholder.
    pub(super) fn mistake(
        &self,
        text: &Located<String>,
        placeholder: &Placeholder<'_>,
        message: impl Into<String>,
    ) -> Mistake {
        let at = at_placeholder(self.sources, text, placeholder);
        self.sources.mistake(&at, message)
    }

    /// Fills a text that is neither a path nor the command.
    pub(super) fn fill(&mut self, text: &Located<String>) -> Result<String, Mistake> {
        let mut filled = String::with_capacity(text.value.len());
        for piece in parse(&text.value) {
            match piece {
                Piece::Literal(literal) => filled.push_str(&literal),
                Piece::Placeholder(it) => filled.push_str(&self.scalar(text, &it)?),
            }
        }
        Ok(filled)
    }

    /// Fills a declared path. A path that is one placeholder and nothing else is what the value
    /// declares; in any other, a value can neither add a folder nor leave one.
    pub(super) fn path(&mut self, text: &Located<String>) -> Result<FilledPath, Mistake> {
        let pieces = parse(&text.value);
        let filled = match pieces.as_slice() {
            [Piece::Placeholder(it)] => {
                let text = self.scalar(text, it)?;
                FilledPath {
                    pattern: text.clone(),
                    magic: is_pattern(text.as_bytes()),
                    text,
                }
            }
            pieces => self.path_of(text, pieces)?,
        };
        if filled.text.is_empty() {
            return Err(self.sources.mistake(&text.at, "this names no file"));
        }
        if filled.text.contains('\0') {
            let message = "a path cannot hold a NUL character";
            return Err(self.sources.mistake(&text.at, message));
        }
        Ok(filled)
    }

    fn path_of(
        &mut self,
        text: &Located<String>,
        pieces: &[Piece<'_>],
    ) -> Result<FilledPath, Mistake> {
        let literal =
            |piece: &Piece<'_>| matches!(piece, Piece::Literal(it) if is_pattern(it.as_bytes()));
        let magic = pieces.iter().any(literal);
        let (mut filled, mut pattern) = (String::new(), String::new());
        // The last value of the name that is being written, to be blamed if the name leads away.
        let mut blamed: Option<&Placeholder<'_>> = None;
        let mut name = String::new();
        for piece in pieces {
            match piece {
                Piece::Placeholder(it) => {
                    let value = self.scalar(text, it)?;
                    if value.contains('/') {
                        return Err(self.leads_away(text, it, &value));
                    }
                    blamed = Some(it);
                    name.push_str(&value);
                    filled.push_str(&value);
                    pattern.push_str(&plain_magic(&value));
                }
                Piece::Literal(literal) => {
                    for (index, part) in literal.split('/').enumerate() {
                        if index > 0 {
                            self.check_name(text, blamed.take(), &name)?;
                            name.clear();
                        }
                        name.push_str(part);
                    }
                    filled.push_str(literal);
                    pattern.push_str(literal);
                }
            }
        }
        self.check_name(text, blamed, &name)?;
        Ok(FilledPath {
            text: filled,
            pattern,
            magic,
        })
    }

    fn check_name(
        &self,
        text: &Located<String>,
        blamed: Option<&Placeholder<'_>>,
        name: &str,
    ) -> Result<(), Mistake> {
        match blamed {
            Some(it) if matches!(name, "" | "." | "..") => Err(self.leads_away(text, it, name)),
            _ => Ok(()),
        }
    }

    fn leads_away(&self, text: &Located<String>, it: &Placeholder<'_>, value: &str) -> Mistake {
        let shown = crate::tree::Escaped(value.as_bytes());
        let message = format!(
            "a value in a path is one name, and `{}` makes it `{shown}`",
            it.written
        );
        let mut mistake = self.mistake(text, it, message);
        mistake.hint = Some(format!(
            "a path that is `{}` and nothing else may be any path",
            it.written
        ));
        mistake
    }

    /// Returns the text of a value: text as it is, other scalars as JSON.
    pub(super) fn scalar(
        &mut self,
        text: &Located<String>,
        it: &Placeholder<'_>,
    ) -> Result<String, Mistake> {
        let value = self.value(text, it)?;
        scalar_text(&value).ok_or_else(|| {
            let kind = if matches!(value, Value::Array(_)) {
                "list"
            } else {
                "table"
            };
            let message = format!("`{}` is a {kind}, which has no place in a text", it.written);
            let mut mistake = self.mistake(text, it, message);
            mistake.hint = Some(
                "a list or table can be a word of its own where `run` is a list, or a file: \
                 see `specs`"
                    .to_owned(),
            );
            mistake
        })
    }

    /// Looks up a param, an axis or a resource.
    pub(super) fn value(
        &mut self,
        text: &Located<String>,
        it: &Placeholder<'_>,
    ) -> Result<Value, Mistake> {
        if matches!(it.family, Family::Inputs | Family::Outputs) {
            let message = format!("`{}` has a meaning in `run` only", it.written);
            return Err(self.mistake(text, it, message));
        }
        let Some(name) = it.name else {
            let word = it.family.word();
            let message = format!("`{{{word}}}` needs a name, as in `{{{word}.x}}`");
            let mut mistake = self.mistake(text, it, message);
            mistake.hint = Some(format!("`{{{{{word}}}}}` stands for the text `{{{word}}}`"));
            return Err(mistake);
        };
        let found = match it.family {
            Family::Matrix => self.axis(name),
            Family::Resources => self.resource(name),
            _ => self.param(name),
        };
        found.ok_or_else(|| self.unknown(text, it, name))
    }

    fn axis(&self, name: &str) -> Option<Value> {
        let values = &self.point?.values;
        let exact = values.iter().find(|(axis, _)| axis == name);
        let nested = || {
            values.iter().find_map(|(axis, value)| {
                let rest = name.strip_prefix(axis.as_str())?.strip_prefix('.')?;
                lookup(as_map(value)?, rest)
            })
        };
        exact.map(|(_, value)| value).or_else(nested).cloned()
    }

    /// Looks up a param; one of the pipeline is keyed from then on.
    pub(super) fn param(&mut self, name: &str) -> Option<Value> {
        if let Some(value) = lookup(&self.step.own_params, name) {
            return Some(value.clone());
        }
        let value = lookup(self.params, name)?.clone();
        self.used.insert(name.to_owned(), value.clone());
        Some(value)
    }

    fn resource(&self, name: &str) -> Option<Value> {
        let resources = &self.step.resources;
        let number = match name {
            "cpus" => Some(resources.cpus),
            "memory" => resources.memory,
            "time" => resources.time.map(|time| time.as_secs()),
            other => resources.others.get(other).copied(),
        };
        number.map(Value::from)
    }

    fn unknown(&self, text: &Located<String>, it: &Placeholder<'_>, name: &str) -> Mistake {
        let (message, known) = match it.family {
            Family::Matrix if self.point.is_none() => (
                format!("`{}`: the step has no matrix", it.written),
                Vec::new(),
            ),
            Family::Matrix => {
                let values = self.point.map(|point| point.values.as_slice());
                let axes = values
                    .unwrap_or_default()
                    .iter()
                    .map(|(axis, _)| axis.clone());
                (format!("the matrix has no axis `{name}`"), axes.collect())
            }
            Family::Resources => {
                let others = self.step.resources.others.keys().cloned();
                let known = ["cpus", "memory", "time"].map(str::to_owned).into_iter();
                let known = known
                    .filter(|known| self.resource(known).is_some())
                    .chain(others);
                (
                    format!("the step names no resource `{name}`"),
                    known.collect(),
                )
            }
            _ => (format!("there is no param `{name}`"), self.param_names()),
        };
        let mut mistake = self.mistake(text, it, message);
        let meant = closest(name, known.iter().map(String::as_str));
        mistake.suggestion = meant.map(|meant| format!("{{{}.{meant}}}", it.family.word()));
        mistake
    }

    /// Returns the dotted names of all params, tables included.
    pub(super) fn param_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for map in [&self.step.own_params, self.params] {
            dotted("", map, &mut names);
        }
        names
    }
}

/// Returns the text of a value: text as it is, other scalars as JSON; lists and tables have none.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Array(_) | Value::Map(_) => None,
        other => Some(JsonText(other).to_string()),
    }
}

/// Finds a dotted name: a key that is the whole name before one that is a part of it.
pub(super) fn lookup<'v>(map: &'v BTreeMap<String, Value>, name: &str) -> Option<&'v Value> {
    if let Some(value) = map.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(dot, _)| {
        let inner = as_map(map.get(&name[..dot])?)?;
        lookup(inner, &name[dot + 1..])
    })
}

fn as_map(value: &Value) -> Option<&BTreeMap<String, Value>> {
    match value {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

fn dotted(prefix: &str, map: &BTreeMap<String, Value>, names: &mut Vec<String>) {
    for (key, value) in map {
        let name = format!("{prefix}{key}");
        if let Value::Map(inner) = value {
            dotted(&format!("{name}."), inner, names);
        }
        names.push(name);
    }
}

/// Makes what a value brings into a pattern stand for itself.
fn plain_magic(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str(r"\\"),
            '}' | ',' => text.extend(['[', letter, ']']),
            _ if u8::try_from(letter).is_ok_and(is_magic) => {
                text.extend(['[', letter, ']']);
            }
            _ => text.push(letter),
        }
    }
    text
}

/// Finds where a placeholder stands in its file. Escapes and the ends of lines may move it, but
/// not change it: it is there as often as it is in the text, or the whole text is meant.
fn at_placeholder(sources: &Sources, text: &Located<String>, it: &Placeholder<'_>) -> At {
    let whole = &text.at;
    let raw = sources.text(whole.file).get(whole.span.clone());
    let raw = raw.unwrap_or_default();
    let places: Vec<usize> = raw.match_indices(it.written).map(|(at, _)| at).collect();
    let before = text.value[..it.range.start].matches(it.written).count();
    if places.len() != text.value.matches(it.written).count() {
        return whole.clone();
    }
    let start = whole.span.start + places[before];
    At {
        file: whole.file,
        span: start..start + it.written.len(),
    }
}
