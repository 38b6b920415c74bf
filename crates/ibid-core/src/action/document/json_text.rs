//! Values as JSON for people and for `--json`.
//!
//! JSON has no bytes: a byte string that is UTF-8 is written as text, any other as
//! `{"bytes": "…"}` with the bytes that are not printable escaped as `\xNN` and a backslash as
//! `\\`. So the output is for reading and not one to one: nothing is ever keyed or parsed back
//! from it. Numbers are exact: integers in full, floats in the fewest digits that read back the
//! same, always with a point or an exponent. Map keys come in the order of their text.

use std::fmt;

use crate::digest::encoding::Value;

/// Prints a value as compact JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonText<'a>(pub &'a Value);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(n) => write!(f, "{n}"),
            // `{:?}` of a float always shows a point or an exponent.
            Value::Float(float) => write!(f, "{:?}", float.get()),
            Value::Text(text) => quoted(f, text),
            Value::Bytes(bytes) => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    return quoted(f, text);
                }
                f.write_str("{\"bytes\":")?;
                quoted(f, &bytes.escape_ascii().to_string())?;
                f.write_str("}")
            }
            Value::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    Self(item).fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (index, (key, value)) in map.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    quoted(f, key)?;
                    f.write_str(":")?;
                    Self(value).fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let json = serde_json::to_string(text).map_err(|_| fmt::Error)?;
    f.write_str(&json)
}
