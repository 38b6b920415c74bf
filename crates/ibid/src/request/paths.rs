//! Words that name files: paths, folders and patterns.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use ibid_core::action::{InputRequest, OutputKind, OutputSpec};
use ibid_core::fs::Signature;
use ibid_core::scan::{at_every_depth, is_magic, is_pattern, place_of, way_back, without_detours};
use ibid_core::tree::{Place, RelPath};

use super::root::Root;
use crate::error::Failure;
use crate::report::people;

impl Root {
    /// Returns where a path lies; `flag` is named where it is empty.
    pub(super) fn place(&self, flag: &str, word: &OsStr) -> Result<Place, Failure> {
        if word.is_empty() {
            return Err(Failure::usage(format!("`{flag}` names no file"))
                .hint("an unset variable in a script gives an empty word"));
        }
        Ok(place_of(word.as_bytes(), &self.dir, &self.path))
    }

    /// Reads a declared input: a pattern, unless a file of that very name is there.
    pub(super) fn input(&self, word: &OsStr) -> Result<InputRequest, Failure> {
        let place = self.place("--input", word)?;
        if is_pattern(word.as_bytes()) && Signature::of_link(&place.on_disk(&self.path)).is_err() {
            return Ok(InputRequest::Glob {
                pattern: self.pattern("--input", word)?,
            });
        }
        Ok(InputRequest::Path {
            place,
            dir_only: word.as_bytes().ends_with(b"/"),
            way: way_back(word.as_bytes(), &self.dir, &self.path),
        })
    }

    /// Reads an input whose name does not count.
    pub(super) fn input_by_content(&self, word: &OsStr) -> Result<InputRequest, Failure> {
        Ok(InputRequest::ByContent {
            place: self.place("--input-by-content", word)?,
            spelling: word.as_bytes().to_vec(),
            way: way_back(word.as_bytes(), &self.dir, &self.path),
        })
    }

    /// Reads declared outputs. What lies on disk does not matter: it would make the key depend on
    /// leftovers.
    pub(super) fn outputs(
        &self,
        words: &[OsString],
        flag: &'static str,
        optional: bool,
    ) -> Result<Vec<OutputSpec>, Failure> {
        let read = |word: &OsString| {
            let place = self.place(flag, word)?;
            if place.inside().is_some_and(RelPath::is_root) {
                let word = people::os(word);
                return Err(Failure::usage(format!("the output `{word}` is the root"))
                    .hint("declare the files or the subfolder that the command writes"));
            }
            let kind = if is_pattern(word.as_bytes()) {
                OutputKind::Glob(self.pattern(flag, word)?)
            } else if word.as_bytes().ends_with(b"/") {
                OutputKind::Dir(place)
            } else {
                OutputKind::Path(place)
            };
            Ok(OutputSpec {
                kind,
                optional,
                keep: false,
            })
        };
        words.iter().map(read).collect()
    }

    /// Reads a rule of what inputs leave out.
    pub(super) fn exclude(&self, word: &OsStr) -> Result<String, Failure> {
        let bytes = word.as_bytes();
        if let Some(pattern) = word.to_str().and_then(at_every_depth) {
            return Ok(pattern);
        }
        let mut pattern = self.pattern("--exclude", word)?;
        if bytes.ends_with(b"/") {
            pattern.push('/');
        }
        Ok(pattern)
    }

    /// Makes a pattern of paths relative to the root.
    fn pattern(&self, flag: &str, word: &OsStr) -> Result<String, Failure> {
        // The names of folders on the way are no patterns, even where they look like one.
        let dir = self.dir.components().map(quote_magic);
        let dir = RelPath::new(dir.collect::<Vec<_>>().join(&b'/'))
            .expect("quoting keeps a clean path clean");
        let plain = without_detours(word.as_bytes(), &self.dir, &self.path);
        match Place::resolve(&plain, &dir, &self.path) {
            Place::Inside(path) => text(flag, OsStr::from_bytes(path.as_bytes())),
            Place::Outside(_) => Err(Failure::usage(format!(
                "the pattern `{}` of `{flag}` leaves the root `{}`",
                people::os(word),
                people::path(&self.path)
            ))
            .hint("name files and folders outside the root without a pattern, or set `--root`")),
        }
    }
}

/// Takes a word that must be text.
pub(super) fn text(flag: &str, word: &OsStr) -> Result<String, Failure> {
    word.to_str().map(str::to_owned).ok_or_else(|| {
        let word = people::os(word);
        Failure::usage(format!("`{word}` of `{flag}` is not UTF-8"))
            .hint("paths may hold any bytes, patterns and names may not")
    })
}

fn quote_magic(name: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(name.len());
    for byte in name {
        if is_magic(*byte) {
            quoted.extend([b'[', *byte, b']']);
        } else {
            quoted.push(*byte);
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Root {
        Root {
            path: "/no/such/project".into(),
            dir: RelPath::new("sub[1]").unwrap(),
        }
    }

    #[test]
    fn patterns_are_relative_to_the_root_and_folders_in_them_are_plain() {
        let glob = |word: &str| root().input(OsStr::new(word)).unwrap();
        let pattern = |pattern: &str| InputRequest::Glob {
            pattern: pattern.to_owned(),
        };
        assert_eq!(glob("*.c"), pattern("sub[[]1]/*.c"));
        assert_eq!(glob("../src/**/*.c"), pattern("src/**/*.c"));
        assert!(root().input(OsStr::new("../../*.c")).is_err());
    }

    #[test]
    fn a_trailing_slash_is_a_folder_and_a_pattern_of_outputs_needs_no_file() {
        let outputs = root().outputs(&["out/".into(), "*.o".into(), "a".into()], "-o", false);
        let kinds: Vec<_> = outputs.unwrap().into_iter().map(|o| o.kind).collect();
        let place = |path: &str| Place::Inside(RelPath::new(path).unwrap());
        assert_eq!(
            kinds,
            [
                OutputKind::Dir(place("sub[1]/out")),
                OutputKind::Glob("sub[[]1]/*.o".to_owned()),
                OutputKind::Path(place("sub[1]/a")),
            ]
        );
    }

    #[test]
    fn rules_without_a_slash_hold_at_every_depth() {
        let rule = |word: &str| root().exclude(OsStr::new(word)).unwrap();
        assert_eq!(rule("*.log"), "**/*.log");
        assert_eq!(rule("cache/"), "**/cache/");
        assert_eq!(rule("./x/*.log"), "sub[[]1]/x/*.log");
        assert_eq!(rule("../a/b/"), "a/b/");
    }
}
