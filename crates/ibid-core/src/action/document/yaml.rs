//! YAML 1.2 with the core schema, by `saphyr-parser`'s events.
//!
//! `NO` and `off` are text, `012` is twelve, and dates are text. Aliases are copies, limited in
//! total so that a short document cannot grow without bounds (hazard G5).

use std::collections::{BTreeMap, HashMap};
use std::iter::Peekable;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::{DocumentError, Position, Problem, float, integer};
use crate::digest::encoding::{MAX_DEPTH, Value};

/// How many bytes, as encoded, all aliases of a document may copy.
const MAX_ALIASED: usize = 16 << 20;

pub(super) fn parse(text: &str) -> Result<Value, DocumentError> {
    let mut reader = Reader {
        events: Parser::new_from_str(text).peekable(),
        anchors: HashMap::new(),
        aliased: 0,
    };
    reader.stream()
}

struct Reader<'a> {
    events: Peekable<Parser<'a, StrInput<'a>>>,
    /// Values by anchor, with the length of their encoding.
    anchors: HashMap<usize, (Value, usize)>,
    aliased: usize,
}

impl<'a> Reader<'a> {
    /// Reads the one document; a stream without one is null.
    fn stream(&mut self) -> Result<Value, DocumentError> {
        let mut document = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(document.unwrap_or(Value::Null)),
                (Event::DocumentStart(_), span) => {
                    if document.is_some() {
                        return Err(Problem::ManyDocuments.at(start(span)));
                    }
                    let first = self.next()?;
                    document = Some(self.node(first, MAX_DEPTH)?);
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), DocumentError> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Problem::Syntax(error.info().to_owned()).at(Position {
                line: error.marker().line(),
                column: error.marker().col() + 1,
            })),
            None => Err(Problem::Syntax("unexpected end".to_owned()).at(None)),
        }
    }

    fn node(
        &mut self,
        (event, span): (Event<'a>, Span),
        depth: usize,
    ) -> Result<Value, DocumentError> {
        let at = |problem: Problem| problem.at(start(span));
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref()).map_err(at)?;
                (value, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq").map_err(at)?;
                let depth = depth.checked_sub(1).ok_or_else(|| at(Problem::TooDeep))?;
                (self.sequence(depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map").map_err(at)?;
                let depth = depth.checked_sub(1).ok_or_else(|| at(Problem::TooDeep))?;
                (self.mapping(depth)?, anchor)
            }
            Event::Alias(anchor) => {
                let (value, size) = self
                    .anchors
                    .get(&anchor)
                    .ok_or_else(|| at(Problem::AliasBomb))?;
                self.aliased += size;
                if self.aliased > MAX_ALIASED {
                    return Err(at(Problem::AliasBomb));
                }
                if depth_of(value) > depth {
                    return Err(at(Problem::TooDeep));
                }
                return Ok(value.clone());
            }
            _ => return Err(at(Problem::Syntax("unexpected end of a node".to_owned()))),
        };
        if anchor > 0 {
            let size = value.encode().len();
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, DocumentError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                event => items.push(self.node(event, depth)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, DocumentError> {
        let mut map = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let at = |problem: Problem| problem.at(start(span));
            match &event {
                Event::MappingEnd => return Ok(Value::Map(map)),
                Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<" => {
                    return Err(at(Problem::MergeKey));
                }
                _ => {}
            }
            let Value::Text(key) = self.node((event, span), depth)? else {
                return Err(at(Problem::KeyNotText));
            };
            let first = self.next()?;
            let value = self.node(first, depth)?;
            if map.contains_key(&key) {
                return Err(at(Problem::DuplicateKey(key)));
            }
            map.insert(key, value);
        }
    }
}

fn start(span: Span) -> Position {
    Position {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

/// Counts the arrays and maps above the deepest leaf.
fn depth_of(value: &Value) -> usize {
    let deepest = |depths: &mut dyn Iterator<Item = usize>| depths.max().unwrap_or(0) + 1;
    match value {
        Value::Array(items) => deepest(&mut items.iter().map(depth_of)),
        Value::Map(map) => deepest(&mut map.values().map(depth_of)),
        _ => 0,
    }
}

/// Accepts no tag, `!`, and the core schema's `kind`.
fn check_tag(tag: Option<&Tag>, kind: &str) -> Result<(), Problem> {
    match tag {
        None => Ok(()),
        Some(tag) if is_non_specific(tag) => Ok(()),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == kind => Ok(()),
        Some(tag) => Err(Problem::Tag(tag.to_string())),
    }
}

/// Says whether the tag is a lone `!`, which asks for the plainest reading: text for a scalar.
fn is_non_specific(tag: &Tag) -> bool {
    (tag.handle.as_str(), tag.suffix.as_str()) == ("", "!")
        || (tag.handle.as_str(), tag.suffix.as_str()) == ("!", "")
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, Problem> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => plain(text),
            _ => Ok(Value::from(text)),
        };
    };
    if is_non_specific(tag) {
        return Ok(Value::from(text));
    }
    let unfit = || Problem::Tag(tag.to_string());
    if !tag.is_yaml_core_schema() {
        return Err(unfit());
    }
    match (tag.suffix.as_str(), plain(text)?) {
        ("str", _) => Ok(Value::from(text)),
        ("float", Value::Integer(_)) if decimal(text) => float(text),
        ("null", value @ Value::Null)
        | ("bool", value @ Value::Bool(_))
        | ("int", value @ Value::Integer(_))
        | ("float", value @ Value::Float(_)) => Ok(value),
        _ => Err(unfit()),
    }
}

/// Resolves a plain scalar by the core schema (YAML 1.2.2, section 10.3.2).
fn plain(text: &str) -> Result<Value, Problem> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(Problem::NotFinite(text.to_owned())),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Err(Problem::NotFinite(text.to_owned()));
    }
    if decimal(text) {
        return integer(text, 10);
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            return integer(digits, radix);
        }
    }
    if is_float(unsigned) {
        return float(text);
    }
    Ok(Value::from(text))
}

/// Says whether `text` is a decimal integer with an optional sign.
fn decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Matches `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    has_digits && digits(whole) && digits(fraction) && exponent.is_none_or(decimal)
}
