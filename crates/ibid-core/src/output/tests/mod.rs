//! A root with a store beside it, in which outputs are made, captured, compared and restored.

#![expect(
    clippy::disallowed_methods,
    reason = "tests build and read trees by plain calls"
)]

mod laws;
mod restoring;
mod runs;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use ibid_testkit::TempDir;

use super::*;
use crate::action::{OutputKind, OutputSpec, Storing};
use crate::digest::BlobId;
use crate::fs::{Meter, Timestamp};
use crate::scan::StatCache;
use crate::store::{LinkMode, LocalStore, StoreOptions, StoredOutput};
use crate::tree::{Place, RelPath};

/// What stands in a directory: a file's bytes and executable bit, a link's text, a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    File(Vec<u8>, bool),
    Link(Vec<u8>),
    Dir,
}

type Nodes = BTreeMap<PathBuf, Node>;

fn snapshot(dir: &Path) -> Nodes {
    let mut nodes = Nodes::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(dir.join(&below)).unwrap() {
            let entry = entry.unwrap();
            let path = below.join(entry.file_name());
            let meta = entry.metadata().unwrap();
            let node = if meta.is_symlink() {
                Node::Link(
                    fs::read_link(entry.path())
                        .unwrap()
                        .into_os_string()
                        .into_vec(),
                )
            } else if meta.is_dir() {
                open.push(path.clone());
                Node::Dir
            } else {
                Node::File(fs::read(entry.path()).unwrap(), meta.mode() & 0o111 != 0)
            };
            nodes.insert(path, node);
        }
    }
    nodes
}

fn build(dir: &Path, nodes: &Nodes) {
    for (path, node) in nodes {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match node {
            Node::File(bytes, executable) => {
                fs::write(&path, bytes).unwrap();
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            Node::Link(text) => symlink(OsStr::from_bytes(text), &path).unwrap(),
            Node::Dir => fs::create_dir_all(&path).unwrap(),
        }
    }
}

/// A root with a store beside it.
struct Bench {
    store: LocalStore,
    storing: Storing,
    stats: StatCache,
    meter: Meter,
    /// Goes last: the stat cache is written when it is dropped.
    temp: TempDir,
}

impl Bench {
    fn new() -> Self {
        let temp = TempDir::new();
        fs::create_dir(temp.join("root")).unwrap();
        let store = LocalStore::open(&temp.join("store"), StoreOptions::default()).unwrap();
        Self {
            temp,
            store,
            storing: Storing::Content,
            stats: StatCache::off(),
            meter: Meter::new(),
        }
    }

    fn root(&self) -> PathBuf {
        self.temp.join("root")
    }

    fn at(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    fn digests(&self) -> Digests<'_> {
        Digests {
            stats: &self.stats,
            meter: &self.meter,
        }
    }

    fn specs(&self, names: &[&str]) -> Vec<OutputSpec> {
        let root = self.root();
        let spec = |name: &&str| {
            let optional = name.ends_with('?');
            let name = name.trim_end_matches('?');
            let keep = name.ends_with('!');
            let name = name.trim_end_matches('!');
            let place = Place::resolve(name.as_bytes(), &RelPath::ROOT, &root);
            let kind = if name.contains('*') {
                OutputKind::Glob(name.to_owned())
            } else if name.ends_with('/') {
                OutputKind::Dir(place)
            } else {
                OutputKind::Path(place)
            };
            OutputSpec {
                kind,
                optional,
                keep,
            }
        };
        names.iter().map(spec).collect()
    }

    /// Sets aside, runs `command`, captures and settles.
    fn run(&self, names: &[&str], command: impl FnOnce()) -> (Captured, Kept) {
        self.run_after(names, &MadeLinks::new(), command)
    }

    fn run_after(
        &self,
        names: &[&str],
        made: &MadeLinks,
        command: impl FnOnce(),
    ) -> (Captured, Kept) {
        let root = self.root();
        let specs = self.specs(names);
        let aside = set_aside(&specs, ground(&root, "run1"), made, &self.digests()).unwrap();
        command();
        let found = find(&aside).unwrap();
        let captured = found
            .capture(&aside, (&self.store, self.storing), &self.digests())
            .unwrap();
        (
            captured,
            aside.settle(
                &|blob, size| self.has(blob, size),
                Reading::Unknown,
                &self.digests(),
            ),
        )
    }

    fn captured(&self, names: &[&str], command: impl FnOnce()) -> Vec<StoredOutput> {
        match self.run(names, command).0 {
            Captured::Whole(capture) => capture.outputs,
            Captured::Unstable(paths) => panic!("unstable: {paths:?}"),
        }
    }

    fn has(&self, blob: BlobId, size: u64) -> bool {
        self.store.contains_verified(&blob, size).is_ok()
    }

    fn try_restore(
        &self,
        names: &[&str],
        outputs: &[StoredOutput],
        link_mode: LinkMode,
    ) -> Result<Restored, RestoreError> {
        let root = self.root();
        let restorer = Restorer {
            store: &self.store,
            digests: self.digests(),
            link_mode,
            ground: ground(&root, "run2"),
        };
        restorer.restore(&self.specs(names), outputs, &MadeLinks::new())
    }

    fn restore(&self, names: &[&str], outputs: &[StoredOutput]) -> Restored {
        self.try_restore(names, outputs, LinkMode::Reflink).unwrap()
    }

    fn inspect(&self, names: &[&str], outputs: &[StoredOutput]) -> InPlace {
        let specs = self.specs(names);
        let listing = |id: crate::digest::TreeId| {
            let bytes = self.store.read_blob(&id.listing(), 1 << 20).ok()?;
            crate::tree::Tree::decode(&bytes).ok()
        };
        let place = (self.root(), made_links(outputs));
        let place = (place.0.as_path(), &place.1);
        inspect(&specs, outputs, place, &self.digests(), &listing).unwrap()
    }

    /// Every file's bytes below `.ibid/replaced`.
    fn replaced(&self) -> Vec<Vec<u8>> {
        if !self.at(".ibid/replaced").exists() {
            return Vec::new();
        }
        let nodes = snapshot(&self.at(".ibid/replaced")).into_values();
        let files = nodes.filter_map(|node| match node {
            Node::File(bytes, _) => Some(bytes),
            _ => None,
        });
        files.collect()
    }

    fn assert_no_staging(&self) {
        let nodes = snapshot(&self.root());
        let left = nodes
            .keys()
            .find(|path| path.to_string_lossy().contains(".tmp"));
        assert_eq!(left, None);
    }
}

fn ground<'a>(root: &'a Path, id: &'a str) -> Ground<'a> {
    let now = Timestamp {
        seconds: 1_700_000_000,
        nanos: 0,
    };
    Ground {
        root,
        stamp: RunStamp { now, id },
        swept: None,
    }
}
