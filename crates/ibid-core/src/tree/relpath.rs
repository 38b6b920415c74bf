//! `RelPath`: a path below some root, in raw bytes.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A path relative to a root: bytes, `/` between components, no empty component, no `.`, no `..`,
/// no NUL. The empty path is the root itself. Ordered by raw bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(Vec<u8>);

/// Bytes that are not a path below a root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path below a directory", .0.escape_ascii())]
pub struct RelPathError(Vec<u8>);

impl RelPath {
    /// The root itself.
    pub const ROOT: Self = Self(Vec::new());

    /// Checks and wraps bytes that are clean already; nothing is normalised.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, RelPathError> {
        let bytes = bytes.into();
        let clean = bytes.is_empty() || bytes.split(|byte| *byte == b'/').all(is_name);
        if clean {
            Ok(Self(bytes))
        } else {
            Err(RelPathError(bytes))
        }
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path for the operating system; the root is the empty path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Says whether this is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the components.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
    }

    /// Returns the path without its last component; the root has none.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].to_vec()))
    }

    /// Says whether both lie in the same directory. The root lies in none.
    pub fn is_beside(&self, other: &Self) -> bool {
        let above = |path: &Self| path.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (ours, theirs) = (above(self), above(other));
        !self.is_root() && !other.is_root() && self.0[..ours] == other.0[..theirs]
    }

    /// Returns the last component; the root has none.
    pub fn name(&self) -> Option<&[u8]> {
        self.0
            .rsplit(|byte| *byte == b'/')
            .next()
            .filter(|name| !name.is_empty())
    }

    /// Appends a path.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self([&self.0, b"/".as_slice(), &below.0].concat()),
        }
    }

    /// Appends one component, which must not be `.`, `..`, empty, or hold `/` or NUL.
    pub fn child(&self, name: &[u8]) -> Result<Self, RelPathError> {
        if name.contains(&b'/') || !is_name(name) {
            return Err(RelPathError(name.to_vec()));
        }
        Ok(self.join(&Self(name.to_vec())))
    }

    /// Returns what follows `ancestor`, if this path is it or lies below it.
    pub fn strip_prefix(&self, ancestor: &Self) -> Option<Self> {
        if ancestor.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(ancestor.0.as_slice())? {
            [] => Some(Self::ROOT),
            [b'/', rest @ ..] => Some(Self(rest.to_vec())),
            _ => None,
        }
    }

    /// Returns this path below a directory of the file system.
    pub fn below(&self, directory: &Path) -> PathBuf {
        if self.is_root() {
            directory.to_owned()
        } else {
            directory.join(self.as_path())
        }
    }
}

/// Says whether `name` can be one component.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&0)
}

impl fmt::Display for RelPath {
    /// Escapes control characters and bytes that are not UTF-8; the root is `.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            f.write_str(".")
        } else {
            super::Escaped(&self.0).fmt(f)
        }
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lie_beside_each_other_exactly_where_their_parents_are_one() {
        let texts = ["", "a", "b", "a/b", "a/c", "ab/c", "a/b/c", "b/b"];
        let paths = texts.map(|text| RelPath::new(text).unwrap());
        for one in &paths {
            for other in &paths {
                let expected = one.parent().is_some() && one.parent() == other.parent();
                assert_eq!(one.is_beside(other), expected, "{one} {other}");
            }
        }
    }

    #[test]
    fn paths_that_could_leave_a_directory_are_refused() {
        for bad in [
            "/", "/a", "a/", "a//b", ".", "..", "a/..", "a/./b", "a\0b", "../a",
        ] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn prefixes_end_at_component_borders() {
        let path = |text: &str| RelPath::new(text).unwrap();
        assert_eq!(path("a/b").strip_prefix(&path("a")), Some(path("b")));
        assert_eq!(path("a").strip_prefix(&path("a")), Some(RelPath::ROOT));
        assert_eq!(path("ab").strip_prefix(&path("a")), None);
        assert_eq!(path("a").strip_prefix(&RelPath::ROOT), Some(path("a")));
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(RelPath::ROOT));
        assert_eq!(path("a/b").name(), Some(b"b".as_slice()));
    }

    #[test]
    fn control_and_raw_bytes_are_escaped_when_printed() {
        assert_eq!(
            RelPath::new(*b"a\x1b]0;x\xff\xc3\xa9").unwrap().to_string(),
            "a\\u{1b}]0;x\\xffé"
        );
    }
}
