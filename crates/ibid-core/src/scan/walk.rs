//! Listing directories all the way down, on several threads where there is enough to do.
//!
//! Iterative, because nesting is the file system's choice and not ours (hazard G7). Names stay
//! raw bytes. Links are listed, never entered.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};

use super::memory::Memory;
use super::scanner::PARALLEL_FILES;
use super::stat_cache::Recalled;
use super::survey::{Files, Link, Member, Past, Row, Survey, Surveyed};
use super::{Filter, Layer, Pattern, ScanError, Scanner};
use crate::fs::{self, Dir, FileKind, FileSystem, Folder, Names, Signature, Span, name_at};
use crate::tree::{MAX_TREE_DEPTH, RelPath};

/// From this many entries in one directory on, they are looked at side by side.
pub(super) const PARALLEL_ENTRIES: usize = 1024;

/// A walk through everything below a directory.
struct Walk<'a> {
    scanner: &'a Scanner<'a>,
    top: Top<'a>,
    from_root: Option<RelPath>,
    filter: &'a Filter,
    files: Files,
    memory: Option<&'a Memory>,
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Top<'a> {
    /// At a path; links that lead there are followed.
    Path(&'a Path),
    /// At an open directory, below which nothing leads elsewhere.
    Open(&'a Dir),
}

impl<'a> Top<'a> {
    fn path(self) -> &'a Path {
        match self {
            Self::Path(path) => path,
            Self::Open(dir) => dir.path(),
        }
    }

    /// Opens the directory `below` the top, which has the path `here`.
    fn open<'h>(self, below: &RelPath, here: &'h Path) -> Result<Folder<'h>, ScanError> {
        Ok(match self {
            Self::Path(_) => Folder::open(here)?,
            Self::Open(dir) => Folder::beneath(dir, below, here)?,
        })
    }
}

/// What the walk has found on all threads.
#[derive(Default)]
struct Gathered {
    dirs: Mutex<Vec<Surveyed>>,
    failed: Mutex<Option<(RelPath, ScanError)>>,
}

