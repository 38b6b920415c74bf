//! `Page` and `Item`: a file and a value in it, with readers that say what is wrong and where.
//!
//! Knows TOML and the words for its types; knows nothing of what a field means. Nothing here may
//! panic, whatever the file holds.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::declared::{At, Located, Sources};
use super::field::{Shape, one_of};
use crate::action::document::toml_value;
use crate::action::parse_duration;
use crate::digest::encoding::{MAX_DEPTH, Value};
use crate::mistake::{Mistake, closest};

/// A file that is being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    pub(super) sources: &'a Sources,
    pub(super) file: usize,
    /// The root, where paths of other files start.
    pub(super) root: &'a Path,
}

impl Page<'_> {
    pub(super) fn at(&self, span: Range<usize>) -> At {
        let file = self.file;
        At { file, span }
    }

    pub(super) fn mistake(&self, span: Range<usize>, message: impl Into<String>) -> Mistake {
        self.sources.mistake(&self.at(span), message)
    }

    /// Returns the entries of a table in the order in which they stand in the file.
    pub(super) fn entries<'a>(self, table: &'a DeTable<'a>) -> Vec<(Key<'a>, Item<'a>)>
    where
        Self: 'a,
    {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| {
                let name: &'a str = key.get_ref();
                let span = key.span();
                let item = self.item(format!("`{name}`"), value);
                (Key { name, span }, item)
            })
            .collect();
        entries.sort_by_key(|(key, _)| key.span.start);
        entries
    }

    pub(super) fn item<'a>(self, label: String, value: &'a Spanned<DeValue<'a>>) -> Item<'a>
    where
        Self: 'a,
    {
        Item {
            page: self,
            label,
            value,
        }
    }
}

/// The name of an entry, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    pub(super) span: Range<usize>,
}

/// A value, where it stands, and what messages call it.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) page: Page<'a>,
    /// Such as "`retries`" or "an item of `run`".
    pub(super) label: String,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Item<'a> {
    pub(super) fn raw(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    pub(super) fn at(&self) -> At {
        self.page.at(self.value.span())
    }

    pub(super) fn mistake(&self, message: impl Into<String>) -> Mistake {
        self.page.mistake(self.value.span(), message)
    }

    /// Says that a value is not of the right type.
    pub(super) fn wrong(&self, expected: &str) -> Mistake {
        let found = type_words(self.raw());
        let mut mistake = self.mistake(format!("{} must be {expected}, not {found}", self.label));
        let scalar = !matches!(
            self.raw(),
            DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_)
        );
        if scalar && expected.contains("text") {
            let text = self.page.sources.text(self.page.file);
            let written = text.get(self.value.span()).unwrap_or_default();
            mistake.hint = Some(format!("put it in quotes: \"{written}\""));
        }
        mistake
    }

    /// Reads a text; a NUL can stand in no path, word or variable.
    pub(super) fn text(&self) -> Result<Located<String>, Mistake> {
        self.text_as("text")
    }

    fn text_as(&self, expected: &str) -> Result<Located<String>, Mistake> {
        let text = self.raw().as_str().ok_or_else(|| self.wrong(expected))?;
        if text.contains('\0') {
            return Err(self.mistake(format!("{} holds a NUL character", self.label)));
        }
        Ok(Located {
            value: text.to_owned(),
            at: self.at(),
        })
    }

    /// Reads a text that says something.
    pub(super) fn some_text(&self) -> Result<Located<String>, Mistake> {
        let text = self.text()?;
        if text.value.trim().is_empty() {
            return Err(self.mistake(format!("{} is empty", self.label)));
        }
        Ok(text)
    }

    /// Returns the items of a list, or `None` if it is none.
    pub(super) fn list(&self) -> Option<Vec<Self>> {
        let items = self.raw().as_array()?;
        let label = format!("an item of {}", self.label);
        let item = |value: &'a Spanned<DeValue<'a>>| self.page.item(label.clone(), value);
        Some(items.iter().map(item).collect())
    }

    /// Reads a text or a list of texts that say something.
    pub(super) fn texts(&self, expected: &str) -> Result<Vec<Located<String>>, Mistake> {
        if let Some(items) = self.list() {
            return items.iter().map(Self::some_text).collect();
        }
        self.text_as(expected)?;
        Ok(vec![self.some_text()?])
    }

    /// Returns the entries of a table in the order of the file.
    pub(super) fn table(&self, expected: &str) -> Result<Vec<(Key<'a>, Self)>, Mistake> {
        match self.raw().as_table() {
            Some(table) => Ok(self.page.entries(table)),
            None => Err(self.wrong(expected)),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, Mistake> {
        let flag = self.raw().as_bool();
        flag.ok_or_else(|| self.wrong(&Shape::Flag.expected()))
    }

    pub(super) fn whole(&self, least: u64, most: u64) -> Result<u64, Mistake> {
        let Some(number) = self.raw().as_integer() else {
            return Err(self.wrong("a whole number"));
        };
        u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.mistake(format!("{} must be from {least} to {most}", self.label)))
    }

    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, Mistake> {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        let expected = one_of(&names);
        let text = self.text_as(&expected)?.value;
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let mut mistake = self.mistake(format!("{} must be {expected}, not `{text}`", self.label));
        mistake.suggestion = closest(&text, names).map(str::to_owned);
        Err(mistake)
    }

    pub(super) fn duration(&self) -> Result<Duration, Mistake> {
        if let DeValue::Integer(_) | DeValue::Float(_) = self.raw() {
            let mut mistake = self.mistake(format!("{} has no unit", self.label));
            mistake.hint = Some("write it like \"90s\", \"1h30m\" or \"30d\"".to_owned());
            return Err(mistake);
        }
        let text = self.text_as(&Shape::Duration.expected())?.value;
        let label = &self.label;
        parse_duration(&text).map_err(|error| self.mistake(format!("{label}: {error}")))
    }

    /// Reads an amount of memory, in bytes.
    pub(super) fn size(&self) -> Result<u64, Mistake> {
        if let DeValue::Integer(_) | DeValue::Float(_) = self.raw() {
            let mut mistake = self.mistake(format!("{} has no unit", self.label));
            mistake.hint = Some("write it like \"512M\" or \"4G\"".to_owned());
            return Err(mistake);
        }
        let expected = Shape::Size.expected();
        let text = self.text_as(&expected)?.value;
        let bytes = text.find(|c: char| !c.is_ascii_digit()).and_then(|end| {
            let number: u64 = text[..end].parse().ok()?;
            let power = "KMGT"
                .find(&text[end..])
                .filter(|_| text.len() == end + 1)?;
            number.checked_mul(1 << (10 * (power + 1)))
        });
        let label = &self.label;
        bytes.ok_or_else(|| self.mistake(format!("{label} must be {expected}, not `{text}`")))
    }

    /// Reads any value.
    pub(super) fn value(&self) -> Result<Value, Mistake> {
        toml_value(self.value.clone(), MAX_DEPTH).map_err(|(problem, offset)| {
            let message = format!("{}: {problem}", self.label);
            self.page.mistake(offset..offset, message)
        })
    }
}

/// Says what a value is.
fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(true) => "`true`",
        DeValue::Boolean(false) => "`false`",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Says whether `name` can stand in a placeholder.
pub(super) fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter)
        && name
            .chars()
            .all(|c| letter(c) || c.is_ascii_digit() || c == '-')
}
