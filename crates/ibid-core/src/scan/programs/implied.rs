//! The words of a command line that name files under the root without being declared.
//!
//! Owns the choice of texts that are tried as paths: each word as a whole, and what follows its
//! first `=` (`--mask=m.nii`, `if=disk.img`). An option glued to its path (`-I/usr/include`,
//! `@args.txt`), lists (`a.csv,b.csv`) and paths outside the root are not tried. Knows neither
//! what is declared nor what a file holds.

use std::collections::BTreeSet;
use std::path::Path;

use crate::fs::FileKind;
use crate::scan::place_of;
use crate::tree::{Place, RelPath};

/// How many texts are looked for on disk at most.
pub const MAX_WORDS: usize = 10_000;

/// The longest text that Linux takes for a path, in bytes.
const MAX_PATH: usize = 4095;

/// A word that names something under the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// The text that names it: a word, or what follows its `=`.
    pub word: Vec<u8>,
    /// Where it lies: always inside the root, never the root itself.
    pub place: Place,
    /// What it is; a link is a link here.
    pub kind: FileKind,
}

/// What the words of a command line name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Implied {
    /// What exists, sorted by place, each place once.
    pub existing: Vec<Existing>,
    /// How many texts were not looked for, because there are more than [`MAX_WORDS`]. If any, the
    /// key does not see all that the command may read, and the user should be told.
    pub left_out: usize,
}

/// Returns the texts in `argv` that may be paths, each once, in order; words whose index is in
/// `skip` are left out (the program, the script, whatever is keyed otherwise).
pub fn implied_words<'a>(argv: &'a [Vec<u8>], skip: &BTreeSet<usize>) -> Vec<&'a [u8]> {
    let words = argv
        .iter()
        .enumerate()
        .filter(|(index, _)| !skip.contains(index));
    let mut seen = BTreeSet::new();
    let mut texts = Vec::new();
    for (_, word) in words {
        let equals = word.iter().position(|byte| *byte == b'=');
        let value = equals.map(|at| &word[at + 1..]);
        for text in std::iter::once(word.as_slice()).chain(value) {
            if may_be_path(text) && seen.insert(text) {
                texts.push(text);
            }
        }
    }
    texts
}

/// Looks for `texts` below `root`, as a command that runs in `dir` below it would; places that
/// are `known` to count otherwise are not looked at; `kind` looks at one.
///
/// # Errors
/// Where `kind` fails: a text lies in a directory that may not be searched.
pub fn existing<E>(
    texts: &[&[u8]],
    dir: &RelPath,
    root: &Path,
    known: &dyn Fn(&Place) -> bool,
    kind: &dyn Fn(&Path) -> Result<Option<FileKind>, E>,
) -> Result<Implied, E> {
    let mut found = std::collections::BTreeMap::new();
    for text in texts.iter().take(MAX_WORDS) {
        let place = place_of(text, dir, root);
        let is_below = place.inside().is_some_and(|path| !path.is_root());
        if !is_below || found.contains_key(&place) || known(&place) {
            continue;
        }
        if let Some(kind) = kind(&place.on_disk(root))? {
            found.insert(place, (text.to_vec(), kind));
        }
    }
    let existing = found
        .into_iter()
        .map(|(place, (word, kind))| Existing { word, place, kind })
        .collect();
    let left_out = texts.len().saturating_sub(MAX_WORDS);
    Ok(Implied { existing, left_out })
}

fn may_be_path(text: &[u8]) -> bool {
    let only_dashes = text.iter().all(|byte| *byte == b'-');
    !only_dashes && text.len() <= MAX_PATH && !text.contains(&0) && !is_url(text)
}

/// Says whether `text` starts with a scheme and `://`.
fn is_url(text: &[u8]) -> bool {
    let colon = text.windows(3).position(|three| three == b"://");
    colon.is_some_and(|at| {
        at > 0
            && text[..at]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use ibid_testkit::TempDir;

    use super::*;
    use crate::fs::kind_at;
    use crate::scan::programs::test_files::{link, write};

    #[test]
    fn words_and_values_are_tried_once_each() {
        let line = "tool a.csv --mask=m.nii if=d - --  https://x/y a.csv -Iinc --url=s3://b/k";
        let argv: Vec<Vec<u8>> = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        let words = implied_words(&argv, &BTreeSet::from([0]));
        let words: Vec<_> = words
            .into_iter()
            .map(|word| str::from_utf8(word).unwrap())
            .collect();
        let expected = "a.csv --mask=m.nii m.nii if=d d -Iinc --url=s3://b/k";
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn what_lies_below_the_root_is_found_under_one_name() {
        let dir = TempDir::new();
        let root = dir.join("root");
        write(&root.join("sub/a.csv"), "");
        write(&dir.join("outside.csv"), "");
        link(Path::new("absent"), &root.join("sub/link"));
        let absolute = root.join("sub/a.csv");
        let absolute = absolute.as_os_str().as_encoded_bytes();
        let mut texts: Vec<&[u8]> = vec![b"a.csv", b"./a.csv", absolute, b"..", b"../sub", b"link"];
        let long = [b'x'; 300];
        texts.extend([
            b"../../outside.csv".as_slice(),
            b"a.csv/x",
            b"absent",
            &long,
        ]);
        let found = existing(
            &texts,
            &RelPath::new("sub").unwrap(),
            &root,
            &|_| false,
            &kind_at,
        )
        .unwrap();
        let named: Vec<_> = found
            .existing
            .iter()
            .map(|one| (one.place.to_string(), one.kind, one.word.as_slice()))
            .collect();
        let expected = [
            ("sub".to_owned(), FileKind::Dir, b"../sub".as_slice()),
            ("sub/a.csv".to_owned(), FileKind::File, b"a.csv"),
            ("sub/link".to_owned(), FileKind::Link, b"link"),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn words_beyond_the_limit_are_counted() {
        let dir = TempDir::new();
        let texts = vec![b"absent".as_slice(); MAX_WORDS + 3];
        let found = existing(
            &texts,
            &RelPath::new("").unwrap(),
            dir.path(),
            &|_| false,
            &kind_at,
        )
        .unwrap();
        assert_eq!(found.left_out, 3);
    }
}