impl Scanner<'_> {
    /// Looks at everything below `top` that `filter` lets through.
    pub(super) fn survey(
        &self,
        top: Top<'_>,
        filter: &Filter,
        files: Files,
    ) -> Result<Survey, ScanError> {
        let memory = match files {
            Files::Look => None,
            Files::Know | Files::Read => self.memory_of(top.path(), filter),
        };
        let walk = Walk {
            scanner: self,
            top,
            from_root: self.below_root(top.path()),
            filter,
            files,
            memory: memory.as_ref(),
        };
        let mut dirs = walk.all()?;
        dirs.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        let mut survey = Survey {
            id: memory.as_ref().and_then(|memory| memory.id_of(&dirs)),
            dirs,
            memory: None,
        };
        let found = survey.dirs.len();
        if let Some(root) = walk.from_root.as_ref().filter(|_| filter.has_outputs()) {
            drop_ways_to_outputs(&mut survey, root, filter);
        }
        if survey.dirs.len() == found {
            survey.memory = memory.map(Memory::without_folders);
        } else {
            // A folder that was dropped is not among the names that are left of the one above,
            // whose status does not tell when something comes into it.
            survey.id = None;
        }
        Ok(survey)
    }

    /// Lists the paths that match, relative to the root and sorted by raw bytes; perhaps none. A
    /// directory that goes meanwhile holds nothing: that the matches stay the same is looked at
    /// again where it counts.
    pub(super) fn matches(
        &self,
        pattern: &Pattern,
        filter: &Filter,
    ) -> Result<Vec<RelPath>, ScanError> {
        let mut found = Vec::new();
        let mut ahead = vec![pattern.prefix().clone()];
        while let Some(dir) = ahead.pop() {
            let listed = match self.list(&dir.below(self.root)) {
                Err(ScanError::Io(error)) if error.is_surely_absent() => continue,
                listed => listed?,
            };
            for (name, signature) in listed {
                let path = dir.child(&name).expect("the system lists plain names");
                let kind = signature.kind();
                if filter.skips(&name, Some(&path), kind) {
                    continue;
                }
                if pattern.matches(&path, kind) {
                    found.push(path);
                } else if kind == FileKind::Dir && pattern.may_match_below(&path) {
                    if path.components().count() >= MAX_TREE_DEPTH {
                        return Err(ScanError::TooDeep(path.below(self.root)));
                    }
                    ahead.push(path);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Returns `path` relative to the root, if it lies there by its name.
    pub(super) fn below_root(&self, path: &Path) -> Option<RelPath> {
        let below = path.strip_prefix(self.root).ok()?;
        RelPath::new(below.as_os_str().as_bytes()).ok()
    }
}

impl Walk<'_> {
    /// Visits all directories: on this thread until there is enough to do for others.
    fn all(&self) -> Result<Vec<Surveyed>, ScanError> {
        let mut ahead = vec![RelPath::ROOT];
        let (mut dirs, mut entries) = (Vec::new(), 0);
        while let Some(path) = ahead.pop() {
            let found = self.visit(&path)?;
            entries += found.rows.len();
            ahead.extend(inner(&found));
            dirs.push(found);
            if entries > PARALLEL_FILES && ahead.len() > 1 {
                break;
            }
        }
        if ahead.is_empty() {
            return Ok(dirs);
        }
        let gathered = Gathered {
            dirs: Mutex::new(dirs),
            failed: Mutex::default(),
        };
        rayon::scope(|scope| {
            for path in ahead {
                scope.spawn(|scope| self.visit_below(path, &gathered, scope));
            }
        });
        match into_inner(gathered.failed) {
            Some((_, error)) => Err(error),
            None => Ok(into_inner(gathered.dirs)),
        }
    }

    fn visit_below<'scope>(
        &'scope self,
        path: RelPath,
        gathered: &'scope Gathered,
        scope: &rayon::Scope<'scope>,
    ) {
        match self.visit(&path) {
            Ok(found) => {
                for path in inner(&found) {
                    scope.spawn(|scope| self.visit_below(path, gathered, scope));
                }
                lock(&gathered.dirs).push(found);
            }
            Err(error) => {
                // Which of several errors is told does not hang on who was faster.
                let mut failed = lock(&gathered.failed);
                if failed.as_ref().is_none_or(|(first, _)| path < *first) {
                    *failed = Some((path, error));
                }
            }
        }
    }

    /// Looks at the entries of one directory.
    fn visit(&self, path: &RelPath) -> Result<Surveyed, ScanError> {
        let here = path.below(self.top.path());
        let found = match self.scanner.layer {
            None => self.on_disk(path, &here)?,
            Some(layer) => {
                let (names, rows) = self.over(path, &here, layer)?;
                Surveyed::new(path, names, rows, Past::default())
            }
        };
        if path.components().count() + 1 >= MAX_TREE_DEPTH
            && let Some(inner) = inner(&found).next()
        {
            return Err(ScanError::TooDeep(inner.below(self.top.path())));
        }
        Ok(found)
    }

    fn on_disk(&self, path: &RelPath, here: &Path) -> Result<Surveyed, ScanError> {
        let folder = self.top.open(path, here)?;
        let (mut system, mut past) = (None, Past::default());
        if self.files != Files::Look {
            let signature = folder.signature()?;
            let stats = self.scanner.stats;
            system = stats.file_system(here, signature.device);
            if let (Some(memory), Some(system)) = (self.memory, &system) {
                let own = (&folder, &signature, system);
                let looker = (self.scanner, self.files);
                if let Some(found) = memory.look_through(looker, path, own) {
                    return found;
                }
                let settled = stats.settles_names(&signature, system);
                past.settled = settled.then_some((signature, *system));
            }
        }
        let Names { bytes, mut spans } = folder.names()?;
        spans.retain(|span| {
            let skips = |kind| self.skips(path, span.name(&bytes), kind);
            !span.kind.is_some_and(skips)
        });
        spans.sort_unstable_by(|left, right| left.name(&bytes).cmp(right.name(&bytes)));
        let visit = Visit {
            walk: self,
            path,
            folder: &folder,
            system,
            names: &bytes,
        };
        let rows = if spans.len() >= PARALLEL_ENTRIES {
            let rows = spans.par_iter().with_min_len(PARALLEL_ENTRIES / 8);
            rows.filter_map(|span| visit.row(span).transpose())
                .collect::<Result<_, _>>()?
        } else {
            let mut rows = Vec::with_capacity(spans.len());
            for span in &spans {
                rows.extend(visit.row(span)?);
            }
            rows
        };
        Ok(Surveyed::new(path, bytes, rows, past))
    }

    /// Looks at the entries of a directory that a layer has a say in.
    fn over(
        &self,
        path: &RelPath,
        here: &Path,
        layer: &Layer,
    ) -> Result<(Vec<u8>, Vec<Row>), ScanError> {
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        for (name, signature) in layer.list(here)? {
            let kind = signature.kind();
            if self.skips(path, &name, kind) {
                continue;
            }
            let full = fs::below(here, &name);
            let (signature, member) = match kind {
                FileKind::File if self.files == Files::Read => {
                    let file = self.scanner.examine(&full, signature)?;
                    (file.signature, Member::File(file.digest, file.proof))
                }
                FileKind::File => (signature, Member::Unread),
                FileKind::Dir => (signature, Member::Dir),
                FileKind::Link => (signature, link(fs::read_link(&full)?)),
                FileKind::Special => return Err(ScanError::Special(full)),
            };
            rows.push(Row {
                start: names.len(),
                length: u16::try_from(name.len()).expect("no file system has longer names"),
                signature,
                member,
            });
            names.extend_from_slice(&name);
        }
        Ok((names, rows))
    }

    /// Says whether the filter leaves an entry of the directory at `path` out.
    fn skips(&self, path: &RelPath, name: &[u8], kind: FileKind) -> bool {
        let from_root = self.from_root.as_ref();
        let from_root = from_root.filter(|_| self.filter.asks_for_paths(kind));
        let from_root = from_root.map(|root| {
            let child = root.join(path).child(name);
            child.expect("the system lists plain names")
        });
        self.filter.skips(name, from_root.as_ref(), kind)
            || (self.from_root.is_none() && kind == FileKind::Dir && self.is_own(path, name))
    }

    /// Says whether an entry is ibid's own folder, outside of the root. Outputs have none.
    fn is_own(&self, path: &RelPath, name: &[u8]) -> bool {
        match self.top {
            Top::Path(top) => self.filter.is_own(&path.below(top), name),
            Top::Open(_) => false,
        }
    }
}

/// A directory on the disk whose entries are looked at.
struct Visit<'a> {
    walk: &'a Walk<'a>,
    path: &'a RelPath,
    folder: &'a Folder<'a>,
    /// The file system of the directory, if that matters.
    system: Option<FileSystem>,
    names: &'a [u8],
}

