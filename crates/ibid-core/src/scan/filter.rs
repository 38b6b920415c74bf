//! Which names inside a declared directory or pattern do not count.
//!
//! A filter is never part of a key: the resolved set of files is. What is declared by its own
//! path is never filtered, only what lies in it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use super::ScanError;
use crate::fs::{FileKind, future_path, real_path};
use crate::tree::RelPath;

/// What to leave out of directories and patterns.
#[derive(Clone, Debug)]
pub struct Filter {
    litter: bool,
    /// The patterns of the two sets.
    excludes: Arc<[String]>,
    any: Arc<GlobSet>,
    dirs: Arc<GlobSet>,
    /// What the step writes itself.
    written: Arc<[RelPath]>,
    /// Where the step writes: directories on the way there exist for its sake.
    outputs: Arc<[RelPath]>,
    own: Option<Arc<OwnFolder>>,
}

/// A folder of ibid's own. Whether it lies below the root, perhaps by way of links, is found out
/// when the first directory is listed, because most steps list none.
#[derive(Debug)]
struct OwnFolder {
    path: PathBuf,
    root: PathBuf,
    real: OnceLock<PathBuf>,
    below: OnceLock<Option<RelPath>>,
}

impl OwnFolder {
    fn is(&self, from_root: &RelPath) -> bool {
        self.below() == Some(from_root)
    }

    fn real(&self) -> &Path {
        self.real.get_or_init(|| future_path(&self.path))
    }

    fn below(&self) -> Option<&RelPath> {
        let below = self.below.get_or_init(|| {
            let below = self.real().strip_prefix(&self.root).ok()?;
            let below = RelPath::new(below.as_os_str().as_bytes()).ok()?;
            (!below.is_root()).then_some(below)
        });
        below.as_ref()
    }
}

impl Filter {
    /// Leaves nothing out: for outputs.
    pub fn everything() -> Self {
        Self {
            litter: false,
            excludes: Arc::default(),
            any: Arc::default(),
            dirs: Arc::default(),
            written: Arc::default(),
            outputs: Arc::default(),
            own: None,
        }
    }

    /// Leaves out what versioning, Python and desktops strew about (`.git/`, `.ibid/`,
    /// `__pycache__/`, `*.pyc`, `.DS_Store`), and what matches `excludes`: patterns relative to
    /// the root; one that ends in `/` matches directories only. A directory is left out with
    /// everything in it.
    pub fn inputs(excludes: &[String]) -> Result<Self, ScanError> {
        let mut any = GlobSetBuilder::new();
        let mut dirs = GlobSetBuilder::new();
        for pattern in excludes {
            let (glob, dir_only) = compile(pattern)?;
            if dir_only {
                dirs.add(glob);
            } else {
                any.add(glob);
            }
        }
        let build = |set: GlobSetBuilder| {
            set.build()
                .map(Arc::new)
                .map_err(|error| ScanError::BadPattern {
                    pattern: excludes.join(" "),
                    reason: error.kind().to_string(),
                })
        };
        Ok(Self {
            litter: true,
            excludes: excludes.into(),
            any: build(any)?,
            dirs: build(dirs)?,
            written: Arc::default(),
            outputs: Arc::default(),
            own: None,
        })
    }

    /// Leaves out what the step itself writes, `written`, and directories that hold nothing but
    /// the way there or to one of `folders`: they are made for the command, before it runs or by
    /// itself, and would change the directory that they lie in. All are relative to the root.
    #[must_use]
    pub fn beside_outputs(self, written: Vec<RelPath>, folders: Vec<RelPath>) -> Self {
        let outputs = written.iter().cloned().chain(folders).collect();
        Self {
            written: written.into(),
            outputs,
            ..self
        }
    }

    /// Leaves out a folder of ibid's own, too, should it lie below `root`.
    #[must_use]
    pub fn without(self, own: &Path, root: &Path) -> Self {
        let own = OwnFolder {
            path: own.to_owned(),
            root: root.to_owned(),
            real: OnceLock::new(),
            below: OnceLock::new(),
        };
        Self {
            own: Some(Arc::new(own)),
            ..self
        }
    }

    /// Returns what tells this filter from every other that leaves out something else, for paths
    /// relative to one root.
    pub(super) fn identity(&self) -> Vec<u8> {
        let Self {
            litter,
            excludes,
            any: _,
            dirs: _,
            written,
            outputs,
            own,
        } = self;
        let mut bytes = vec![u8::from(*litter)];
        let mut add = |part: &[u8]| {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        };
        for part in [written, outputs] {
            add(&part.len().to_le_bytes());
            part.iter().for_each(|path| add(path.as_bytes()));
        }
        add(own
            .as_ref()
            .and_then(|own| own.below())
            .map_or(b"", |own| own.as_bytes()));
        // Of folders outside of the root it is asked for by its own path.
        let outside = own.as_ref().filter(|own| own.below().is_none());
        add(outside.map_or(b"", |own| own.real().as_os_str().as_bytes()));
        excludes.iter().for_each(|pattern| add(pattern.as_bytes()));
        bytes
    }

