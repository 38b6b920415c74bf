//! Whether two paths or patterns can name the same file, as far as their texts tell.
//!
//! A needless "perhaps" costs an edge, a missing one a stale result: so the answer is never
//! "no" where a file could be named by both.

use globset::{GlobBuilder, GlobMatcher};

use crate::tree::RelPath;

/// Whether two shapes share a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meets {
    No,
    /// It cannot be told.
    Perhaps,
    Yes,
}

/// A path or a pattern, component by component.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    parts: Vec<Part>,
    /// Whether everything below what it names belongs to it.
    open: bool,
    /// What every path that it names begins with.
    lead: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Part {
    Name(Vec<u8>),
    Glob(Box<Glob>),
    /// `**`.
    Any,
    /// Something that spans components in ways that are not worked out.
    Unclear,
}

#[derive(Clone, Debug)]
struct Glob {
    matcher: GlobMatcher,
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    /// Whether `*` is its only sign.
    stars_only: bool,
}

impl Shape {
    /// Takes a path. One that is open may be a directory.
    pub(super) fn of_path(path: &RelPath, open: bool) -> Self {
        Self {
            parts: path
                .components()
                .map(|name| Part::Name(name.to_vec()))
                .collect(),
            open,
            lead: path.as_bytes().to_vec(),
        }
    }

    /// Takes a pattern. An open one also names what lies in directories that match.
    pub(super) fn of_pattern(pattern: &str, open: bool) -> Self {
        let names: Vec<&str> = pattern.split('/').filter(|name| !name.is_empty()).collect();
        let lead = lead(&names.join("/")).to_vec();
        let mut parts: Vec<Part> = Vec::with_capacity(names.len() + 1);
        for name in names {
            parts.push(part(name));
            if matches!(parts.last(), Some(Part::Unclear)) {
                break;
            }
        }
        if matches!(parts.last(), Some(Part::Any)) {
            // At the end it stands for at least one component.
            parts.insert(parts.len() - 1, part("*"));
        }
        Self { parts, open, lead }
    }

    /// Returns what every path that it names begins with.
    pub(super) fn lead(&self) -> &[u8] {
        &self.lead
    }

    /// Says whether some path is named by both.
    pub(super) fn meets(&self, other: &Self) -> Meets {
        // `row[j]` is the answer for what is left of this one and, from `j` on, of the other one.
        let width = other.parts.len();
        let mut below: Vec<Meets> = Vec::new();
        for i in (0..=self.parts.len()).rev() {
            let mut row = vec![Meets::No; width + 1];
            for j in (0..=width).rev() {
                row[j] = match (self.parts.get(i), other.parts.get(j)) {
                    (None, None) => Meets::Yes,
                    (None, Some(_)) => ended(self.open, &other.parts[j..]),
                    (Some(_), None) => ended(other.open, &self.parts[i..]),
                    (Some(Part::Unclear), _) | (_, Some(Part::Unclear)) => Meets::Perhaps,
                    (Some(Part::Any), Some(Part::Any)) => {
                        below[j].max(row[j + 1]).max(below[j + 1])
                    }
                    (Some(Part::Any), _) | (_, Some(Part::Any)) => below[j].max(row[j + 1]),
                    (Some(one), Some(two)) => both(one, two).min(below[j + 1]),
                };
            }
            below = row;
        }
        below[0]
    }
}

/// Returns what every match of a pattern begins with.
pub(super) fn lead(pattern: &str) -> &[u8] {
    let bytes = pattern.as_bytes();
    let sign = bytes.iter().position(|byte| b"*?[{\\".contains(byte));
    &bytes[..sign.unwrap_or(bytes.len())]
}

/// Says whether something is left to share when one has ended and the other has not.
fn ended(open: bool, rest: &[Part]) -> Meets {
    if open || rest.iter().all(|part| matches!(part, Part::Any)) {
        Meets::Yes
    } else if matches!(rest, [Part::Unclear]) {
        Meets::Perhaps
    } else {
        Meets::No
    }
}

