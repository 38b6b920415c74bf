//! Documents: JSON, TOML and YAML text to canonical values, and values to JSON for people.
//!
//! A param or a spec means the same in each format: integers are exact at any size that the
//! encoding takes, floats are rounded to the nearest once, and a number with a fraction or an
//! exponent is a float. What has no canonical value (NaN, keys that are not text, a key given
//! twice) is an error with a line and column, never a guess.
//!
//! Invariant: every value that is returned can be encoded and decoded again, because size, depth
//! and digits are limited here as they are there (hazard G5).

mod json;
mod json_text;
mod toml;
mod yaml;

use std::ffi::OsStr;
use std::fmt;

pub use json_text::JsonText;
pub(crate) use toml::value as toml_value;

use crate::digest::encoding::{Finite, Integer, MAX_DEPTH, Value};

/// The longest document that is read, in bytes.
pub const MAX_DOCUMENT_SIZE: usize = 64 << 20;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentFormat {
    /// RFC 8259.
    Json,
    /// TOML 1.
    Toml,
    /// YAML 1.2, core schema.
    Yaml,
}

/// A place in a document; both numbers count from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A document without a canonical value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", .position.map(|at| format!(" at {at}")).unwrap_or_default())]
pub struct DocumentError {
    /// What is wrong.
    pub problem: Problem,
    /// Where, if the parser tells.
    pub position: Option<Position>,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The parser's own words.
    #[error("{0}")]
    Syntax(String),
    /// Longer than [`MAX_DOCUMENT_SIZE`].
    #[error("document of {0} bytes is too long (at most {MAX_DOCUMENT_SIZE})")]
    TooLong(usize),
    /// Not UTF-8.
    #[error("document is not UTF-8 text")]
    NotText,
    /// Nested below [`MAX_DEPTH`] arrays and maps.
    #[error("nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// One map has a key twice.
    #[error("key `{0}` is given twice")]
    DuplicateKey(String),
    /// A key is a number, a truth value, null, a list or a map.
    #[error("key is not text (put it in quotes)")]
    KeyNotText,
    /// NaN or an infinity.
    #[error("`{0}` is not a finite number")]
    NotFinite(String),
    /// A number that is too large for a float, or has too many digits.
    #[error("`{0}` is out of range")]
    OutOfRange(String),
    /// A YAML tag outside the core schema, or one that its value does not fit.
    #[error("tag `{0}` is not supported here")]
    Tag(String),
    /// The YAML merge key `<<`.
    #[error("merge keys (`<<`) are not part of YAML 1.2")]
    MergeKey,
    /// More than one YAML document.
    #[error("more than one document in one file")]
    ManyDocuments,
    /// YAML aliases that expand beyond the limit, or an alias of what it is part of.
    #[error("aliases expand to too much data")]
    AliasBomb,
}

impl Problem {
    /// Attaches a place.
    fn at(self, position: impl Into<Option<Position>>) -> DocumentError {
        DocumentError {
            problem: self,
            position: position.into(),
        }
    }
}

impl DocumentFormat {
    /// Tells the format from a file's extension: `json`, `toml`, `yaml` or `yml`, in any case.
    pub fn from_extension(extension: &OsStr) -> Option<Self> {
        match extension.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// Reads a document. A byte-order mark at its start is skipped.
    pub fn parse(self, bytes: &[u8]) -> Result<Value, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_SIZE {
            return Err(Problem::TooLong(bytes.len()).at(None));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Problem::NotText.at(position(&bytes[..error.valid_up_to()], error.valid_up_to()))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match self {
            Self::Json => json::parse(text),
            Self::Toml => toml::parse(text),
            Self::Yaml => yaml::parse(text),
        }
    }
}

/// Returns the line and column of a byte offset; what is not UTF-8 counts as it would print.
fn position(document: &[u8], offset: usize) -> Position {
    let before = &document[..offset.min(document.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n');
    let column = String::from_utf8_lossy(&before[line_start.map_or(0, |at| at + 1)..])
        .chars()
        .count();
    Position {
        line: before.split(|byte| *byte == b'\n').count(),
        column: column + 1,
    }
}

/// Reads a decimal number: an integer unless it has a point or an exponent.
fn number(text: &str) -> Result<Value, Problem> {
    if text.contains(['.', 'e', 'E']) {
        float(text)
    } else {
        integer(text, 10)
    }
}

/// Reads a float, correctly rounded.
fn float(text: &str) -> Result<Value, Problem> {
    let value: f64 = text
        .parse()
        .map_err(|_| Problem::OutOfRange(shortened(text)))?;
    Finite::new(value).map_or_else(
        || Err(Problem::OutOfRange(shortened(text))),
        |float| Ok(Value::Float(float)),
    )
}

/// Reads an integer with an optional sign and digits of `radix`.
fn integer(text: &str, radix: u32) -> Result<Value, Problem> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    Integer::from_digits(negative, digits, radix)
        .map(Value::Integer)
        .map_err(|_| Problem::OutOfRange(shortened(text)))
}

/// Cuts a number for a message.
fn shortened(text: &str) -> String {
    const ENOUGH: usize = 40;
    match text.char_indices().nth(ENOUGH) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
