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

/// One thing on a way.
#[derive(Clone, Copy, Debug)]
pub enum OnTheWay<'a> {
    /// A link, and its own status.
    Link(&'a Signature),
    /// A folder, and the status of the one that it lies in, where there is one.
    Folder(&'a Signature, Option<&'a Signature>),
}

/// Ways to paths that share most of what is on them.
#[derive(Debug, Default)]
pub struct Ways {
    shown: BTreeSet<PathBuf>,
}

impl Ways {
    /// Shows what lies on the way to a path that was not shown before, and the path itself where it
    /// is a link or a folder.
    pub fn show(&mut self, path: &Path, show: &mut dyn FnMut(&Path, OnTheWay<'_>)) {
        self.walk(path, MOST_LINKS, show);
    }

    fn walk(&mut self, path: &Path, most: usize, show: &mut dyn FnMut(&Path, OnTheWay<'_>)) {
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
            if now.kind() == FileKind::Link {
                show(part, OnTheWay::Link(&now));
                if let (Ok(text), Some(above), Some(most)) =
                    (read_link(part), part.parent(), most.checked_sub(1))
                {
                    self.walk(&above.join(OsStr::from_bytes(&text)), most, show);
                }
            } else if now.kind() == FileKind::Dir {
                let above = part.parent().map(|above| look(above, Links::Follow));
                let above = above.and_then(|found| found.ok().flatten());
                show(part, OnTheWay::Folder(&now, above.as_ref()));
            }
        }
    }
}
