//! Values of an axis that stand in a file: lines, a list in a document, a column of a table.
//!
//! Only the values count, not the file: a subject more is a point more and leaves the others.

use std::collections::HashSet;
use std::path::Path;

use super::super::declared::Located;
use super::field::AXIS_FIELDS;
use super::fields::Fields;
use super::item::Item;
use super::named_file::{self, NamedFile};
use crate::action::DocumentFormat;
use crate::digest::encoding::{Encoder, Value};
use crate::mistake::Mistake;

/// Reads the values that a table with `file` stands for; each counts once.
pub(super) fn read(item: &Item<'_>, axis: &str) -> Result<Vec<Value>, Mistake> {
    let Some(table) = item.raw().as_table() else {
        return Err(item.wrong("a list of values, or a table with `file`"));
    };
    let fields = Fields::new(item.page, table, AXIS_FIELDS, &format!("axis `{axis}`"))?;
    let Some(name) = fields.some_text("file")? else {
        return Err(item.mistake(format!("axis `{axis}` has neither values nor a `file`")));
    };
    let extension = Path::new(&name.value).extension().unwrap_or_default();
    let extension = extension.to_string_lossy().to_ascii_lowercase();
    let delimiter = match extension.as_str() {
        "csv" => Some(b','),
        "tsv" => Some(b'\t'),
        _ => None,
    };
    let format = DocumentFormat::from_extension(extension.as_ref());
    for (field, fits) in [("key", format.is_some()), ("column", delimiter.is_some())] {
        if let Some(field) = fields.get(field).filter(|_| !fits) {
            let message = format!("`{}` has no {}", name.value, field.label.replace('`', ""));
            return Err(field.mistake(message));
        }
    }
    let values = match (delimiter, format) {
        (Some(delimiter), _) => column(item, &name, &fields, delimiter)?,
        (_, Some(format)) => list(item, &name, &fields, format)?,
        _ => lines(&NamedFile::read(item.page, &name)?)?,
    };
    if values.is_empty() {
        let message = format!("`{}` holds no value for axis `{axis}`", name.value);
        return Err(item.page.mistake(name.at.span, message));
    }
    let mut seen = HashSet::new();
    let values = values.into_iter();
    Ok(values.filter(|value| seen.insert(encoded(value))).collect())
}

/// Returns the bytes by which values are compared.
pub(super) fn encoded(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.value(value);
    encoder.finish()
}

fn lines(file: &NamedFile) -> Result<Vec<Value>, Mistake> {
    let lines = file.text()?.lines().map(str::trim);
    let told = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(told.map(Value::from).collect())
}

/// Reads a list in a document: the whole of it, or what a dotted name leads to.
fn list(
    item: &Item<'_>,
    name: &Located<String>,
    fields: &Fields<'_>,
    format: DocumentFormat,
) -> Result<Vec<Value>, Mistake> {
    let key = fields.some_text("key")?;
    if key.is_none() && format == DocumentFormat::Toml {
        let message = format!("`key` must say which list of `{}` is meant", name.value);
        let mut mistake = item.mistake(message);
        mistake.hint = Some(format!("{{ file = \"{}\", key = \"NAME\" }}", name.value));
        return Err(mistake);
    }
    let (file, mut value) = named_file::document(item.page, name, format)?;
    for part in key.iter().flat_map(|key| key.value.split('.')) {
        let below = match value {
            Value::Map(mut map) => map.remove(part),
            _ => None,
        };
        value = below.ok_or_else(|| {
            let span = key
                .as_ref()
                .map_or(name.at.span.clone(), |key| key.at.span.clone());
            let message = format!("`{}` has no `{part}` there", name.value);
            item.page.mistake(span, message)
        })?;
    }
    match (value, key) {
        (Value::Array(values), _) => Ok(values),
        (_, Some(key)) => {
            let message = format!("`{}` of `{}` is not a list", key.value, name.value);
            Err(item.page.mistake(key.at.span, message))
        }
        (_, None) => Err(file.mistake(0, "the values of an axis must be a list")),
    }
}

/// Reads a column of a table with headings.
fn column(
    item: &Item<'_>,
    name: &Located<String>,
    fields: &Fields<'_>,
    delimiter: u8,
) -> Result<Vec<Value>, Mistake> {
    let Some(column) = fields.some_text("column")? else {
        let message = format!(
            "`column` must say which column of `{}` is meant",
            name.value
        );
        return Err(item.mistake(message));
    };
    let file = NamedFile::read(item.page, name)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(file.text()?.as_bytes());
    let wrong = |error: &csv::Error| {
        let offset = error.position().map_or(0, csv::Position::byte);
        let message = match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("a row of {len} cells below {expected_len} headings"),
            _ => error.to_string(),
        };
        file.mistake(usize::try_from(offset).unwrap_or(usize::MAX), message)
    };
    let headings = reader.headers().map_err(|error| wrong(&error))?;
    let Some(index) = headings.iter().position(|heading| heading == column.value) else {
        let message = format!("`{}` has no column `{}`", name.value, column.value);
        let mut mistake = item.page.mistake(column.at.span, message);
        mistake.suggestion =
            crate::mistake::closest(&column.value, headings.iter()).map(str::to_owned);
        return Err(mistake);
    };
    let mut values = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| wrong(&error))?;
        match row.get(index) {
            Some(cell) if !cell.is_empty() => values.push(Value::from(cell)),
            _ => {
                let offset = row.position().map_or(0, csv::Position::byte);
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                let message = format!("the cell of `{}` is empty", column.value);
                return Err(file.mistake(offset, message));
            }
        }
    }
    Ok(values)
}
