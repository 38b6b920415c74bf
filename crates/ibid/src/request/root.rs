//! The root that a command line asks for, and where the current folder lies below it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ibid_core::fs::Signature;
use ibid_core::tree::RelPath;

use crate::error::Failure;
use crate::report::people;

/// The root, and where below it the command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Absolute and without links.
    pub(super) path: PathBuf,
    /// The current folder below it.
    pub(super) dir: RelPath,
}

impl Root {
    /// Takes a root that is the folder `dir` or one above it.
    pub(super) fn above(root: &Path, dir: &Path) -> Self {
        let below = dir.strip_prefix(root).expect("the root is an ancestor");
        Self {
            path: root.to_owned(),
            dir: RelPath::new(below.as_os_str().as_bytes())
                .expect("the current folder is a clean path"),
        }
    }
}

/// Returns the ancestor of `dir` that `--root` names, through whatever links.
pub(crate) fn asked_root<'a>(asked: &Path, dir: &'a Path) -> Result<&'a Path, Failure> {
    let shown = people::path(asked);
    let wanted = Signature::of(&dir.join(asked)).map_err(|error| {
        Failure::usage(format!("cannot use the root `{shown}`"))
            .because_of(std::error::Error::source(&error))
            .hint("`--root` takes a folder that exists")
    })?;
    let same = |folder: &&Path| Signature::of(folder).is_ok_and(|found| found.is_inode_of(&wanted));
    dir.ancestors().find(same).ok_or_else(|| {
        Failure::usage(format!(
            "the current folder does not lie in the root `{shown}`"
        ))
        .hint("`--root` takes the current folder or one above it")
    })
}
