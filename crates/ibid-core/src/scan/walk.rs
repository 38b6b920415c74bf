//! Listing directories all the way down, without reading files.
//!
//! Iterative, because nesting is the file system's choice and not ours (hazard G7). Names stay
//! raw bytes. Links are listed, never entered.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::seen::Shape;
use super::{Filter, Pattern, ScanError, Scanner};
use crate::fs::{self, FileKind, Signature};
use crate::tree::{MAX_TREE_DEPTH, RelPath};

/// One entry below a directory.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    pub(super) path: RelPath,
    pub(super) shape: Shape,
    pub(super) signature: Signature,
}

impl Scanner<'_> {
    /// Lists everything below `dir` that `filter` lets through, sorted by raw bytes.
    pub(super) fn walk(&self, dir: &Path, filter: &Filter) -> Result<Vec<Walked>, ScanError> {
        let from_root = self.below_root(dir);
        let mut walked = Vec::new();
        let mut todo = vec![RelPath::ROOT];
        while let Some(inner) = todo.pop() {
            let here = inner.below(dir);
            for (name, signature) in self.list(&here)? {
                let path = inner.child(&name).expect("the system lists plain names");
                let kind = signature.kind();
                let seen_from_root = from_root.as_ref().map(|root| root.join(&path));
                if filter.skips(&name, seen_from_root.as_ref(), kind) {
                    continue;
                }
                let full = || path.below(dir);
                if kind == FileKind::Dir {
                    if path.components().count() >= MAX_TREE_DEPTH {
                        return Err(ScanError::TooDeep(full()));
                    }
                    todo.push(path.clone());
                }
                let shape = match kind {
                    FileKind::File => Shape::File {
                        executable: signature.is_executable(),
                    },
                    FileKind::Dir => Shape::Dir,
                    FileKind::Link => Shape::Link(fs::read_link(&full())?),
                    FileKind::Special => return Err(ScanError::Special(full())),
                };
                walked.push(Walked {
                    path,
                    shape,
                    signature,
                });
            }
        }
        walked.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        if let Some(root) = from_root.as_ref().filter(|_| filter.has_outputs()) {
            drop_ways_to_outputs(&mut walked, root, filter);
        }
        Ok(walked)
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
        let mut todo = vec![pattern.prefix().clone()];
        while let Some(dir) = todo.pop() {
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
                    todo.push(path);
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

/// Drops directories that hold nothing but the way to an output. What lies in a directory comes
/// after it, so going backwards decides a directory when all in it is decided.
fn drop_ways_to_outputs(walked: &mut Vec<Walked>, from_root: &RelPath, filter: &Filter) {
    let mut kept = Vec::with_capacity(walked.len());
    let mut filled: HashSet<RelPath> = HashSet::new();
    while let Some(entry) = walked.pop() {
        let is_empty = entry.shape == Shape::Dir && !filled.contains(&entry.path);
        if is_empty && filter.leads_to_output(&from_root.join(&entry.path)) {
            continue;
        }
        filled.extend(entry.path.parent());
        kept.push(entry);
    }
    kept.reverse();
    *walked = kept;
}
