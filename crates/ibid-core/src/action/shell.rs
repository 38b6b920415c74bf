//! Shells by name: the words that a script is handed to.
//!
//! A script stops where a command fails and where a variable is not set, whichever door it comes
//! through; these words are part of the key.

/// What reads a script where no shell is named.
const DEFAULT: &[&str] = &["/bin/sh", "-eu", "-c"];

/// Shells that are known by their names, and their flags.
const SHELLS: &[(&str, &[&str])] = &[
    ("bash", &["-euo", "pipefail", "-c"]),
    ("sh", &["-eu", "-c"]),
    ("dash", &["-eu", "-c"]),
    ("zsh", &["-eu", "-c"]),
    ("ksh", &["-eu", "-c"]),
];

/// Lists the names of the shells that are known.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHELLS.iter().map(|(name, _)| *name)
}

/// Returns the words that a script is handed to where no shell is named.
pub fn default() -> Vec<String> {
    owned(DEFAULT)
}

/// Returns the words of the shell of this name, if it is known.
pub fn named(name: &str) -> Option<Vec<String>> {
    let (name, flags) = SHELLS.iter().find(|(known, _)| *known == name)?;
    Some(owned(&[&[*name], *flags].concat()))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