    /// Says whether there are outputs to stand beside.
    pub(super) fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// Says whether a directory lies on the way to an output.
    pub(super) fn leads_to_output(&self, from_root: &RelPath) -> bool {
        let leads = |output: &RelPath| output.strip_prefix(from_root).is_some();
        self.outputs.iter().any(leads)
    }

    /// Says whether the path of an entry of this kind may matter, and not only its name.
    pub(super) fn asks_for_paths(&self, kind: FileKind) -> bool {
        let of_dirs = !self.dirs.is_empty() || self.own.is_some();
        !self.written.is_empty() || !self.any.is_empty() || (kind == FileKind::Dir && of_dirs)
    }

    /// Says whether what lies in `dir`, which is outside of the root, is ibid's own folder. Links may
    /// lead to `dir`.
    pub(super) fn is_own(&self, dir: &Path, name: &[u8]) -> bool {
        let Some(own) = &self.own else {
            return false;
        };
        let real = own.real();
        let is_around = || {
            let around = real.parent();
            around == Some(dir) || around == real_path(dir).ok().as_deref()
        };
        real.file_name().is_some_and(|own| own.as_bytes() == name) && is_around()
    }

    /// Says whether an entry called `name` is left out; `from_root` is its path relative to the
    /// root, if it lies there.
    pub fn skips(&self, name: &[u8], from_root: Option<&RelPath>, kind: FileKind) -> bool {
        let is_dir = kind == FileKind::Dir;
        if self.litter && is_litter(name, is_dir) {
            return true;
        }
        from_root.is_some_and(|path| {
            self.written.contains(path)
                || (is_dir && self.own.as_ref().is_some_and(|own| own.is(path)))
                || (!self.any.is_empty() && self.any.is_match(path.as_path()))
                || (is_dir && !self.dirs.is_empty() && self.dirs.is_match(path.as_path()))
        })
    }

    /// Says whether `path`, below the directory `dir`, or a directory on the way to it is left
    /// out; `kind` looks at what stands there, a link as such, as a listing does.
    pub fn skips_below(
        &self,
        path: &Path,
        dir: &Path,
        root: &Path,
        kind: &dyn Fn(&Path) -> Option<FileKind>,
    ) -> bool {
        let Ok(below) = path.strip_prefix(dir) else {
            return false;
        };
        let mut here = dir.to_owned();
        below.iter().any(|name| {
            here.push(name);
            let kind = kind(&here).unwrap_or(FileKind::File);
            let from_root = here.strip_prefix(root).ok();
            let from_root = from_root.and_then(|it| RelPath::new(it.as_os_str().as_bytes()).ok());
            self.skips(name.as_bytes(), from_root.as_ref(), kind)
        })
    }
}

fn is_litter(name: &[u8], is_dir: bool) -> bool {
    match name {
        b".git" | b".ibid" | b"__pycache__" => is_dir,
        b".DS_Store" => true,
        name => !is_dir && name.ends_with(b".pyc"),
    }
}

/// A pattern of paths relative to the root: `*` and `?` stop at `/`, `**` does not, names that
/// begin with a dot match like others.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
    /// The directory that no wildcard comes before.
    prefix: RelPath,
    dir_only: bool,
    /// Whether the last component is `**`, so that directories are entered and not matched.
    enters: bool,
    /// The number of components, if it is fixed.
    depth: Option<usize>,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, ScanError> {
        let (glob, dir_only) = compile(text)?;
        let clean = clean(text);
        let is_literal = |name: &&str| !name.contains(['*', '?', '[', '{', '\\']);
        let names: Vec<&str> = clean.split('/').collect();
        let literal = names.iter().copied().take_while(is_literal).count();
        let prefix = names[..literal.min(names.len() - 1)].join("/");
        let prefix = RelPath::new(prefix).map_err(|_| bad(text, "it has no clean prefix"))?;
        let fixed = !clean.contains("**") && !clean.contains('{');
        Ok(Self {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
            prefix,
            dir_only,
            enters: names.last() == Some(&"**"),
            depth: fixed.then_some(names.len()),
        })
    }

    /// Returns the pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether a path of this kind matches. A directory that matches stands for everything
    /// in it; under a pattern that ends in `**` what lies in it is matched instead.
    pub fn matches(&self, path: &RelPath, kind: FileKind) -> bool {
        match kind {
            FileKind::Dir if self.enters => false,
            FileKind::Dir => self.matcher.is_match(path.as_path()),
            _ => !self.dir_only && self.matcher.is_match(path.as_path()),
        }
    }

    /// Returns the directory below which all matches lie.
    pub fn prefix(&self) -> &RelPath {
        &self.prefix
    }

    /// Says whether something below a directory at `path` may match.
    pub fn may_match_below(&self, path: &RelPath) -> bool {
        self.depth
            .is_none_or(|depth| path.components().count() < depth)
    }
}

