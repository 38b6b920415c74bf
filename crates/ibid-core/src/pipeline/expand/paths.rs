//! Declared paths to places and patterns, by the rules of the command line: the same words declare
//! the same action there and here.
//!
//! An input is a pattern unless a file of that very name is there; what lies on disk does not
//! matter for outputs, because it would make the key depend on leftovers. Patterns stay below the
//! root, inputs need not, outputs must.

use std::path::Path;

use super::command::{NamedWords, PathWord};
use super::scope::{FilledPath, Scope};
use crate::action::{InputRequest, OutputKind, OutputSpec};
use crate::fs::Signature;
use crate::mistake::Mistake;
use crate::pipeline::declared::{At, DeclaredPath, Located};
use crate::scan::{Pattern, at_every_depth, place_of, way_back, without_detours};
use crate::tree::{Escaped, Place, RelPath};

/// A file, or a pattern of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Place { place: Place, dir_only: bool },
    Pattern(String),
}

/// A declared input.
#[derive(Clone, Debug)]
pub(super) struct Input<'d> {
    pub(super) at: &'d At,
    pub(super) request: InputRequest,
    pub(super) words: NamedWords<'d>,
}

/// A declared output.
#[derive(Clone, Debug)]
pub(super) struct Output<'d> {
    pub(super) at: &'d At,
    pub(super) spec: OutputSpec,
    pub(super) words: NamedWords<'d>,
}

/// Bytes of the longest path that the system takes: a longer one names nothing, and following it
/// name by name takes for ever (hazard G5).
const LONGEST: usize = 4096;

/// Fills a path in.
fn path(scope: &mut Scope<'_>, text: &Located<String>) -> Result<FilledPath, Mistake> {
    let filled = scope.path(text)?;
    if filled.text.len() > LONGEST {
        let message = format!("the path is longer than {LONGEST} bytes");
        return Err(scope.sources.mistake(&text.at, message));
    }
    Ok(filled)
}

/// Reads a path that may be a pattern.
pub(super) fn named(
    scope: &mut Scope<'_>,
    text: &Located<String>,
    root: &Path,
) -> Result<(Named, String), Mistake> {
    let filled = path(scope, text)?;
    let place = place_of(filled.text.as_bytes(), &RelPath::ROOT, root);
    let named = if filled.magic && Signature::of_link(&place.on_disk(root)).is_err() {
        Named::Pattern(pattern(scope, text, &filled.pattern, root)?)
    } else {
        Named::Place {
            place,
            dir_only: filled.text.ends_with('/'),
        }
    };
    Ok((named, filled.text))
}

/// Reads a path that is no pattern.
pub(super) fn place(
    scope: &mut Scope<'_>,
    text: &Located<String>,
    root: &Path,
) -> Result<Place, Mistake> {
    let filled = path(scope, text)?;
    Ok(place_of(filled.text.as_bytes(), &RelPath::ROOT, root))
}

/// Reads an input.
pub(super) fn input<'d>(
    scope: &mut Scope<'_>,
    path: &'d DeclaredPath,
    root: &Path,
) -> Result<Input<'d>, Mistake> {
    let (named, text) = named(scope, &path.path, root)?;
    let way = way_back(text.as_bytes(), &RelPath::ROOT, root);
    let (request, word) = match named {
        Named::Pattern(_) if path.by_content => {
            let message = "a pattern cannot count by content only: name single files";
            return Err(scope.sources.mistake(&path.path.at, message));
        }
        Named::Pattern(pattern) => {
            let word = PathWord::Matches(pattern.clone());
            (InputRequest::Glob { pattern }, word)
        }
        Named::Place { place, .. } if path.by_content => {
            let spelling = spelled(&text);
            let word = PathWord::Word(spelling.clone());
            let request = InputRequest::ByContent {
                place,
                spelling,
                way,
            };
            (request, word)
        }
        Named::Place { place, dir_only } => {
            let word = PathWord::Word(spelled(&text));
            let request = InputRequest::Path {
                place,
                dir_only,
                way,
            };
            (request, word)
        }
    };
    Ok(Input {
        at: &path.path.at,
        request,
        words: NamedWords {
            name: path.name.as_deref(),
            words: vec![word],
        },
    })
}

