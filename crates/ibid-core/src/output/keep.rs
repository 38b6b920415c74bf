//! Moving things out of the way without losing them, and moving them back.
//!
//! What stands in the way is renamed into the run's folder below `.ibid/replaced/`, under the path
//! that it had; on another file system beside the output, under a name that says so. Nothing is
//! copied and nothing is removed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::strays::Swept;
use super::workspace::{RunStamp, replaced_dir};
use crate::fs::{Dir, PathError};
use crate::tree::{Place, RelPath};

/// Longest name that any file system takes.
const LONGEST_NAME: usize = 255;

/// The root of a workspace, and the run for which things are moved.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The root, absolute.
    pub root: &'a Path,
    /// The run.
    pub stamp: RunStamp<'a>,
    /// Which folders were looked through for what a killed process left, where many steps are run.
    pub swept: Option<&'a Swept>,
}

/// Keeps what is in the way.
#[derive(Debug)]
pub(super) struct Keep<'a> {
    ground: Ground<'a>,
    folder: Option<Arc<Dir>>,
}

/// One thing that is in the way.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    /// The directory in which it stands.
    pub(super) dir: Arc<Dir>,
    /// Its name there.
    pub(super) name: RelPath,
    /// The path under which it is kept.
    pub(super) mirror: RelPath,
    /// The output that it is or belongs to: beside that it is kept where the workspace lies on
    /// another file system. Below the output it would be taken for a part of it.
    pub(super) output: (Arc<Dir>, RelPath),
}

/// One thing that was moved away.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    /// Whether it had to stay beside the output.
    pub(super) is_beside: bool,
    /// Where it stood.
    pub(super) from: (Arc<Dir>, RelPath),
    /// Where it is.
    pub(super) to: (Arc<Dir>, RelPath),
}

impl<'a> Keep<'a> {
    pub(super) fn new(ground: Ground<'a>) -> Self {
        Self {
            ground,
            folder: None,
        }
    }

    /// Returns the root and the run.
    pub(super) fn ground(&self) -> Ground<'a> {
        self.ground
    }

    /// Returns the folder, if anything was put there.
    pub(super) fn folder(&self) -> Option<&Arc<Dir>> {
        self.folder.as_ref()
    }

    /// Moves a thing away, below the run's folder.
    pub(super) fn put_away(&mut self, thing: &Thing) -> Result<Moved, PathError> {
        let Thing {
            dir,
            name,
            mirror,
            output,
        } = thing;
        let folder = if let Some(folder) = &self.folder {
            Arc::clone(folder)
        } else {
            let made = Arc::new(replaced_dir(self.ground.root, &self.ground.stamp)?);
            Arc::clone(self.folder.insert(made))
        };
        if let Some(parent) = mirror.parent() {
            folder.create_dirs(&parent)?;
        }
        let from = (Arc::clone(dir), name.clone());
        match rename_to_free(dir, name, &folder, mirror) {
            Ok(to) => Ok(Moved {
                from,
                to: (folder, to),
                is_beside: false,
            }),
            Err(error) if error.source.raw_os_error() == Some(Errno::XDEV.raw_os_error()) => {
                let (parent, output) = output;
                let beside = beside(output, self.ground.stamp.id);
                let to = rename_to_free(dir, name, parent, &beside)?;
                Ok(Moved {
                    from,
                    to: (Arc::clone(parent), to),
                    is_beside: true,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Removes the run's folder, or the directories in it, where they are empty.
    pub(super) fn tidy(&self) {
        if let Some(folder) = &self.folder {
            remove_empty(folder, &RelPath::ROOT);
            // It stays if anything is in it.
            let (parent, name) = (folder.path().parent(), folder.path().file_name());
            if let (Some(parent), Some(name)) = (parent, name)
                && let Ok(parent) = Dir::open(parent)
            {
                use std::os::unix::ffi::OsStrExt as _;
                let name = RelPath::new(name.as_bytes()).expect("a file name is one component");
                let _ = parent.remove_dir(&name);
            }
        }
    }
}

impl Moved {
    /// Moves it back to where it stood, where nothing may stand.
    pub(super) fn put_back(&self) -> Result<(), PathError> {
        let (to_dir, to) = &self.to;
        let (from_dir, from) = &self.from;
        match to_dir.rename_new(to, from_dir, from) {
            // The directory was removed, or removed and made again.
            Err(error) if error.is_absent() => {
                let again = Dir::open_or_create(from_dir.path())?;
                to_dir.rename_new(to, &again, from)
            }
            done => done,
        }
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> PathBuf {
        self.to.0.path_of(&self.to.1)
    }
}

/// Renames to `wanted`, or to the first name after it that is free.
fn rename_to_free(
    dir: &Dir,
    name: &RelPath,
    folder: &Dir,
    wanted: &RelPath,
) -> Result<RelPath, PathError> {
    let mut to = wanted.clone();
    for count in 1.. {
        match dir.rename_new(name, folder, &to) {
            Err(error) if error.source.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
            renamed => return renamed.map(|()| to),
        }
        let mut bytes = wanted.as_bytes().to_vec();
        bytes.extend_from_slice(format!(".{count}").as_bytes());
        to = RelPath::new(bytes).expect("a longer last component");
    }
    unreachable!("some name is free")
}

/// Names a thing that stays beside the place where it stood.
fn beside(name: &RelPath, run: &str) -> RelPath {
    let suffix = format!(".ibid-replaced-{run}");
    let room = LONGEST_NAME.saturating_sub(suffix.len() + 8);
    let stem = &name.as_bytes()[..name.as_bytes().len().min(room)];
    let bytes = [b".", stem, suffix.as_bytes()].concat();
    RelPath::new(bytes).expect("one component stays one")
}

/// Returns the path under which something is kept that stood at `place`.
pub(super) fn mirror(place: &Place) -> RelPath {
    let path = match place {
        Place::Inside(path) => return path.clone(),
        Place::Outside(path) => path,
    };
    let names = path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty());
    names.fold(
        RelPath::new("outside").expect("one component"),
        |mirror, name| {
            let name = if name == b".." { b"__" } else { name };
            mirror.child(name).unwrap_or(mirror)
        },
    )
}

/// Removes a directory below `top` and those in it, as far as they are empty.
pub(super) fn remove_empty(top: &Dir, path: &RelPath) {
    let mut dirs = vec![path.clone()];
    let mut next = 0;
    while let Some(path) = dirs.get(next).cloned() {
        next += 1;
        let Ok(listed) = top.dir(&path).and_then(|dir| dir.list()) else {
            continue;
        };
        for listed in listed {
            if listed.kind == Some(crate::fs::FileKind::Dir) {
                dirs.extend(path.child(&listed.name));
            }
        }
    }
    for path in dirs.iter().rev().filter(|path| !path.is_root()) {
        let _ = top.remove_dir(path);
    }
}
