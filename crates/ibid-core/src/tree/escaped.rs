//! `Escaped`: names from outside, made safe to print.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Prints bytes as text, with control characters and bytes that are not UTF-8 escaped, so that a
/// name cannot drive the terminal (hazard G7).
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl<'a> Escaped<'a> {
    /// Prints a path.
    pub fn path(path: &'a Path) -> Self {
        Self(path.as_os_str().as_bytes())
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let mut rest = chunk.valid();
            let is_special = |c: char| c.is_control() || reorders_text(c);
            while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_special(*c)) {
                f.write_str(&rest[..at])?;
                write!(f, "{}", c.escape_default())?;
                rest = &rest[at + c.len_utf8()..];
            }
            f.write_str(rest)?;
            if !chunk.invalid().is_empty() {
                write!(f, "{}", chunk.invalid().escape_ascii())?;
            }
        }
        Ok(())
    }
}

/// Says whether `c` breaks lines or changes the direction of the text around it.
fn reorders_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_the_text_around_is_escaped() {
        assert_eq!(Escaped("a\u{202e}b".as_bytes()).to_string(), "a\\u{202e}b");
        let mixed = "\u{202e}\u{e4}\n\u{2028}c\t".as_bytes();
        let mixed = [mixed, b"\xff\xfed", "\u{7f}".as_bytes()].concat();
        let expected = "\\u{202e}\u{e4}\\n\\u{2028}c\\t\\xff\\xfed\\u{7f}";
        assert_eq!(Escaped(&mixed).to_string(), expected);
    }
}
