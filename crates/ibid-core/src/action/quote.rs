//! A command line as one text, quoted so that a POSIX shell would read the same words.
//!
//! Invariant: different lists of words give different texts, because the text names a component
//! (`versions_from`), and two commands of one name would be one (hazard A3).

use std::fmt::Write as _;

use super::document::JsonText;
use crate::digest::encoding::Value;

/// Joins words by blanks, each quoted where it needs to be.
pub fn command_text(words: &[Vec<u8>]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// Returns the words that the component of a command holds: those of a script's interpreter come
/// before it, and a by-content input is named by its number.
pub fn command_words(parts: &[Value]) -> Vec<Vec<u8>> {
    let is_word = |part: &Value| matches!(part, Value::Bytes(_));
    match parts {
        // A word in which a by-content input is named is a list, too, but holds its number.
        [Value::Array(interpreter), script] if interpreter.iter().all(is_word) => {
            interpreter.iter().chain([script]).map(word).collect()
        }
        words => words.iter().map(word).collect(),
    }
}

fn word(value: &Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.clone(),
        Value::Array(segments) => segments.iter().flat_map(word).collect(),
        Value::Integer(index) => format!("#{}", index.small_magnitude().unwrap_or(0)).into_bytes(),
        other => JsonText(other).to_string().into_bytes(),
    }
}

fn quoted(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(byte);
    match std::str::from_utf8(word) {
        Ok(text) if !text.is_empty() && word.iter().all(is_plain) => text.to_owned(),
        Ok(text) => format!("'{}'", text.replace('\'', r"'\''")),
        Err(_) => {
            let mut text = String::from("$'");
            for byte in word {
                match byte {
                    b'\'' | b'\\' => text.extend(['\\', char::from(*byte)]),
                    b' '..=b'~' => text.push(char::from(*byte)),
                    _ => {
                        let _ = write!(text, "\\x{byte:02x}");
                    }
                }
            }
            text.push('\'');
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_of_an_interpreter_come_before_its_script() {
        let bytes = |word: &str| Value::from(word.as_bytes());
        let shell = Value::Array(vec![bytes("sh"), bytes("-c")]);
        assert_eq!(
            command_text(&command_words(&[shell, bytes("sort a")])),
            "sh -c 'sort a'"
        );
        let named = Value::Array(vec![bytes("-i"), Value::from(0_u64)]);
        assert_eq!(
            command_text(&command_words(&[bytes("cat"), named])),
            "cat '-i#0'"
        );
    }

    fn text(words: &[&[u8]]) -> String {
        command_text(&words.iter().map(|word| word.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_quoted_where_they_need_to_be() {
        assert_eq!(text(&[b"cc", b"--version"]), "cc --version");
        assert_eq!(text(&[b"sh", b"-c", b"a | b"]), "sh -c 'a | b'");
        assert_eq!(text(&[b"it's", b""]), r"'it'\''s' ''");
        assert_eq!(text(&[b"\xff'\\\n"]), r"$'\xff\'\\\x0a'");
        assert_eq!(text(&[b"$'x'"]), r"'$'\''x'\'''");
    }

    fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let byte = prop::sample::select(b"a '\\$x0\n\xff".to_vec());
        prop::collection::vec(prop::collection::vec(byte, 0..4), 0..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn different_words_have_different_texts(a in words(), b in words()) {
            // No words and one empty word: "" and "''".
            prop_assert_eq!(a == b, command_text(&a) == command_text(&b));
        }
    }
}