fn part(name: &str) -> Part {
    if name == "**" {
        return Part::Any;
    }
    let signs = |sign: &char| "*?[]{}\\".contains(*sign);
    if !name.contains(|letter| signs(&letter)) {
        return Part::Name(name.as_bytes().to_vec());
    }
    let mut builder = GlobBuilder::new(name);
    let Ok(glob) = builder
        .literal_separator(true)
        .backslash_escape(true)
        .build()
    else {
        // Half of an alternative that holds a slash.
        return Part::Unclear;
    };
    let first = name.find(|letter| signs(&letter)).unwrap_or_default();
    let last = name.rfind(|letter| signs(&letter)).unwrap_or_default();
    // What follows a backslash is part of the sign.
    let suffix = if name.contains('\\') {
        ""
    } else {
        &name[last + 1..]
    };
    Part::Glob(Box::new(Glob {
        matcher: glob.compile_matcher(),
        prefix: name.as_bytes()[..first].to_vec(),
        suffix: suffix.as_bytes().to_vec(),
        stars_only: !name.contains(['?', '[', ']', '{', '}', '\\']),
    }))
}

fn both(one: &Part, two: &Part) -> Meets {
    let told = |same| if same { Meets::Yes } else { Meets::No };
    match (one, two) {
        (Part::Name(one), Part::Name(two)) => told(one == two),
        (Part::Name(name), Part::Glob(glob)) | (Part::Glob(glob), Part::Name(name)) => {
            let name = RelPath::new(name.clone()).unwrap_or_default();
            told(glob.matcher.is_match(name.as_path()))
        }
        (Part::Glob(one), Part::Glob(two)) => {
            let prefixes =
                one.prefix.starts_with(&two.prefix) || two.prefix.starts_with(&one.prefix);
            let suffixes = one.suffix.ends_with(&two.suffix) || two.suffix.ends_with(&one.suffix);
            match prefixes && suffixes {
                false => Meets::No,
                true if one.stars_only && two.stars_only => Meets::Yes,
                true => Meets::Perhaps,
            }
        }
        _ => Meets::Perhaps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meets(one: &str, two: &str, open: bool) -> Meets {
        let shape = |text: &str, open| {
            if text.contains(['*', '?', '[', '{']) {
                Shape::of_pattern(text, open)
            } else {
                Shape::of_path(&RelPath::new(text).unwrap(), open)
            }
        };
        let answer = shape(one, open).meets(&shape(two, false));
        let other = shape(two, false).meets(&shape(one, open));
        assert_eq!(answer, other, "{one} and {two}");
        answer
    }

    #[test]
    fn patterns_meet_where_a_path_fits_both() {
        for (one, two, expected) in [
            ("a/*.csv", "a/x.csv", Meets::Yes),
            ("a/*.csv", "a/b/x.csv", Meets::No),
            ("a/**/*.csv", "a/x.csv", Meets::Yes),
            ("a/**", "a/b/c", Meets::Yes),
            ("a/**", "b/c", Meets::No),
            ("a/**", "a", Meets::No),
            ("**/*.c", "**/*.o", Meets::No),
            ("**/*.c", "a/**/x.*", Meets::Yes),
            ("x-*.csv", "*-a.csv", Meets::Yes),
            ("x-*", "y-*", Meets::No),
            ("x?.csv", "*.csv", Meets::Perhaps),
            ("{a,b}/x", "b/x", Meets::Yes),
            ("{a/x,b}", "a/x", Meets::Perhaps),
            ("a/b", "a/b", Meets::Yes),
            ("a/b", "a", Meets::No),
        ] {
            assert_eq!(meets(one, two, false), expected, "{one} and {two}");
        }
    }

    #[test]
    fn an_open_shape_holds_what_lies_below() {
        for (one, two, expected) in [
            ("a", "a/b/*.csv", Meets::Yes),
            ("a/*", "a/b/c", Meets::Yes),
            ("a/*.csv", "a/b/c", Meets::No),
            ("a/b", "a", Meets::No),
            ("a/b", "**/c", Meets::Yes),
            ("a", "ab/c", Meets::No),
        ] {
            assert_eq!(meets(one, two, true), expected, "{one} and {two}");
        }
    }
}
