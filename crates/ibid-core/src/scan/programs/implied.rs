//! The words of a command line that name files under the root without being declared.
//!
//! Owns the choice of texts that are tried as paths: each word as a whole, and what follows its
//! first `=` (`--mask=m.nii`, `if=disk.img`). An option glued to its path (`-I/usr/include`,
//! `@args.txt`), lists (`a.csv,b.csv`) and paths outside the root are not tried. Knows neither
//! what is declared nor what a file holds.

use std::collections::BTreeSet;
use std::path::Path;

use crate::fs::programs::named;
use crate::fs::{FileKind, PathError};
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

/// Looks for `texts` below `root`, as a command that runs in `dir` below it would.
///
/// # Errors
/// Where a text lies in a directory that may not be searched.
pub fn existing(texts: &[&[u8]], dir: &RelPath, root: &Path) -> Result<Implied, PathError> {
    let mut found = std::collections::BTreeMap::new();
    for text in texts.iter().take(MAX_WORDS) {
        let place = Place::resolve(text, dir, root);
        let is_below = place.inside().is_some_and(|path| !path.is_root());
        if !is_below || found.contains_key(&place) {
            continue;
        }
        if let Some(kind) = named(&place.on_disk(root))? {
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
