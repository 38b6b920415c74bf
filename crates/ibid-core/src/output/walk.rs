//! What stands at an output, whole: every name below it, with its status, read through a handle.
//!
//! Outputs have no ignore list, links are not followed, and what is neither file, directory nor
//! link is named. The walk is iterative and limited in depth (hazard G7).

use std::collections::BTreeMap;
use std::path::PathBuf;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::digest::Digest;
use crate::fs::{Dir, FileKind, PathError, Signature};
use crate::tree::{MAX_TREE_DEPTH, RelPath};

/// From so many folders of one depth on, threads share them.
pub(super) const PARALLEL_DIRS: usize = 8;

/// Everything at an output, by the path below it; the output itself has the root path.
pub(super) type Standing = BTreeMap<RelPath, Stood>;

/// One thing that stands at or below an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stood {
    /// Its status.
    pub(super) signature: Signature,
    /// The text, if it is a link.
    pub(super) link: Option<Vec<u8>>,
    /// The digest, if it is a file whose status was found to tell it.
    pub(super) digest: Option<Digest>,
}

impl Stood {
    /// Makes it of a status and the text of a link.
    pub(super) fn new(signature: Signature, link: Option<Vec<u8>>) -> Self {
        Self {
            signature,
            link,
            digest: None,
        }
    }

    /// Returns what kind of thing it is.
    pub(super) fn kind(&self) -> FileKind {
        self.signature.kind()
    }
}

/// Lists `name` in `dir` and everything below it. Nothing there is an empty listing.
pub(super) fn walk(dir: &Dir, name: &RelPath) -> Result<Standing, PathError> {
    let Some(signature) = dir.status_if_any(name)? else {
        return Ok(Standing::new());
    };
    let kind = signature.kind();
    let link = (kind == FileKind::Link).then(|| dir.read_link(name));
    let link = link.transpose()?;
    // One map is made of all at the end: sorting costs less than as many insertions.
    let mut found = vec![(RelPath::ROOT, Stood::new(signature, link))];
    if kind != FileKind::Dir {
        return Ok(found.into_iter().collect());
    }
    let top = dir.dir(name)?;
    let mut level = vec![RelPath::ROOT];
    for depth in 1.. {
        let list = |path: &RelPath| list(&top, path, depth);
        let listed: Vec<Vec<(RelPath, Stood)>> = if level.len() < PARALLEL_DIRS {
            level.iter().map(list).collect::<Result<_, _>>()?
        } else {
            level.par_iter().map(list).collect::<Result<_, _>>()?
        };
        let dirs = listed.iter().flatten();
        let dirs = dirs.filter(|(_, stood)| stood.kind() == FileKind::Dir);
        level = dirs.map(|(path, _)| path.clone()).collect();
        found.extend(listed.into_iter().flatten());
        if level.is_empty() {
            break;
        }
    }
    Ok(found.into_iter().collect())
}

/// Lists one folder, whose entries lie `depth` below the output.
fn list(top: &Dir, path: &RelPath, depth: usize) -> Result<Vec<(RelPath, Stood)>, PathError> {
    let here = top.dir(path)?;
    let names = here.names()?;
    let listed = names.spans.iter().map(|span| {
        let name = span.name(&names.bytes);
        let signature = here.facts_here(name)?.signature;
        let name = RelPath::new(name).expect("a listed name is one component");
        let link = match signature.kind() {
            FileKind::Link => Some(here.read_link(&name)?),
            FileKind::Dir if depth >= MAX_TREE_DEPTH => {
                return Err(too_deep(here.path_of(&name)));
            }
            FileKind::Dir | FileKind::File | FileKind::Special => None,
        };
        Ok((path.join(&name), Stood::new(signature, link)))
    });
    let mut listed = listed.collect::<Result<Vec<_>, _>>()?;
    listed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(listed)
}

fn too_deep(path: PathBuf) -> PathError {
    PathError {
        operation: "list below 1024 directories",
        source: std::io::Error::from(rustix::io::Errno::NAMETOOLONG),
        path,
    }
}