impl Visit<'_> {
    /// Looks at one entry; `None` if it is gone or left out.
    fn row(&self, span: &Span) -> Result<Option<Row>, ScanError> {
        // What is recalled of a file saves a look where it is nothing, and a second look-up where
        // it is something.
        let of_file = self.system.as_ref();
        let of_file = of_file.filter(|_| span.kind == Some(FileKind::File));
        let recalled = of_file.map(|system| self.walk.scanner.stats.recall(span.inode, system));
        let found = match recalled {
            Some(None) if self.walk.files == Files::Read => {
                let entry = (self.folder, name_at(self.names, span.start));
                match self.walk.scanner.examine_unseen(entry)? {
                    None => self.look(span, None)?,
                    found => found,
                }
            }
            recalled => self.look(span, recalled.flatten().as_ref())?,
        };
        Ok(found.map(|(signature, member)| Row {
            start: span.start,
            length: span.length,
            signature,
            member,
        }))
    }

    fn look(
        &self,
        span: &Span,
        recalled: Option<&Recalled>,
    ) -> Result<Option<(Signature, Member)>, ScanError> {
        let name = name_at(self.names, span.start);
        let Some(signature) = self.folder.look(name)? else {
            return Ok(None);
        };
        let kind = signature.kind();
        if span.kind != Some(kind) && self.walk.skips(self.path, span.name(self.names), kind) {
            return Ok(None);
        }
        let member = match kind {
            FileKind::File => {
                let (entry, known) = ((self.folder, name), (self.system.as_ref(), recalled));
                let (scanner, files) = (self.walk.scanner, self.walk.files);
                return scanner.file_in(entry, signature, known, files).map(Some);
            }
            FileKind::Dir => Member::Dir,
            FileKind::Link => link(self.folder.read_link(name)?),
            FileKind::Special => return Err(ScanError::Special(self.folder.below(name))),
        };
        Ok(Some((signature, member)))
    }
}

fn link(text: Vec<u8>) -> Member {
    Member::Link(Box::new(Link { text, target: None }))
}

/// Returns the directories in a directory.
fn inner(found: &Surveyed) -> impl Iterator<Item = RelPath> {
    let dirs = found.rows.iter();
    dirs.filter(|row| matches!(row.member, Member::Dir))
        .map(|row| found.path_of(row))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The values are whole between two statements, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Drops directories that hold nothing but the way to an output. What lies in a directory comes
/// after it, so going backwards decides a directory when all in it is decided.
fn drop_ways_to_outputs(survey: &mut Survey, from_root: &RelPath, filter: &Filter) {
    for index in (1..survey.dirs.len()).rev() {
        let dir = &survey.dirs[index];
        if !dir.rows.is_empty() || !filter.leads_to_output(&from_root.join(&dir.path)) {
            continue;
        }
        let dir = survey.dirs.remove(index);
        let parent = dir.path.parent().expect("only the first is the root");
        let parent = survey.position(&parent).expect("a parent is surveyed");
        let parent = &mut survey.dirs[parent];
        let name = dir.path.name().expect("only the first is the root");
        let (names, rows) = (&parent.names, &mut parent.rows);
        rows.retain(|row| names[row.start..row.start + usize::from(row.length)] != *name);
    }
}
