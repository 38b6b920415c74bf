//! What is not ibid's to touch, with every stamp that a touch would move.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Names in a folder that a careless collection would take for blobs, keys and leftovers.
const TEMPTING: [&str; 9] = [
    "secret",
    "now",
    "collected",
    "generation",
    "store.json",
    ".ibid-2939d1a245dd4503-1-1-743bdfe9ba0d327036a7188ed10e1e94.tmp",
    "d2ebf8ab7c5017fb511ba0c8ca96526c",
    "ab/abababababababababababababababababababababababababababababababab",
    "blobs/ab/abababababababababababababababababababababababababababababababab",
];

/// Every path below a folder with its stamps.
#[derive(PartialEq, Eq)]
pub(super) struct Watched(BTreeMap<PathBuf, [i64; 8]>);

impl Watched {
    /// Looks at all paths below `dir` but those that `skip` names.
    pub(super) fn of(dir: &Path, skip: &[&str]) -> Self {
        let mut found = BTreeMap::new();
        // What is skipped comes and goes in the folder itself.
        if skip.is_empty() {
            found.insert(dir.to_owned(), stamps(dir));
        }
        add(dir, skip, &mut found);
        Self(found)
    }

    /// Says what was done to paths in which two looks differ.
    pub(super) fn difference(&self, later: &Self) -> Option<String> {
        let all: BTreeSet<_> = self.0.keys().chain(later.0.keys()).collect();
        let told = |path: &&PathBuf| {
            let what = match (self.0.get(*path), later.0.get(*path)) {
                (one, other) if one == other => return None,
                (Some(_), None) => "is gone",
                (None, Some(_)) => "was made",
                _ => "was changed",
            };
            Some(format!("`{}` {what}", path.display()))
        };
        let told: Vec<_> = all.iter().filter_map(told).take(4).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

fn add(dir: &Path, skip: &[&str], found: &mut BTreeMap<PathBuf, [i64; 8]>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if skip.iter().any(|skipped| name == **skipped) {
            continue;
        }
        let path = entry.path();
        found.insert(path.clone(), stamps(&path));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            add(&path, &[], found);
        }
    }
}

fn stamps(path: &Path) -> [i64; 8] {
    let Ok(found) = fs::symlink_metadata(path) else {
        return [0; 8];
    };
    [
        found.ino().cast_signed(),
        i64::from(found.mode()),
        i64::from(found.uid()),
        found.size().cast_signed(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ]
}

/// Makes the folder that nothing may be done to.
pub(super) fn make_canary(dir: &Path) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in TEMPTING {
        let path = dir.join(name);
        let above = path.parent().expect("it lies in the folder");
        fs::create_dir_all(above).expect("the folder is ours");
        fs::write(&path, "canary").expect("the folder is ours");
        let file = File::options().write(true).open(&path);
        let stamped = file.and_then(|file| file.set_modified(long_ago));
        stamped.expect("the file is ours");
    }
    symlink("secret", dir.join("link")).expect("the folder is ours");
}
