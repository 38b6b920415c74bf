//! Laws of scanning, on real files: what is the same content, what is another, what is noticed.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make their own files and read the clock"
)]

mod contents;
mod detours;
mod drifts;
mod known;
mod trees;

use std::path::{Path, PathBuf};

use ibid_testkit::{TempDir, until_settled};

use super::*;
use crate::digest::TreeId;
use crate::fs::{Host, Meter, Signature, Timestamp};
use crate::tree::{Content, Tree};

fn wall() -> Timestamp {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap(),
        nanos: now.subsec_nanos(),
    }
}

fn host() -> Host {
    Host {
        name: "here".to_owned(),
        boot_id: "boot".to_owned(),
        machine_id: "machine".to_owned(),
    }
}

fn stats_at(dir: &Path, host: Host) -> StatCache {
    StatCache::open(StatCacheOptions {
        dir: Some(dir.to_owned()),
        probe_dirs: Vec::new(),
        policy: StatPolicy::Safe,
        writes: StatWrites::Allowed,
        host,
        clock: wall,
    })
}

/// A directory with a `root` and a stat cache beside it.
struct Bench {
    dir: TempDir,
    meter: Meter,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new();
        std::fs::create_dir(dir.join("root")).unwrap();
        Self {
            dir,
            meter: Meter::new(),
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    fn stats(&self) -> StatCache {
        stats_at(&self.dir.join("stats"), host())
    }

    fn put(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Scans with a stat cache that is opened anew, as another process would.
    fn with<T>(&self, look: impl FnOnce(&Scanner<'_>) -> T) -> T {
        let (root, stats) = (self.root(), self.stats());
        look(&Scanner::new(&root, &stats, &self.meter))
    }

    fn content(&self, path: &str) -> Result<Content, ScanError> {
        let filter = Filter::inputs(&[]).unwrap();
        let path = self.root().join(path);
        self.with(|scanner| scanner.content(&path, &filter).map(|found| found.content))
    }

    fn tree(&self, path: &str) -> TreeId {
        match self.content(path).unwrap() {
            Content::Tree(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn is_local(&self) -> bool {
        let system = crate::fs::FileSystem::of(self.dir.path()).unwrap();
        system.kind.is_stamped_here()
    }
}

/// Scans a directory, and reads the listing as everybody else does.
fn listed(scanner: &Scanner<'_>, path: &Path, filter: &Filter) -> Tree {
    let listing = scanner.tree(path, filter).unwrap().tree;
    let tree = Tree::decode(&listing.encode()).unwrap();
    assert_eq!(tree.id(), listing.id());
    tree
}

/// Sets both times of a file, as `touch -d` does.
fn set_time(path: &Path, seconds: i64) {
    set_stamp(path, Timestamp { seconds, nanos: 5 });
}

/// Sets both times of a file.
pub(super) fn set_stamp(path: &Path, stamp: Timestamp) {
    let stamp = rustix::fs::Timespec {
        tv_sec: stamp.seconds,
        tv_nsec: stamp.nanos.into(),
    };
    let times = rustix::fs::Timestamps {
        last_access: stamp,
        last_modification: stamp,
    };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
}
