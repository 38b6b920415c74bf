//! Names and link texts, which are bytes, as JSON texts that read back the same.
//!
//! What is UTF-8 is written as it is, but for the backslash, which is doubled; every other byte is
//! written as `\xNN`. Each byte string has one such text, and no other text is read.

use std::fmt::Write as _;

/// Writes bytes as text.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a text takes what is written to it");
        }
    }
    text
}

/// Reads bytes that [`escape`] wrote.
pub(super) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escaped = &rest[at + 1..];
        if let Some(after) = escaped.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let digits = escaped.strip_prefix('x')?.get(..2)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &escaped[3..];
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    (escape(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_spelled_out() {
        assert_eq!(escape(b"a\xff\\x\n\xc3\xa9"), "a\\xff\\\\x\n\u{e9}");
        for bad in ["\\", "\\x4", "\\x41", "\\xFF", "\\n", "\\x+1", "\\xc3\\xa9"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_string_reads_back_the_same(bytes: Vec<u8>) {
            prop_assert_eq!(unescape(&escape(&bytes)), Some(bytes));
        }
    }
}
