//! How one value is written in a shell text so that the shell reads back exactly it.
//!
//! Works on bytes, because paths are bytes. Needs no knowledge of the text around a word but for
//! what is said by [`Beside`].

/// What follows a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Anything that cannot join the word to an operator.
    Other,
    /// `<` or `>`: digits before it would name a descriptor (`2>log`).
    Redirection,
}

/// Words that mean something to a shell where a command stands.
const RESERVED: [&[u8]; 17] = [
    b"case",
    b"coproc",
    b"do",
    b"done",
    b"elif",
    b"else",
    b"esac",
    b"fi",
    b"for",
    b"function",
    b"if",
    b"in",
    b"select",
    b"then",
    b"time",
    b"until",
    b"while",
];

/// Writes a value as one word.
pub(crate) fn as_word(value: &[u8], beside: Beside) -> Vec<u8> {
    let is_number = beside == Beside::Redirection && value.iter().all(u8::is_ascii_digit);
    if is_plain(value) && !is_number && !RESERVED.contains(&value) {
        return value.to_vec();
    }
    let mut word = vec![b'\''];
    word.extend(within_single_quotes(value));
    word.push(b'\'');
    word
}

/// Writes a value inside `'…'` that stand already.
pub(super) fn within_single_quotes(value: &[u8]) -> Vec<u8> {
    replaced(value, |byte| (byte == b'\'').then_some(br"'\''".as_slice()))
}

/// Writes a value inside `"…"` that stand already.
pub(super) fn within_double_quotes(value: &[u8]) -> Vec<u8> {
    escaped(value, b"\\$`\"")
}

/// Writes a value in a here-document in which the shell expands variables.
pub(super) fn within_here_document(value: &[u8]) -> Vec<u8> {
    escaped(value, b"\\$`")
}

/// Says whether a value means the same in every corner of a shell text: not empty, and of letters,
/// digits and a few signs only.
pub(super) fn is_plain(value: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"@%+:./_-".contains(byte);
    !value.is_empty() && value.iter().all(is_plain)
}

fn escaped(value: &[u8], special: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for byte in value {
        if special.contains(byte) {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text
}

fn replaced(value: &[u8], with: impl Fn(u8) -> Option<&'static [u8]>) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for byte in value {
        match with(*byte) {
            Some(other) => text.extend_from_slice(other),
            None => text.push(*byte),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_only_where_they_need_to_be() {
        let word =
            |value: &str| String::from_utf8(as_word(value.as_bytes(), Beside::Other)).unwrap();
        for (value, quoted) in [
            ("data/penguins.csv", "data/penguins.csv"),
            ("2700", "2700"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("A=1", "'A=1'"),
            ("~", "'~'"),
            ("a,b", "'a,b'"),
            ("if", "'if'"),
        ] {
            assert_eq!(word(value), quoted);
        }
    }

    #[test]
    fn digits_before_a_redirection_are_no_descriptor() {
        assert_eq!(as_word(b"2", Beside::Redirection), b"'2'");
        assert_eq!(as_word(b"a2", Beside::Redirection), b"a2");
    }
}
