//! Where a path that a user wrote leads, if the system follows it.
//!
//! A place is cleaned lexically, but the system goes back from where a link leads: with `a` a link
//! to `else/dir`, `a/../b` is `else/b`. What a command reads counts, so such a path is resolved on
//! disk as far as its last `..`; every other path stays as it was written.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::fs::real_path;
use crate::tree::{Place, RelPath};

/// Returns the place that `text` names for a command that runs in `dir` below `root`.
pub fn place_of(text: &[u8], dir: &RelPath, root: &Path) -> Place {
    Place::resolve(&without_detours(text, dir, root), dir, root)
}

/// Says whether a declared text is a pattern of paths, and no path.
pub fn is_pattern(text: &[u8]) -> bool {
    text.iter().copied().any(is_magic)
}

/// Says whether a character makes a path a pattern.
pub const fn is_magic(character: u8) -> bool {
    matches!(character, b'*' | b'?' | b'[' | b'{')
}

/// Returns the pattern that a rule without a slash stands for: it holds at every depth, as in
/// `.gitignore`. Any other rule is a pattern of paths itself.
pub fn at_every_depth(rule: &str) -> Option<String> {
    let name = rule.strip_suffix('/').unwrap_or(rule);
    let is_name = !name.is_empty() && !name.contains('/');
    is_name.then(|| format!("**/{rule}"))
}

/// Returns `text` as it is, unless it has a `..` behind a link: then the part up to there is
/// replaced by the absolute path to which it leads.
pub fn without_detours<'a>(text: &'a [u8], dir: &RelPath, root: &Path) -> Cow<'a, [u8]> {
    let Some(end) = last_way_back(text) else {
        return Cow::Borrowed(text);
    };
    let (way, rest) = text.split_at(end);
    let literal = dir.below(root).join(OsStr::from_bytes(way));
    let cleaned = Place::resolve(way, dir, root).on_disk(root);
    match (real_path(&literal), real_path(&cleaned)) {
        (Ok(real), cleaned) if cleaned.as_ref().ok() != Some(&real) => {
            Cow::Owned([real.as_os_str().as_bytes(), rest].concat())
        }
        _ => Cow::Borrowed(text),
    }
}

/// Returns the way of a path up to its last `..`, if it goes back from a name: what is on it is not on the
/// way to the place that it leads to.
pub fn way_back(text: &[u8], dir: &RelPath, root: &Path) -> Option<PathBuf> {
    let end = last_way_back(text)?;
    Some(dir.below(root).join(OsStr::from_bytes(&text[..end])))
}

/// Returns the end of the last `..` that goes back from a name.
fn last_way_back(text: &[u8]) -> Option<usize> {
    let (mut at, mut end, mut named) = (0, None, false);
    for name in text.split(|byte| *byte == b'/') {
        at += name.len();
        match name {
            b"" | b"." => {}
            b".." => end = named.then_some(at).or(end),
            _ => named = true,
        }
        at += 1;
    }
    end
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    #[test]
    fn a_way_back_is_followed_only_where_a_link_turns_it() {
        let temp = TempDir::new();
        let root = real_path(temp.path()).unwrap();
        std::fs::create_dir_all(root.join("else/dir")).unwrap();
        std::os::unix::fs::symlink("else/dir", root.join("a")).unwrap();
        for (text, place) in [
            ("a/../b", "else/b"),
            ("./a/../*.c", "else/*.c"),
            ("a/.././../x", "x"),
            ("else/../b", "b"),
            ("missing/../b", "b"),
            ("a/b", "a/b"),
            ("../x", "../x"),
        ] {
            let found = place_of(text.as_bytes(), &RelPath::ROOT, &root);
            assert_eq!(found.to_string(), place, "{text}");
        }
        let dir = RelPath::new("else").unwrap();
        assert_eq!(place_of(b"../a/../b", &dir, &root).to_string(), "else/b");
    }
}
