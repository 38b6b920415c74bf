//! A text that is not TOML, in the words of the parser where there are none of our own.

use std::ops::Range;
use std::path::Path;

use super::Mistake;

/// Tells of the text of `path` that a TOML parser refused.
pub fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> Mistake {
    let span = error.span().unwrap_or(text.len()..text.len());
    let words = error.message().replace('\n', ", ");
    let meant = text.get(span.clone()).unwrap_or_default();
    let mut mistake = Mistake::new(path, text, &span, words);
    if mistake.message.starts_with("duplicate key") {
        let first = first_of_two(text, &span).map(|line| format!(", first in line {line}"));
        mistake.message = format!("`{meant}` stands twice{}", first.unwrap_or_default());
        let hint = "a field, and a table such as `[steps.fit]`, stands once in a file";
        mistake.hint = Some(hint.to_owned());
    } else if mistake.message.starts_with("string values must be quoted") {
        let plain = !meant.is_empty() && !meant.contains(['"', '\\', '\n']);
        mistake.hint = Some(if plain {
            format!("put it in quotes: \"{meant}\"")
        } else {
            "text stands in quotes".to_owned()
        });
    }
    mistake
}

/// Finds the line of the key or header that a later one repeats.
fn first_of_two(text: &str, second: &Range<usize>) -> Option<usize> {
    let name = text.get(second.clone())?;
    let before = text.get(..second.start)?;
    let own_line = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[own_line..].lines().next()?.trim();
    let earlier: Vec<&str> = text[..own_line].lines().collect();
    let found = if line.starts_with('[') {
        earlier.iter().position(|other| other.trim() == line)
    } else {
        // Within the same table only.
        let is_header = |other: &&str| other.trim_start().starts_with('[');
        let table = earlier.iter().rposition(is_header).unwrap_or(0);
        let same_key =
            |other: &&str| matches!(other.split_once('='), Some((key, _)) if key.trim() == name);
        earlier[table..]
            .iter()
            .position(same_key)
            .map(|at| table + at)
    };
    found.map(|at| at + 1)
}