fn bad(pattern: &str, reason: &str) -> ScanError {
    ScanError::BadPattern {
        pattern: pattern.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Drops what does not change the meaning: `./`, doubled and trailing slashes.
fn clean(pattern: &str) -> String {
    let names = pattern.split('/').filter(|name| !matches!(*name, "" | "."));
    names.collect::<Vec<_>>().join("/")
}

/// Bytes of the longest path that the system takes.
const LONGEST: usize = 4096;

/// Longer patterns may be too much to compile.
const LONG: usize = 256;

/// Compiles a pattern, and says whether it is one of directories only.
fn compile(pattern: &str) -> Result<(globset::Glob, bool), ScanError> {
    if pattern.starts_with('/') {
        return Err(bad(pattern, "it is absolute"));
    }
    let clean = clean(pattern);
    if clean.is_empty() {
        return Err(bad(pattern, "it is empty"));
    }
    if clean.split('/').any(|name| name == "..") {
        return Err(bad(pattern, "it holds `..`"));
    }
    if clean.len() > LONGEST {
        return Err(bad("…", "it is longer than any path"));
    }
    let wrong = |error: globset::Error| bad(pattern, &error.kind().to_string());
    let glob = GlobBuilder::new(&clean)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(wrong)?;
    // Compiling one alone panics where a whole set says no.
    let mut trial = globset::GlobSetBuilder::new();
    trial.add(glob.clone());
    if clean.len() > LONG {
        trial.build().map_err(wrong)?;
    }
    Ok((glob, pattern.ends_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &[u8]) -> bool {
        let path = RelPath::new(path).unwrap();
        Pattern::new(pattern)
            .unwrap()
            .matches(&path, FileKind::File)
    }

    #[test]
    fn a_pattern_that_is_too_much_is_an_error_and_no_panic() {
        for pattern in ["*".repeat(100_000), "{a,b}".repeat(800), "*".repeat(4000)] {
            let _ = Pattern::new(&pattern);
        }
        assert!(Pattern::new(&"*".repeat(100_000)).is_err());
    }

    #[test]
    fn one_star_stops_at_slashes_and_two_do_not() {
        assert!(matches("data/*.csv", b"data/a.csv"));
        assert!(matches("./data//*.csv", b"data/a.csv"));
        assert!(!matches("data/*.csv", b"data/x/a.csv"));
        assert!(matches("data/**/*.csv", b"data/a.csv"));
        assert!(matches("data/**/*.csv", b"data/x/y/a.csv"));
        assert!(matches("data/**", b"data/x/y/a.csv"));
        assert!(!matches("data/?", b"data/x/y"));
    }

    #[test]
    fn dotfiles_and_raw_bytes_match_like_others() {
        assert!(matches("*", b".hidden"));
        assert!(matches("*.csv", b"\xff\xfe.csv"));
        assert!(matches("a?", b"a\xff"));
    }

    #[test]
    fn patterns_that_could_leave_the_root_are_refused() {
        for pattern in ["/etc/*", "../*", "a/../../*", "", ".", "a/[", "{a"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_prefix_is_what_comes_before_the_first_wildcard() {
        for (pattern, prefix) in [
            ("a/b/*.csv", "a/b"),
            ("a/b", "a"),
            ("*", ""),
            ("a/{b,c}/d", "a"),
            ("a/**", "a"),
        ] {
            let expected = RelPath::new(prefix).unwrap();
            assert_eq!(Pattern::new(pattern).unwrap().prefix, expected, "{pattern}");
        }
    }

    #[test]
    fn a_folder_of_our_own_is_known_behind_a_link() {
        let (dir, root) = (ibid_testkit::TempDir::new(), ibid_testkit::TempDir::new());
        crate::fs::create_dirs(&dir.join("data/cache"), None).unwrap();
        crate::fs::create_dirs(&dir.join("other/cache"), None).unwrap();
        std::os::unix::fs::symlink("data", dir.join("link")).unwrap();
        let filter = Filter::inputs(&[]).unwrap();
        let filter = filter.without(&dir.join("link/cache"), root.path());
        let is_own = |at: &str, name: &str| filter.is_own(&dir.join(at), name.as_bytes());
        assert!(is_own("data", "cache") && is_own("link", "cache"));
        assert!(!is_own("other", "cache") && !is_own("link", "data"));
    }

    #[test]
    fn litter_and_excludes_are_left_out_by_kind() {
        let filter = Filter::inputs(&["tmp/*.bak".to_owned(), "cache/".to_owned()]).unwrap();
        let skips = |path: &str, kind| {
            let path = RelPath::new(path).unwrap();
            filter.skips(path.name().unwrap(), Some(&path), kind)
        };
        assert!(skips("a/.git", FileKind::Dir));
        assert!(!skips("a/.git", FileKind::File));
        assert!(skips("a/x.pyc", FileKind::File));
        assert!(skips("tmp/x.bak", FileKind::File));
        assert!(!skips("tmp/y/x.bak", FileKind::File));
        assert!(skips("cache", FileKind::Dir));
        assert!(!skips("cache", FileKind::File));
        assert!(!Filter::everything().skips(b".git", None, FileKind::Dir));
    }
}
