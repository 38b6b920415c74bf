//! Marks by-content inputs in the words of a command.
//!
//! A by-content input's name must not count, so where a word names it, the key holds the input's
//! position instead. Only a name that stands by itself is marked: an input `a` is not in `cat`,
//! or two different commands would share a key.

use crate::action::{Segment, Word};

/// Splits `word` at the places where one of `names` (by position) stands by itself.
pub(super) fn mark(word: &[u8], names: &[&[u8]]) -> Word {
    let mut segments = Vec::new();
    let mut text_from = 0;
    let mut at = 0;
    while at < word.len() {
        match name_at(word, at, names) {
            Some((index, len)) => {
                if text_from < at {
                    segments.push(Segment::Text(word[text_from..at].to_vec()));
                }
                segments.push(Segment::Input(index));
                at += len;
                text_from = at;
            }
            None => at += 1,
        }
    }
    if segments.is_empty() {
        return Word::Plain(word.to_vec());
    }
    if text_from < word.len() {
        segments.push(Segment::Text(word[text_from..].to_vec()));
    }
    Word::Segments(segments)
}

/// Returns a name that looks like any word and is marked more than once: in `grep foo foo` only
/// one `foo` is the file, and with the other marked too, `grep bar bar` would have the same key.
pub(super) fn ambiguous<'a>(words: &[Word], names: &[&'a [u8]]) -> Option<&'a [u8]> {
    let segments = words.iter().flat_map(|word| match word {
        Word::Plain(_) => [].as_slice(),
        Word::Segments(segments) => segments.as_slice(),
    });
    let marked: Vec<usize> = segments
        .filter_map(|segment| match segment {
            Segment::Input(index) => Some(*index),
            Segment::Text(_) => None,
        })
        .collect();
    let is_plain = |name: &[u8]| !name.iter().any(|byte| matches!(byte, b'/' | b'.'));
    let is_twice = |index: &usize| marked.iter().filter(|it| *it == index).count() > 1;
    let found = marked
        .iter()
        .find(|index| is_plain(names[**index]) && is_twice(index));
    found.map(|index| names[*index])
}

/// Returns the longest name that stands by itself at this place.
fn name_at(word: &[u8], at: usize, names: &[&[u8]]) -> Option<(usize, usize)> {
    let stands_alone = |name: &[u8]| {
        !name.is_empty()
            && word[at..].starts_with(name)
            && (at == 0 || is_border(word[at - 1]))
            && word
                .get(at + name.len())
                .is_none_or(|next| is_border(*next))
    };
    (0..names.len())
        .filter(|index| stands_alone(names[*index]))
        .max_by_key(|index| (names[*index].len(), std::cmp::Reverse(*index)))
        .map(|index| (index, names[index].len()))
}

/// Bytes that end a path in a flag's value or in a shell script.
fn is_border(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"=,:;\"'()<>|&@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(word: &str, names: &[&str]) -> String {
        let names: Vec<_> = names.iter().map(|name| name.as_bytes()).collect();
        match mark(word.as_bytes(), &names) {
            Word::Plain(text) => String::from_utf8(text).unwrap(),
            Word::Segments(segments) => segments
                .iter()
                .map(|segment| match segment {
                    Segment::Text(text) => String::from_utf8(text.clone()).unwrap(),
                    Segment::Input(index) => format!("[{index}]"),
                })
                .collect(),
        }
    }

    #[test]
    fn names_that_stand_by_themselves_are_marked() {
        assert_eq!(shown("a.nii", &["a.nii"]), "[0]");
        assert_eq!(shown("--in=a.nii", &["a.nii"]), "--in=[0]");
        assert_eq!(shown("b,a,b", &["a", "b"]), "[1],[0],[1]");
        assert_eq!(shown("cat 'a.nii' > out", &["a.nii"]), "cat '[0]' > out");
    }

    #[test]
    fn a_plain_word_that_is_marked_twice_is_ambiguous() {
        let found = |words: &[&str], name: &'static str| {
            let names = [name.as_bytes()];
            let words: Vec<_> = words.iter().map(|it| mark(it.as_bytes(), &names)).collect();
            ambiguous(&words, &names).is_some()
        };
        assert!(found(&["grep", "foo", "foo"], "foo"));
        assert!(found(&["sh", "-c", "grep foo foo"], "foo"));
        assert!(!found(&["grep", "foo", "./foo"], "./foo"));
        assert!(!found(&["cmp", "a.nii", "a.nii"], "a.nii"));
        assert!(!found(&["cat", "foo"], "foo"));
    }

    #[test]
    fn parts_of_other_names_are_not() {
        assert_eq!(shown("cat", &["a"]), "cat");
        assert_eq!(shown("x/a.nii", &["a.nii"]), "x/a.nii");
        assert_eq!(shown("a.nii.gz", &["a.nii"]), "a.nii.gz");
        assert_eq!(shown("a.nii", &["a", "a.nii"]), "[1]");
    }
}
