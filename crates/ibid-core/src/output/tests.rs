//! Laws of outputs: capture and restore undo one another, nothing is lost, nothing leaves.

#![expect(
    clippy::disallowed_methods,
    reason = "tests build and read trees by plain calls"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ibid_testkit::TempDir;
use proptest::prelude::*;

use super::*;
use crate::action::{OutputKind, OutputSpec};
use crate::digest::BlobId;
use crate::fs::{Host, Meter, Timestamp, umask};
use crate::scan::{StatCache, StatCacheOptions, StatPolicy};
use crate::store::{LinkMode, LocalStore, OutputContent, StoreOptions, StoredOutput};
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
    temp: TempDir,
    store: LocalStore,
    stats: StatCache,
    meter: Meter,
}

impl Bench {
    fn new() -> Self {
        let temp = TempDir::new();
        fs::create_dir(temp.join("root")).unwrap();
        let store = LocalStore::open(&temp.join("store"), StoreOptions::default()).unwrap();
        Self {
            temp,
            store,
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
            let place = Place::resolve(name.as_bytes(), &RelPath::ROOT, &root);
            let kind = if name.contains('*') {
                OutputKind::Glob(name.to_owned())
            } else if name.ends_with('/') {
                OutputKind::Dir(place)
            } else {
                OutputKind::Path(place)
            };
            OutputSpec { kind, optional }
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
            .capture(&aside, Some(&self.store), &self.digests())
            .unwrap();
        (
            captured,
            aside.settle(&|blob, size| self.has(blob, size), &self.digests()),
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
        inspect(&specs, outputs, &self.root(), &self.digests(), &listing).unwrap()
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
    }
}

fn name() -> impl Strategy<Value = String> {
    // Few names, so that kinds meet; `a-` sorts between `a` and `a/`.
    prop::sample::select(vec!["a", "a-", "b", "c", "ü\n"]).prop_map(str::to_owned)
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => (prop::collection::vec(any::<u8>(), 0..40), any::<bool>())
            .prop_map(|(bytes, executable)| Node::File(bytes, executable)),
        1 => Just(Node::File(vec![7; 300_000], false)),
        1 => prop::sample::select(vec!["a", "../b", "/nowhere", "c/a"])
            .prop_map(|text| Node::Link(text.as_bytes().to_vec())),
        2 => Just(Node::Dir),
    ]
}

/// A random directory: nothing stands below a file or link.
fn nodes() -> impl Strategy<Value = Nodes> {
    let path = prop::collection::vec(name(), 1..4).prop_map(|names| names.iter().collect());
    prop::collection::vec((path, node()), 0..12).prop_map(|pairs| {
        let mut nodes = Nodes::new();
        for (path, node) in pairs {
            let path: PathBuf = path;
            let blocked = path
                .ancestors()
                .skip(1)
                .any(|above| nodes.get(above).is_some_and(|node| *node != Node::Dir));
            let covers = nodes.keys().any(|other| other.starts_with(&path));
            if !blocked && !covers {
                nodes.insert(path, node);
            }
        }
        nodes
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn restoring_what_was_captured_gives_the_same_tree(tree in nodes(), hard in any::<bool>()) {
        let bench = Bench::new();
        let outputs = bench.captured(&["out/"], || {
            fs::create_dir(bench.at("out")).unwrap();
            build(&bench.at("out"), &tree);
        });
        let before = snapshot(&bench.at("out"));
        fs::remove_dir_all(bench.at("out")).unwrap();
        let mode = if hard { LinkMode::Hard } else { LinkMode::Copy };
        bench.try_restore(&["out/"], &outputs, mode).unwrap();
        prop_assert_eq!(snapshot(&bench.at("out")), before.clone());
        prop_assert_eq!(bench.inspect(&["out/"], &outputs), InPlace::UpToDate);
        let root = bench.root();
        let restorer = Restorer {
            store: &bench.store,
            digests: bench.digests(),
            link_mode: mode,
            ground: ground(&root, "run2"),
        };
        let elsewhere = bench.temp.join("elsewhere");
        restorer.restore_to(&elsewhere, &outputs).unwrap();
        prop_assert_eq!(snapshot(&elsewhere.join("out")), before);
    }

    #[test]
    fn restoring_over_anything_gives_the_tree_and_loses_no_byte(
        tree in nodes(),
        standing in nodes(),
    ) {
        let bench = Bench::new();
        let outputs = bench.captured(&["out/"], || {
            fs::create_dir(bench.at("out")).unwrap();
            build(&bench.at("out"), &tree);
        });
        let wanted = snapshot(&bench.at("out"));
        fs::remove_dir_all(bench.at("out")).unwrap();
        fs::create_dir(bench.at("out")).unwrap();
        build(&bench.at("out"), &standing);
        let before = snapshot(&bench.at("out"));
        let same = bench.inspect(&["out/"], &outputs) == InPlace::UpToDate;
        prop_assert_eq!(same, before == wanted);
        let restored = bench.restore(&["out/"], &outputs);
        prop_assert_eq!(snapshot(&bench.at("out")), wanted);
        let kept = bench.replaced();
        for node in before.values() {
            if let Node::File(bytes, _) = node {
                let stored = bench.has(BlobId::of(bytes), bytes.len() as u64);
                prop_assert!(stored || kept.contains(bytes));
            }
        }
        prop_assert!(restored.replaced.count >= kept.len());
        prop_assert_eq!(bench.restore(&["out/"], &outputs), Restored::default());
        bench.assert_no_staging();
    }
}

#[test]
fn names_of_any_bytes_sparse_files_and_many_files_come_back() {
    let bench = Bench::new();
    let outputs = bench.captured(&["out/"], || {
        fs::create_dir_all(bench.at("out/deep")).unwrap();
        for byte in (1..=255_u8).filter(|byte| *byte != b'/' && *byte != b'.') {
            fs::write(bench.at("out").join(OsStr::from_bytes(&[byte])), [byte]).unwrap();
        }
        for count in 0..400 {
            fs::write(bench.at(&format!("out/deep/{count}")), count.to_string()).unwrap();
        }
        let sparse = fs::File::create(bench.at("out/sparse")).unwrap();
        sparse.write_all_at(b"x", 64 << 20).unwrap();
    });
    let before = snapshot(&bench.at("out"));
    fs::remove_dir_all(bench.at("out")).unwrap();
    assert_eq!(bench.restore(&["out/"], &outputs).files, 253 + 400 + 1);
    assert!(snapshot(&bench.at("out")) == before);
    let blocks = fs::metadata(bench.at("out/sparse")).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks");
    assert_eq!(bench.inspect(&["out/"], &outputs), InPlace::UpToDate);
}

#[test]
fn modes_are_those_of_the_umask_and_nothing_else() {
    let bench = Bench::new();
    let outputs = bench.captured(&["a", "b", "d/"], || {
        for (name, mode) in [("a", 0o4755), ("b", 0o660)] {
            fs::write(bench.at(name), "x").unwrap();
            fs::set_permissions(bench.at(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(bench.at("d")).unwrap();
        fs::set_permissions(bench.at("d"), fs::Permissions::from_mode(0o2700)).unwrap();
    });
    for name in ["a", "b"] {
        fs::remove_file(bench.at(name)).unwrap();
    }
    fs::remove_dir(bench.at("d")).unwrap();
    bench.restore(&["a", "b", "d/"], &outputs);
    for (name, mode) in [("a", 0o755), ("b", 0o644), ("d", 0o777)] {
        let found = fs::metadata(bench.at(name)).unwrap().mode() & 0o7777;
        assert_eq!(found, mode & !umask(), "{name}");
    }
}

#[test]
fn an_executable_bit_alone_is_put_right() {
    let bench = Bench::new();
    let outputs = bench.captured(&["a"], || fs::write(bench.at("a"), "x").unwrap());
    fs::set_permissions(bench.at("a"), fs::Permissions::from_mode(0o755)).unwrap();
    let difference = Difference {
        path: bench.at("a"),
        what: DifferenceKind::WrongMode,
    };
    assert_eq!(
        bench.inspect(&["a"], &outputs),
        InPlace::Differs(vec![difference])
    );
    assert_eq!(bench.restore(&["a"], &outputs).replaced, Kept::default());
    assert_eq!(bench.inspect(&["a"], &outputs), InPlace::UpToDate);
}

#[test]
fn every_difference_is_named_with_its_kind() {
    use DifferenceKind::{Edited, Missing, Stray, WrongKind};
    let bench = Bench::new();
    let names = ["out/", "maybe?", "*.csv"];
    let outputs = bench.captured(&names, || {
        for name in ["out/empty", "out/sub"] {
            fs::create_dir_all(bench.at(name)).unwrap();
        }
        for name in ["out/edited", "out/kind", "out/gone", "x.csv"] {
            fs::write(bench.at(name), "1").unwrap();
        }
        symlink("there", bench.at("out/link")).unwrap();
    });
    assert_eq!(bench.inspect(&names, &outputs), InPlace::UpToDate);
    fs::remove_dir(bench.at("out/empty")).unwrap();
    fs::write(bench.at("out/edited"), "2").unwrap();
    fs::remove_file(bench.at("out/kind")).unwrap();
    fs::create_dir(bench.at("out/kind")).unwrap();
    fs::remove_file(bench.at("out/gone")).unwrap();
    fs::remove_file(bench.at("out/link")).unwrap();
    symlink("elsewhere", bench.at("out/link")).unwrap();
    for stray in ["out/sub/stray", "maybe", "y.csv"] {
        fs::write(bench.at(stray), "s").unwrap();
    }
    let InPlace::Differs(mut found) = bench.inspect(&names, &outputs) else {
        panic!("it differs");
    };
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let found: Vec<_> = found
        .iter()
        .map(|it| {
            (
                it.path
                    .strip_prefix(bench.root())
                    .unwrap()
                    .to_str()
                    .unwrap(),
                it.what,
            )
        })
        .collect();
    let expected = [
        ("maybe", Stray),
        ("out/edited", Edited),
        ("out/empty", Missing),
        ("out/gone", Missing),
        ("out/kind", WrongKind),
        ("out/link", Edited),
        ("out/sub/stray", Stray),
        ("y.csv", Stray),
    ];
    assert_eq!(found, expected);
    bench.restore(&names, &outputs);
    assert_eq!(bench.inspect(&names, &outputs), InPlace::UpToDate);
    let mut kept = bench.replaced();
    kept.sort();
    assert_eq!(
        kept,
        [b"2".to_vec(), b"s".to_vec(), b"s".to_vec(), b"s".to_vec()]
    );
}

#[test]
fn a_failed_run_gives_the_earlier_outputs_back_and_keeps_the_partial_ones() {
    let bench = Bench::new();
    let names = ["out/", "one.txt", "*.csv"];
    fs::create_dir_all(bench.at("out/sub")).unwrap();
    for name in ["out/sub/old", "one.txt", "a.csv", "unrelated"] {
        fs::write(bench.at(name), "old").unwrap();
    }
    let before = snapshot(&bench.root());
    let root = bench.root();
    let specs = bench.specs(&names);
    let stamp = ground(&root, "run1");
    let aside = set_aside(&specs, stamp, &MadeLinks::new(), &bench.digests()).unwrap();
    assert_eq!(aside.moved(), 3);
    for gone in ["out", "one.txt", "a.csv"] {
        assert!(!bench.at(gone).exists());
    }
    fs::write(bench.at("one.txt"), "half").unwrap();
    fs::write(bench.at("b.csv"), "half").unwrap();
    let kept = aside.put_back().unwrap();
    assert_eq!(kept.count, 2);
    let folder = kept.folder.unwrap();
    assert_eq!(fs::read(folder.join("one.txt")).unwrap(), b"half");
    assert_eq!(fs::read(folder.join("b.csv")).unwrap(), b"half");
    fs::remove_dir_all(bench.at(".ibid")).unwrap();
    assert_eq!(snapshot(&bench.root()), before);
}

#[test]
fn after_a_success_only_what_the_store_lacks_is_kept() {
    let bench = Bench::new();
    bench.captured(&["out/"], || {
        fs::create_dir(bench.at("out")).unwrap();
        fs::write(bench.at("out/stored"), "stored").unwrap();
        symlink("stored", bench.at("out/link")).unwrap();
    });
    // Unchanged: everything is in the store, the listing too, so nothing needs to be kept.
    let make = || {
        fs::create_dir_all(bench.at("out")).unwrap();
        fs::write(bench.at("out/new"), "new").unwrap();
    };
    assert_eq!(bench.run(&["out/"], make).1, Kept::default());
    assert!(!bench.at(".ibid/replaced").join("x").exists());
    assert_eq!(bench.replaced(), Vec::<Vec<u8>>::new());
    fs::write(bench.at("out/mine"), "mine").unwrap();
    let kept = bench.run(&["out/"], make).1;
    assert_eq!(kept.count, 1);
    assert_eq!(
        fs::read(kept.folder.unwrap().join("out/mine")).unwrap(),
        b"mine"
    );
}

#[test]
fn directories_above_outputs_are_made_before_a_run() {
    let bench = Bench::new();
    bench.captured(&["deep/er/a.txt", "plots/png/*.png"], || {
        fs::write(bench.at("deep/er/a.txt"), "x").unwrap();
        fs::write(bench.at("plots/png/a.png"), "x").unwrap();
    });
}

#[test]
fn missing_wrong_and_special_outputs_are_all_named() {
    let bench = Bench::new();
    let specs = bench.specs(&["missing", "file/", "special", "*.csv", "maybe?", "*.png?"]);
    let root = bench.root();
    let stamp = ground(&root, "run1");
    let aside = set_aside(&specs, stamp, &MadeLinks::new(), &bench.digests()).unwrap();
    fs::write(bench.at("file"), "x").unwrap();
    fs::create_dir(bench.at("special")).unwrap();
    let fifo = bench.at("special/fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let Err(CaptureError::Outputs(problems)) = find(&aside) else {
        panic!("the outputs are wrong");
    };
    let expected = [
        OutputProblem::Missing(b"missing".to_vec()),
        OutputProblem::NotADirectory(b"file".to_vec()),
        OutputProblem::Special(fifo),
        OutputProblem::NoMatch(b"*.csv".to_vec()),
    ];
    assert_eq!(problems, expected);
}

#[test]
fn outputs_that_change_while_they_are_captured_are_unstable() {
    let bench = Bench::new();
    let root = bench.root();
    for change in ["edit", "remove", "add"] {
        let specs = bench.specs(&["out/"]);
        let stamp = ground(&root, change);
        let aside = set_aside(&specs, stamp, &MadeLinks::new(), &bench.digests()).unwrap();
        fs::create_dir(bench.at("out")).unwrap();
        fs::write(bench.at("out/a"), "1").unwrap();
        let found = find(&aside).unwrap();
        match change {
            "edit" => fs::write(bench.at("out/a"), "22").unwrap(),
            "remove" => fs::remove_file(bench.at("out/a")).unwrap(),
            _ => fs::write(bench.at("out/b"), "1").unwrap(),
        }
        let captured = found
            .capture(&aside, Some(&bench.store), &bench.digests())
            .unwrap();
        let Captured::Unstable(paths) = captured else {
            panic!("{change} goes unnoticed");
        };
        let name = if change == "add" { "out/b" } else { "out/a" };
        assert!(paths.contains(&bench.at(name)), "{paths:?}");
    }
}

#[test]
fn without_a_store_the_digests_are_the_same() {
    let bench = Bench::new();
    let specs = bench.specs(&["out/"]);
    let root = bench.root();
    let stamp = ground(&root, "run1");
    let aside = set_aside(&specs, stamp, &MadeLinks::new(), &bench.digests()).unwrap();
    fs::create_dir(bench.at("out")).unwrap();
    fs::write(bench.at("out/a"), "1").unwrap();
    let outputs = |store| match find(&aside)
        .unwrap()
        .capture(&aside, store, &bench.digests())
    {
        Ok(Captured::Whole(capture)) => capture.outputs,
        other => panic!("{other:?}"),
    };
    assert_eq!(outputs(None), outputs(Some(&bench.store)));
}

#[test]
fn the_users_link_is_a_destination_and_stays() {
    let bench = Bench::new();
    let scratch = bench.temp.join("scratch");
    fs::create_dir(&scratch).unwrap();
    fs::write(scratch.join("old"), "old").unwrap();
    symlink(&scratch, bench.at("results")).unwrap();
    let (captured, kept) = bench.run(&["results/"], || {
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        fs::write(bench.at("results/new"), "new").unwrap();
    });
    assert_eq!(kept.count, 1);
    let Captured::Whole(capture) = captured else {
        panic!("nothing changed");
    };
    assert!(matches!(capture.outputs[0].content, OutputContent::Tree(_)));
    fs::remove_file(scratch.join("new")).unwrap();
    fs::write(scratch.join("stray"), "stray").unwrap();
    bench.restore(&["results/"], &capture.outputs);
    assert_eq!(fs::read(scratch.join("new")).unwrap(), b"new");
    assert!(!scratch.join("stray").exists());
    assert!(
        fs::symlink_metadata(bench.at("results"))
            .unwrap()
            .is_symlink()
    );
    // A file through a link: the destination is made, the link stays.
    symlink(scratch.join("file.txt"), bench.at("file.txt")).unwrap();
    let outputs = bench.captured(&["file.txt"], || {
        fs::write(bench.at("file.txt"), "text").unwrap();
    });
    assert!(matches!(outputs[0].content, OutputContent::File { .. }));
    fs::remove_file(scratch.join("file.txt")).unwrap();
    bench.restore(&["file.txt"], &outputs);
    assert_eq!(fs::read(scratch.join("file.txt")).unwrap(), b"text");
    assert!(
        fs::symlink_metadata(bench.at("file.txt"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_users_link_that_a_failed_command_removed_is_made_again() {
    let bench = Bench::new();
    let scratch = bench.temp.join("scratch");
    fs::create_dir(&scratch).unwrap();
    fs::write(scratch.join("old"), "old").unwrap();
    symlink(&scratch, bench.at("results")).unwrap();
    let root = bench.root();
    let specs = bench.specs(&["results"]);
    let stamp = ground(&root, "run1");
    let aside = set_aside(&specs, stamp, &MadeLinks::new(), &bench.digests()).unwrap();
    fs::remove_file(bench.at("results")).unwrap();
    fs::write(bench.at("results"), "half").unwrap();
    aside.put_back().unwrap();
    assert_eq!(fs::read_link(bench.at("results")).unwrap(), scratch);
    assert_eq!(fs::read(bench.at("results/old")).unwrap(), b"old");
}

#[test]
fn a_link_that_the_command_makes_is_the_output() {
    let bench = Bench::new();
    fs::create_dir(bench.at("run1")).unwrap();
    fs::write(bench.at("run1/x"), "x").unwrap();
    let outputs = bench.captured(&["latest"], || symlink("run1", bench.at("latest")).unwrap());
    assert_eq!(outputs[0].content, OutputContent::Link(b"run1".to_vec()));
    assert_eq!(bench.inspect(&["latest"], &outputs), InPlace::UpToDate);
    // The next run does not take it for a destination.
    let (again, kept) = bench.run_after(&["latest"], &made_links(&outputs), || {
        assert!(bench.at("run1/x").exists());
        symlink("run1", bench.at("latest")).unwrap();
    });
    assert!(matches!(again, Captured::Whole(_)));
    assert_eq!(kept, Kept::default());
    fs::remove_file(bench.at("latest")).unwrap();
    bench.restore(&["latest"], &outputs);
    assert_eq!(
        fs::read_link(bench.at("latest")).unwrap(),
        Path::new("run1")
    );
}

#[test]
fn results_with_outputs_that_are_not_declared_are_refused() {
    let bench = Bench::new();
    let outputs = bench.captured(&["a", "*.csv"], || {
        fs::write(bench.at("a"), "x").unwrap();
        fs::write(bench.at("a.csv"), "x").unwrap();
    });
    let mut hostile = outputs.clone();
    hostile[0].name = b"/etc/ibid-test".to_vec();
    let mut elsewhere = outputs.clone();
    elsewhere[1].at = Some(RelPath::new("sub/a.csv").unwrap());
    for (names, outputs) in [
        (&["a"][..], &outputs),
        (&["a/", "*.csv"], &outputs),
        (&["a", "*.csv"], &hostile),
        (&["a", "*.csv"], &elsewhere),
    ] {
        let error = bench
            .try_restore(names, outputs, LinkMode::Copy)
            .unwrap_err();
        assert!(matches!(error, RestoreError::Undeclared(_)), "{error}");
        assert!(error.is_miss());
    }
}

#[test]
fn a_damaged_or_absent_blob_leaves_everything_as_it_was() {
    for damage in ["flip", "remove"] {
        let bench = Bench::new();
        let outputs = bench.captured(&["out/", "z"], || {
            fs::create_dir(bench.at("out")).unwrap();
            fs::write(bench.at("out/a"), "good").unwrap();
            fs::write(bench.at("z"), "spoilt").unwrap();
        });
        fs::write(bench.at("out/a"), "edited").unwrap();
        fs::write(bench.at("z"), "edited too").unwrap();
        fs::write(bench.at("out/stray"), "stray").unwrap();
        let before = snapshot(&bench.root());
        let hex = BlobId::of(b"spoilt").hex();
        let blob = bench
            .temp
            .join(format!("store/v1/blobs/{}/{hex}", &hex[..2]));
        if damage == "flip" {
            fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&blob, "spoilT").unwrap();
        } else {
            fs::remove_file(&blob).unwrap();
        }
        let error = bench
            .try_restore(&["out/", "z"], &outputs, LinkMode::Copy)
            .unwrap_err();
        assert!(error.is_miss(), "{error}");
        assert_eq!(snapshot(&bench.root()), before);
        assert_eq!(
            bench.store.take_faults().len(),
            usize::from(damage == "flip")
        );
    }
}

#[test]
fn a_rename_that_fails_midway_is_undone() {
    let bench = Bench::new();
    // Two of the user's links lead to one destination, so the second rename meets the first.
    let names = ["a", "x", "y"];
    for link in ["x", "y"] {
        symlink("shared", bench.at(link)).unwrap();
    }
    let outputs = bench.captured(&names, || {
        fs::write(bench.at("a"), "1").unwrap();
        fs::write(bench.at("shared"), "2").unwrap();
    });
    fs::write(bench.at("a"), "mine").unwrap();
    fs::remove_file(bench.at("shared")).unwrap();
    let before = snapshot(&bench.root());
    let error = bench
        .try_restore(&names, &outputs, LinkMode::Copy)
        .unwrap_err();
    assert!(matches!(error, RestoreError::Path(_)), "{error}");
    assert!(!error.is_miss());
    fs::remove_dir_all(bench.at(".ibid")).unwrap();
    assert_eq!(snapshot(&bench.root()), before);
}

#[test]
fn a_destination_swapped_for_a_link_leads_nowhere() {
    let bench = Bench::new();
    let outside = bench.temp.join("outside");
    fs::create_dir_all(outside.join("sub")).unwrap();
    fs::write(outside.join("sub/a"), "theirs").unwrap();
    let outputs = bench.captured(&["out/"], || {
        fs::create_dir_all(bench.at("out/sub/deep")).unwrap();
        for name in ["a", "b", "deep/c"] {
            fs::write(bench.at("out/sub").join(name), name).unwrap();
        }
    });
    let before = snapshot(&outside);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let sub = bench.at("out/sub");
                if fs::rename(&sub, bench.at("out/moved")).is_ok() {
                    let _ = symlink(outside.join("sub"), &sub);
                    (0..20).for_each(|_| std::thread::yield_now());
                    let _ = fs::remove_file(&sub);
                    let _ = fs::rename(bench.at("out/moved"), &sub);
                }
            }
        });
        for round in 0..300 {
            let _ = fs::remove_file(bench.at("out/sub/b"));
            let _ = fs::write(bench.at("out/sub/deep/c"), round.to_string());
            // It may fail, since its destination is being pulled away; it may not leave it.
            let _ = bench.try_restore(&["out/"], &outputs, LinkMode::Copy);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(snapshot(&outside), before);
}

#[test]
fn a_tree_is_restored_only_into_an_empty_place() {
    let bench = Bench::new();
    let outputs = bench.captured(&["out/a", "x*"], || {
        fs::write(bench.at("out/a"), "a").unwrap();
        fs::write(bench.at("x1"), "x").unwrap();
    });
    let root = bench.root();
    let restorer = Restorer {
        store: &bench.store,
        digests: bench.digests(),
        link_mode: LinkMode::Reflink,
        ground: ground(&root, "run2"),
    };
    let to = bench.temp.join("to");
    fs::create_dir(&to).unwrap();
    restorer.restore_to(&to, &outputs).unwrap();
    assert_eq!(fs::read(to.join("out/a")).unwrap(), b"a");
    assert_eq!(fs::read(to.join("x1")).unwrap(), b"x");
    let again = restorer.restore_to(&to, &outputs).unwrap_err();
    assert!(matches!(again, RestoreError::NotEmpty(_)));
}

#[test]
fn hard_links_are_read_only_and_never_given_to_root() {
    let bench = Bench::new();
    let outputs = bench.captured(&["a", "run.sh", "empty"], || {
        fs::write(bench.at("a"), "linked").unwrap();
        fs::write(bench.at("empty"), "").unwrap();
        fs::write(bench.at("run.sh"), "script").unwrap();
        fs::set_permissions(bench.at("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    for name in ["a", "run.sh", "empty"] {
        fs::remove_file(bench.at(name)).unwrap();
    }
    let names = ["a", "run.sh", "empty"];
    let restored = bench.try_restore(&names, &outputs, LinkMode::Hard).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let links = |name: &str| fs::metadata(bench.at(name)).unwrap().nlink();
    let expected = if is_root {
        Some(LinkRefusal::Root)
    } else {
        None
    };
    assert_eq!(restored.copied_because, expected);
    assert_eq!(links("a"), if is_root { 1 } else { 2 });
    assert_eq!((links("run.sh"), links("empty")), (1, 1));
    if !is_root {
        assert_eq!(fs::metadata(bench.at("a")).unwrap().mode() & 0o777, 0o444);
    }
    assert_eq!(bench.inspect(&names, &outputs), InPlace::UpToDate);
}

#[test]
fn what_was_captured_or_restored_is_known_without_reading_until_it_is_edited() {
    let mut bench = Bench::new();
    bench.stats = StatCache::open(StatCacheOptions {
        dir: Some(bench.temp.join("local")),
        probe_dirs: Vec::new(),
        policy: StatPolicy::Safe,
        host: Host::this(),
        clock: Timestamp::default,
    });
    let device = fs::metadata(bench.root()).unwrap().dev();
    let facts = bench.stats.file_system(&bench.root(), device).unwrap();
    if !bench.stats.believes(&facts) || facts.granularity > 20_000_000 {
        return;
    }
    let (captured, _) = bench.run(&["big"], || {
        let file = fs::File::create(bench.at("big")).unwrap();
        file.set_len(17 << 20).unwrap();
    });
    let Captured::Whole(capture) = captured else {
        panic!("nothing changed");
    };
    capture.remember(&bench.digests());
    let read = |inspect: &dyn Fn() -> InPlace| {
        let before = bench.meter.done();
        (inspect(), bench.meter.done() - before)
    };
    let look = || bench.inspect(&["big"], &capture.outputs);
    assert_eq!(read(&look), (InPlace::UpToDate, 0));
    let file = fs::File::options()
        .write(true)
        .open(bench.at("big"))
        .unwrap();
    file.write_all_at(b"x", 5).unwrap();
    assert!(matches!(read(&look), (InPlace::Differs(_), bytes) if bytes > 0));
    bench.restore(&["big"], &capture.outputs);
    assert_eq!(read(&look), (InPlace::UpToDate, 0));
}

#[test]
fn on_another_file_system_things_are_kept_beside_the_output_and_not_in_it() {
    let bench = Bench::new();
    let shm = Path::new("/dev/shm").join(format!("ibid-test-{}", std::process::id()));
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    if fs::create_dir_all(shm.join("out")).is_err() || device(&shm) == device(&bench.root()) {
        return;
    }
    fs::write(shm.join("out/old"), "old").unwrap();
    symlink(shm.join("out"), bench.at("results")).unwrap();
    let (captured, kept) = bench.run(&["results/"], || {
        fs::write(bench.at("results/new"), "new").unwrap();
    });
    let Captured::Whole(capture) = captured else {
        panic!("nothing changed");
    };
    assert_eq!((kept.count, kept.beside.len()), (1, 1));
    assert_eq!(fs::read(&kept.beside[0]).unwrap(), b"old");
    assert_eq!(fs::read_dir(shm.join("out")).unwrap().count(), 1);
    fs::write(shm.join("out/stray"), "stray").unwrap();
    let restored = bench.restore(&["results/"], &capture.outputs);
    assert_eq!(fs::read(&restored.replaced.beside[0]).unwrap(), b"stray");
    assert_eq!(
        bench.inspect(&["results/"], &capture.outputs),
        InPlace::UpToDate
    );
    fs::remove_dir_all(&shm).unwrap();
}
