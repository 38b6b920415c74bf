//! Capture and restore undo one another, whatever the tree and whatever stands in the way.

use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;

use super::super::content::{content, entries};
use super::super::glance::{glance, standing};
use super::super::target::{Parents, Target};
use super::super::walk::walk;
use super::*;
use crate::fs::{Host, umask};
use crate::scan::{StatCacheOptions, StatPolicy, StatWrites};
use crate::store::OutputContent;

impl Bench {
    /// A bench whose stat cache believes whatever it was told.
    fn trusting() -> Self {
        let mut bench = Self::new();
        bench.stats = StatCache::open(StatCacheOptions {
            dir: Some(bench.temp.join("local")),
            probe_dirs: Vec::new(),
            policy: StatPolicy::Trust,
            writes: StatWrites::Forbidden,
            host: Host::default(),
            clock: || Timestamp {
                seconds: 1 << 40,
                nanos: 0,
            },
        });
        bench
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
    fn a_folder_that_is_known_by_status_has_the_listing_that_reading_it_gives(
        tree in nodes(),
        wide in any::<bool>(),
    ) {
        let bench = Bench::trusting();
        let folders = if wide { 10 } else { 1 };
        for number in 0..folders {
            let below = format!("out/{}", "-!/".repeat(number % 3)) + &number.to_string();
            fs::create_dir_all(bench.at(&below)).unwrap();
            build(&bench.at(&below), &tree);
        }
        let target = Target::find(&bench.at("out"), None, Parents::AsTheyAre);
        let target = target.unwrap().unwrap();
        let is_empty = !tree.values().any(|node| matches!(node, Node::File(..)));
        let known = || glance(&target, &bench.stats).and_then(|glance| glance.id());
        prop_assert_eq!(known().is_some(), is_empty);
        let stands = walk(&target.dir, &target.name).unwrap();
        let digests = bench.digests().of_all(&target.dir, &target.name, &stands).unwrap();
        let glanced = glance(&target, &bench.stats).unwrap();
        let mut glanced = standing(&target, &glanced).unwrap();
        let told = glanced.iter_mut().filter_map(|(path, stood)| {
            Some((path.clone(), stood.digest.take()?))
        });
        prop_assert_eq!(&told.collect::<BTreeMap<_, _>>(), &digests);
        prop_assert_eq!(&glanced, &stands);
        let read = content(&entries(&stands, &digests).unwrap()).unwrap();
        prop_assert_eq!(known().map(OutputContent::Tree), Some(read));
        fs::write(bench.at("out/0/new"), b"new").unwrap();
        prop_assert_eq!(known(), None);
        fs::remove_file(bench.at("out/0/new")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, bench.at("out/0/new"), rustix::fs::Mode::RWXU).unwrap();
        prop_assert_eq!(known(), None);
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
