//! `Place`: where a declared path lies, seen from the root.
//!
//! Declared paths are cleaned lexically, never resolved on disk, so that the same declaration has
//! the same name on every machine. One that climbs out of the root is outside, and is named as it
//! was declared.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Escaped, RelPath};

/// A declared path, relative to the root where that is possible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Below the root, or the root itself.
    Inside(RelPath),
    /// Elsewhere: the cleaned path as declared, absolute or starting with `..` (from the root).
    Outside(Vec<u8>),
}

impl Place {
    /// Cleans `declared`, which is relative to `dir` below `root` unless it is absolute.
    /// `root` must be absolute and clean. A trailing slash is dropped. What holds a NUL names no
    /// file anywhere: it stays outside as it is, and opening it fails with its name.
    pub fn resolve(declared: &[u8], dir: &RelPath, root: &Path) -> Self {
        if declared.contains(&0) {
            return Self::Outside(declared.to_vec());
        }
        let absolute = declared.starts_with(b"/");
        let mut up = 0;
        let mut names: Vec<&[u8]> = if absolute {
            Vec::new()
        } else {
            dir.components().collect()
        };
        for name in declared.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => up += usize::from(names.pop().is_none() && !absolute),
                name => names.push(name),
            }
        }
        if absolute {
            return Self::from_absolute(&names, root);
        }
        if up == 0 {
            return Self::Inside(clean(&names));
        }
        // `../<name of the root>/x` comes back in.
        let root_names: Vec<&[u8]> = components(root);
        // Above `/` there is `/` again.
        let up = up.min(root_names.len());
        if let Some(below) = names.strip_prefix(&root_names[root_names.len() - up..]) {
            return Self::Inside(clean(below));
        }
        let climb = std::iter::repeat_n(b"..".as_slice(), up);
        Self::Outside(climb.chain(names).collect::<Vec<_>>().join(&b'/'))
    }

    fn from_absolute(names: &[&[u8]], root: &Path) -> Self {
        match names.strip_prefix(components(root).as_slice()) {
            Some(below) => Self::Inside(clean(below)),
            None => Self::Outside([b"/".as_slice(), &names.join(&b'/')].concat()),
        }
    }

    /// Returns the name under which the place is keyed: relative to the root where it is inside.
    pub fn key_name(&self) -> &[u8] {
        match self {
            Self::Inside(path) => path.as_bytes(),
            Self::Outside(path) => path,
        }
    }

    /// Returns the path on disk.
    pub fn on_disk(&self, root: &Path) -> PathBuf {
        match self {
            Self::Inside(path) => path.below(root),
            // Lexical cleaning is complete but for leading `..`, which the system resolves.
            Self::Outside(path) => root.join(OsStr::from_bytes(path)),
        }
    }

    /// Returns the path below the root, if it is there.
    pub fn inside(&self) -> Option<&RelPath> {
        match self {
            Self::Inside(path) => Some(path),
            Self::Outside(_) => None,
        }
    }

    /// Says whether the place is named by an absolute path, which no other machine may share.
    pub fn is_absolute(&self) -> bool {
        matches!(self, Self::Outside(path) if path.starts_with(b"/"))
    }

    /// Says whether this place is `other` or lies below it, as far as names tell: an absolute
    /// place and one relative to the root are only compared where the answer is the same for
    /// every root. Compare [`Place::on_disk`] where that is not enough.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Outside(ancestor)) if ancestor == b"/" => true,
            (Self::Inside(path), Self::Inside(ancestor)) => path.strip_prefix(ancestor).is_some(),
            (_, Self::Outside(ancestor)) if is_climb(ancestor) => match self {
                Self::Inside(_) => true,
                Self::Outside(path) => !self.is_absolute() && ups(path) <= ups(ancestor),
            },
            (Self::Outside(path), Self::Outside(ancestor)) => path
                .strip_prefix(ancestor.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/'),
            _ => false,
        }
    }
}

fn components(path: &Path) -> Vec<&[u8]> {
    path.as_os_str()
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .collect()
}

/// Counts the leading `..` of a cleaned path.
fn ups(path: &[u8]) -> usize {
    let names = path.split(|byte| *byte == b'/');
    names.take_while(|name| *name == b"..").count()
}

/// Says whether a cleaned path consists of `..` only.
fn is_climb(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').all(|name| name == b"..")
}

fn clean(names: &[&[u8]]) -> RelPath {
    RelPath::new(names.join(&b'/')).expect("NUL, `.`, `..` and empty components were dropped")
}

impl fmt::Display for Place {
    /// Escapes what a terminal would interpret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inside(path) => path.fmt(f),
            Self::Outside(path) => Escaped(path).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(declared: &str, dir: &str) -> String {
        let dir = RelPath::new(dir).unwrap();
        match Place::resolve(declared.as_bytes(), &dir, Path::new("/home/me/proj")) {
            Place::Inside(path) => format!("in {path}"),
            Place::Outside(path) => format!("out {}", String::from_utf8(path).unwrap()),
        }
    }

    #[test]
    fn spellings_of_one_place_are_one_name() {
        for spelling in [
            "src/a.c",
            "./src//a.c",
            "src/x/../a.c",
            "/home/me/proj/src/a.c",
        ] {
            assert_eq!(resolve(spelling, ""), "in src/a.c");
        }
        assert_eq!(resolve("a.c", "src"), "in src/a.c");
        assert_eq!(resolve("../src/a.c", "src"), "in src/a.c");
        assert_eq!(resolve("../proj/src/a.c", ""), "in src/a.c");
        assert_eq!(resolve("../../proj/a.c", "src"), "in a.c");
        assert_eq!(resolve("..", "src"), "in .");
    }

    #[test]
    fn places_outside_keep_the_declared_name() {
        assert_eq!(resolve("../x/a", ""), "out ../x/a");
        assert_eq!(resolve("../../x/a", "src"), "out ../x/a");
        assert_eq!(resolve("/data/./a", "src"), "out /data/a");
        assert_eq!(resolve("/home/me/project", ""), "out /home/me/project");
        assert_eq!(resolve("/..", ""), "out /");
        assert_eq!(resolve("..", ""), "out ..");
        assert_eq!(resolve("../proj2/a", ""), "out ../proj2/a");
    }

    #[test]
    fn climbing_above_the_file_system_ends_at_its_root() {
        assert_eq!(resolve("../../../../x", ""), "out ../../../x");
        assert_eq!(resolve("../../../../../home/me/proj/x", ""), "in x");
    }

    #[test]
    fn a_nul_makes_no_place_inside() {
        assert_eq!(resolve("a/../b\0c", ""), "out a/../b\0c");
    }

    #[test]
    fn containment_of_places() {
        let place = |text: &str| Place::resolve(text.as_bytes(), &RelPath::ROOT, Path::new("/r/p"));
        for (path, ancestor, expected) in [
            ("a/b", "a", true),
            ("ab", "a", false),
            ("a", "", true),
            ("a", "..", true),
            ("a", "/", true),
            ("../x", "..", true),
            ("../x", "../..", true),
            ("../..", "..", false),
            ("../x/y", "../x", true),
            ("../xy", "../x", false),
            ("/d/a", "/d", true),
            ("/d", "..", false),
            ("../x", "", false),
        ] {
            let (path, ancestor) = (place(path), place(ancestor));
            assert_eq!(path.is_within(&ancestor), expected, "{path} in {ancestor}");
        }
    }
}
