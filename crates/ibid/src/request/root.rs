//! The root: the folder that paths are named from.

use std::path::{Path, PathBuf};

use ibid_core::fs::{FileKind, Signature};
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

/// Finds the root: as asked for, else the nearest folder with an `ibid.toml`, else `dir` itself.
pub(super) fn find(asked: Option<&Path>, dir: &Path) -> Result<Root, Failure> {
    let path = match asked {
        Some(asked) => above(asked, dir)?,
        None => dir
            .ancestors()
            .find(|folder| {
                Signature::of(&folder.join("ibid.toml"))
                    .is_ok_and(|found| found.kind() == FileKind::File)
            })
            .unwrap_or(dir),
    };
    let below = dir.strip_prefix(path).expect("the root is an ancestor");
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(below.as_os_str());
    Ok(Root {
        path: path.to_owned(),
        dir: RelPath::new(bytes).expect("the current folder is a clean path"),
    })
}

/// Returns the ancestor of `dir` that `asked` names, through whatever links.
fn above<'a>(asked: &Path, dir: &'a Path) -> Result<&'a Path, Failure> {
    let shown = people::path(asked);
    let wanted = Signature::of(&dir.join(asked)).map_err(|error| {
        Failure::usage(format!("cannot use the root `{shown}`")).because_of(Some(&error))
    })?;
    let same = |folder: &&Path| {
        Signature::of(folder)
            .is_ok_and(|found| (found.device, found.inode) == (wanted.device, wanted.inode))
    };
    dir.ancestors().find(same).ok_or_else(|| {
        Failure::usage(format!(
            "the current folder does not lie in the root `{shown}`"
        ))
        .hint("`--root` takes the current folder or one above it")
    })
}