/// Reads an output.
pub(super) fn output<'d>(
    scope: &mut Scope<'_>,
    path: &'d DeclaredPath,
    root: &Path,
) -> Result<Output<'d>, Mistake> {
    let at = &path.path.at;
    let filled = self::path(scope, &path.path)?;
    let (kind, word) = if filled.magic {
        let pattern = pattern(scope, &path.path, &filled.pattern, root)?;
        let word = PathWord::Unknown(pattern.clone());
        (OutputKind::Glob(pattern), word)
    } else {
        let place = place_of(filled.text.as_bytes(), &RelPath::ROOT, root);
        let word = PathWord::Word(spelled(&filled.text));
        if filled.text.ends_with('/') {
            (OutputKind::Dir(place), word)
        } else {
            (OutputKind::Path(place), word)
        }
    };
    if let Some(mut mistake) = dangerous(&kind).map(|what| scope.sources.mistake(at, what)) {
        mistake.hint = Some(
            "declare the files or the subfolder below the root that the command writes".to_owned(),
        );
        return Err(mistake);
    }
    Ok(Output {
        at,
        spec: OutputSpec {
            kind,
            optional: path.optional,
            keep: path.keep,
        },
        words: NamedWords {
            name: path.name.as_deref(),
            words: vec![word],
        },
    })
}

/// Says what is wrong with an output wherever it is declared.
fn dangerous(kind: &OutputKind) -> Option<String> {
    let names: Vec<&[u8]> = match kind {
        OutputKind::Path(place) | OutputKind::Dir(place) => match place {
            Place::Inside(path) if path.is_root() => {
                return Some("this output is the root".to_owned());
            }
            Place::Inside(path) => path.components().collect(),
            Place::Outside(_) => {
                return Some(format!("the output `{place}` does not lie below the root"));
            }
        },
        OutputKind::Glob(pattern) => pattern.split('/').map(str::as_bytes).collect(),
    };
    let mut folders = [".git", ".ibid"].into_iter();
    let folder = folders.find(|folder| names.contains(&folder.as_bytes()))?;
    Some(format!(
        "this output lies in `{folder}`, which is not for outputs"
    ))
}

/// Reads a rule of what inputs leave out.
pub(super) fn exclude(
    scope: &mut Scope<'_>,
    text: &Located<String>,
    root: &Path,
) -> Result<String, Mistake> {
    let filled = path(scope, text)?;
    let rule = filled.pattern;
    if let Some(pattern) = at_every_depth(&rule) {
        return checked(scope, text, pattern);
    }
    let mut pattern = pattern(scope, text, &rule, root)?;
    if rule.ends_with('/') {
        pattern.push('/');
    }
    Ok(pattern)
}

/// Makes a pattern of paths relative to the root.
fn pattern(
    scope: &Scope<'_>,
    text: &Located<String>,
    pattern: &str,
    root: &Path,
) -> Result<String, Mistake> {
    let plain = without_detours(pattern.as_bytes(), &RelPath::ROOT, root);
    match Place::resolve(&plain, &RelPath::ROOT, root) {
        Place::Inside(path) => {
            let pattern = String::from_utf8_lossy(path.as_bytes()).into_owned();
            checked(scope, text, pattern)
        }
        Place::Outside(_) => {
            let shown = Escaped(pattern.as_bytes());
            let message = format!("the pattern `{shown}` leaves the root");
            let mut mistake = scope.sources.mistake(&text.at, message);
            mistake.hint =
                Some("name files and folders outside the root without a pattern".to_owned());
            Err(mistake)
        }
    }
}

fn checked(scope: &Scope<'_>, text: &Located<String>, pattern: String) -> Result<String, Mistake> {
    match Pattern::new(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(scope.sources.mistake(&text.at, error.to_string())),
    }
}

/// Returns a path as a placeholder writes it: without the slash that says that it is a directory.
fn spelled(text: &str) -> Vec<u8> {
    let bare = text.trim_end_matches('/');
    let bare = if bare.is_empty() { text } else { bare };
    bare.as_bytes().to_vec()
}
