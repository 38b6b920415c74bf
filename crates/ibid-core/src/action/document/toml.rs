//! TOML, by `toml`'s document tree, which keeps the text of numbers.
//!
//! Dates and times become their RFC 3339 text. The parser refuses a key given twice.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{DocumentError, Problem, float, integer, position};
use crate::digest::encoding::{MAX_DEPTH, Value};

pub(super) fn parse(text: &str) -> Result<Value, DocumentError> {
    let at = |offset: usize| position(text.as_bytes(), offset);
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().map(|span| at(span.start));
        Problem::Syntax(error.message().to_owned()).at(place)
    })?;
    let place = table.span().start;
    map(table.into_inner(), MAX_DEPTH, place).map_err(|(problem, offset)| problem.at(at(offset)))
}

/// A problem and the byte it is at.
pub(crate) type Misplaced = (Problem, usize);

fn map(table: DeTable<'_>, depth: usize, offset: usize) -> Result<Value, Misplaced> {
    let depth = depth.checked_sub(1).ok_or((Problem::TooDeep, offset))?;
    table
        .into_iter()
        .map(|(key, item)| Ok((key.into_inner().into_owned(), value(item, depth)?)))
        .collect::<Result<_, _>>()
        .map(Value::Map)
}

/// Reads a value of a document that may nest `depth` arrays and maps.
pub(crate) fn value(item: Spanned<DeValue<'_>>, depth: usize) -> Result<Value, Misplaced> {
    let offset = item.span().start;
    let placed = |problem| (problem, offset);
    match item.into_inner() {
        DeValue::String(text) => Ok(Value::Text(text.into_owned())),
        DeValue::Integer(n) => integer(n.as_str(), n.radix()).map_err(placed),
        DeValue::Float(n) => {
            let text = n.as_str();
            if text.ends_with("inf") || text.ends_with("nan") {
                return Err(placed(Problem::NotFinite(text.to_owned())));
            }
            float(text).map_err(placed)
        }
        DeValue::Boolean(value) => Ok(Value::Bool(value)),
        DeValue::Datetime(moment) => Ok(Value::Text(moment.to_string())),
        DeValue::Array(items) => {
            let depth = depth.checked_sub(1).ok_or((Problem::TooDeep, offset))?;
            let items = items.into_iter().map(|item| value(item, depth));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        DeValue::Table(table) => map(table, depth, offset),
    }
}
