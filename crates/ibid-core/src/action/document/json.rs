//! JSON, by `serde_json` with numbers kept as text.
//!
//! `serde_json` hands over a number that is not a small integer as a map with one private key and
//! an owned string. A user's map may hold that key too, with a borrowed string: the two are told
//! apart here, so that no document can pass a text off as a number.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use super::{DocumentError, Position, Problem, number};
use crate::digest::encoding::{MAX_DEPTH, Value};

/// The key under which `serde_json` hands over the text of a number.
const NUMBER_KEY: &str = "$serde_json::private::Number";

pub(super) fn parse(text: &str) -> Result<Value, DocumentError> {
    let problem = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Depth is limited by the seed, to less than the parser's own limit.
    let value = Seed::new(&problem)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| {
        let position = (error.line() > 0).then(|| Position {
            line: error.line(),
            column: error.column(),
        });
        let problem = problem.take().unwrap_or_else(|| {
            let words = error.to_string();
            let end = words.rfind(" at line ").unwrap_or(words.len());
            Problem::Syntax(words[..end].to_owned())
        });
        problem.at(position)
    })
}

/// Reads one value. A problem of ours is kept aside, because the parser's errors are only text.
#[derive(Clone, Copy)]
struct Seed<'p> {
    problem: &'p RefCell<Option<Problem>>,
    depth: usize,
}

impl<'p> Seed<'p> {
    fn new(problem: &'p RefCell<Option<Problem>>) -> Self {
        Self {
            problem,
            depth: MAX_DEPTH,
        }
    }

    fn fail<T, E: serde::de::Error>(self, problem: Problem) -> Result<T, E> {
        let error = E::custom(&problem);
        self.problem.replace(Some(problem));
        Err(error)
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => self.fail(Problem::TooDeep),
        }
    }
}

/// What a seed reads: a value, or the text of a number that its map stands for.
enum Read {
    Value(Value),
    Number(String),
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match deserializer.deserialize_any(self)? {
            Read::Value(value) => Ok(value),
            Read::Number(_) => Err(D::Error::custom("number outside a number")),
        }
    }
}

/// Reads the value of [`NUMBER_KEY`], the one place where a number's text may stand.
struct NumberSeed<'p>(Seed<'p>);

impl<'de> DeserializeSeed<'de> for NumberSeed<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_any(self.0)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Read::Value(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read, E> {
        Ok(Read::Value(Value::Bool(value)))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Read, E> {
        Ok(Read::Value(Value::Integer(n.into())))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Read, E> {
        Ok(Read::Value(Value::Integer(n.into())))
    }

    /// A text of the document: the parser lends those.
    fn visit_str<E>(self, text: &str) -> Result<Read, E> {
        Ok(Read::Value(Value::from(text)))
    }

    /// A string that the parser made itself: the text of a number.
    fn visit_string<E>(self, text: String) -> Result<Read, E> {
        Ok(Read::Number(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Read, A::Error> {
        let seed = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            array.push(item);
        }
        Ok(Read::Value(Value::Array(array)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Read, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = if key == NUMBER_KEY && map.is_empty() {
                // A number is no level of its own; a map at level zero is refused below.
                let depth = self.depth.saturating_sub(1);
                match entries.next_value_seed(NumberSeed(Self { depth, ..self }))? {
                    Read::Value(value) => value,
                    Read::Number(text) => {
                        return number(&text)
                            .map(Read::Value)
                            .or_else(|problem| self.fail(problem));
                    }
                }
            } else {
                entries.next_value_seed(self.deeper()?)?
            };
            if map.contains_key(&key) {
                return self.fail(Problem::DuplicateKey(key));
            }
            map.insert(key, value);
        }
        if self.depth == 0 {
            return self.fail(Problem::TooDeep);
        }
        Ok(Read::Value(Value::Map(map)))
    }
}
