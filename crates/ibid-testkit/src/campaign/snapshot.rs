//! `Snapshot`: a folder as a value, to compare and to put back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// One name.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Item {
    Dir,
    Link(PathBuf),
    File {
        content: Vec<u8>,
        mode: u32,
    },
    /// A FIFO, a socket, a device.
    Other,
}

/// Everything at and below a path; nothing where the path is free.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot(pub(super) BTreeMap<PathBuf, Item>);

impl Snapshot {
    /// Reads what stands at `path`.
    pub(super) fn of(path: &Path) -> Self {
        let mut items = BTreeMap::new();
        add(path, Path::new(""), &mut items);
        Self(items)
    }

    /// Makes `path`, which is free, what it was.
    pub(super) fn put(&self, path: &Path) {
        for (below, item) in &self.0 {
            let at = if below.as_os_str().is_empty() {
                path.to_owned()
            } else {
                path.join(below)
            };
            match item {
                Item::Dir => fs::create_dir(&at).expect("the folder is free"),
                Item::Link(text) => symlink(text, &at).expect("the folder is free"),
                Item::File { content, mode } => {
                    fs::write(&at, content).expect("the folder is free");
                    let mode = fs::Permissions::from_mode(*mode);
                    fs::set_permissions(&at, mode).expect("the file is ours");
                }
                Item::Other => {}
            }
        }
    }

    /// Lists the paths of all files.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let is_file = |item: &Item| matches!(item, Item::File { .. });
        self.0
            .iter()
            .filter(move |(_, item)| is_file(item))
            .map(|(path, _)| path)
    }

    /// Names the first thing in which two differ.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let differs = |path: &&PathBuf| self.0.get(*path) != other.0.get(*path);
        let mut paths = self.0.keys().chain(other.0.keys());
        paths
            .find(differs)
            .map(|path| format!("`{}` differs", path.display()))
    }
}

fn add(path: &Path, below: &Path, items: &mut BTreeMap<PathBuf, Item>) {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    let kind = metadata.file_type();
    let item = if kind.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            add(&entry.path(), &below.join(entry.file_name()), items);
        }
        Item::Dir
    } else if kind.is_symlink() {
        Item::Link(fs::read_link(path).unwrap_or_default())
    } else if kind.is_file() {
        let content = fs::read(path).unwrap_or_default();
        let mode = metadata.permissions().mode() & 0o7777;
        Item::File { content, mode }
    } else {
        Item::Other
    };
    items.insert(below.to_owned(), item);
}

/// Removes what stands at a path, whatever it is. The command of a killed binary may still be
/// writing there, so a folder that fills up again is emptied again.
pub(super) fn remove(path: &Path) {
    const TURNS: usize = 200;
    for turn in 1..=TURNS {
        let removed = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(_) => return,
        };
        match removed {
            Ok(()) => return,
            Err(error) if turn == TURNS => panic!("{}: {error}", path.display()),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}
