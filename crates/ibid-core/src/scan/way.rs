//! What lies on the way to a path: the links, those on the ways that they lead included, and the
//! folders.
//!
//! Owns what of a way could be put in another place than it was. Whether it was is not for this to
//! say. Invariant: everything is shown once, as it is at the moment.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::fs::{FileKind, Links, Signature, look, read_link};

/// A way has no more links than this.
const MOST_LINKS: usize = 40;

/// Ways to paths that share most of what is on them.
#[derive(Debug, Default)]
pub struct Ways {
    shown: BTreeSet<PathBuf>,
}

impl Ways {
    /// Shows the links and folders on the way to a path that were not shown before, and the path
    /// itself where it is one, each with its own status.
    pub fn show(&mut self, path: &Path, show: &mut dyn FnMut(&Path, &Signature)) {
        self.walk(path, MOST_LINKS, show);
    }

    fn walk(&mut self, path: &Path, most: usize, show: &mut dyn FnMut(&Path, &Signature)) {
        for part in path.ancestors() {
            // What `..` leads to is on the way of what stands before it.
            if part.file_name().is_none() && part.parent().is_some() {
                continue;
            }
            if !self.shown.insert(part.to_owned()) {
                return;
            }
            let Ok(Some(now)) = look(part, Links::Keep) else {
                continue;
            };
            if matches!(now.kind(), FileKind::Link | FileKind::Dir) {
                show(part, &now);
            }
            if now.kind() == FileKind::Link
                && let (Ok(text), Some(above), Some(most)) =
                    (read_link(part), part.parent(), most.checked_sub(1))
            {
                self.walk(&above.join(OsStr::from_bytes(&text)), most, show);
            }
        }
    }
}
