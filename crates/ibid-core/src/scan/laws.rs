//! Laws of scanning, on real files: what is the same content, what is another, what is noticed.

#![expect(
    clippy::disallowed_methods,
    reason = "tests make their own files and read the clock"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::digest::{BlobId, Digest, TreeId};
use crate::fs::{Host, Meter, Signature, Timestamp};
use crate::tree::{Content, Entry, RelPath, Tree};
use ibid_testkit::{TempDir, until_settled};

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

#[test]
fn a_file_a_link_and_a_directory_of_the_same_bytes_are_three_contents() {
    let bench = Bench::new();
    bench.put("data/a", "x");
    symlink("data/a", bench.root().join("link")).unwrap();
    symlink("link", bench.root().join("link2")).unwrap();
    let file = Content::File {
        executable: false,
        blob: BlobId::of(b"x"),
    };
    assert_eq!(bench.content("data/a").unwrap(), file);
    let link = |texts: &[&str]| Content::Link {
        texts: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        target: Box::new(file.clone()),
    };
    assert_eq!(bench.content("link").unwrap(), link(&["data/a"]));
    assert_eq!(bench.content("link2").unwrap(), link(&["link", "data/a"]));
    assert!(matches!(bench.content("data").unwrap(), Content::Tree(_)));
}

#[test]
fn what_has_no_content_is_an_error_that_names_it() {
    let bench = Bench::new();
    symlink("nowhere", bench.root().join("dangling")).unwrap();
    symlink("loop", bench.root().join("loop")).unwrap();
    assert!(matches!(bench.content("none"), Err(ScanError::Missing(_))));
    assert!(matches!(
        bench.content("dangling"),
        Err(ScanError::Dangling { .. })
    ));
    assert!(matches!(bench.content("loop"), Err(ScanError::LinkLoop(_))));
    assert!(matches!(
        bench.content("/dev/null"),
        Err(ScanError::Special(_))
    ));
    let error = bench.content("no\x1bne").unwrap_err().to_string();
    assert!(error.contains("no\\u{1b}ne"), "{error}");
}

#[test]
fn a_fifo_is_refused_and_not_waited_for() {
    let bench = Bench::new();
    let fifo = bench.put("dir/x", "").with_file_name("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        sender
            .send((bench.content("dir/fifo"), bench.content("dir")))
            .unwrap();
    });
    let deadline = std::time::Duration::from_secs(5);
    let (alone, inside) = receiver
        .recv_timeout(deadline)
        .expect("nothing waits for a FIFO");
    assert!(matches!(alone, Err(ScanError::Special(_))));
    assert!(matches!(inside, Err(ScanError::Special(_))));
}

#[test]
fn links_that_leave_a_tree_count_with_what_they_lead_to() {
    let bench = Bench::new();
    let target = bench.put("outside/f", "1");
    bench.put("tree/a", "x");
    symlink("a", bench.root().join("tree/in")).unwrap();
    symlink("../outside/f", bench.root().join("tree/file")).unwrap();
    symlink("../outside", bench.root().join("tree/dir")).unwrap();
    symlink("gone", bench.root().join("tree/dangling")).unwrap();
    let filter = Filter::inputs(&[]).unwrap();
    let path = bench.root().join("tree");
    let tree = bench.with(|scanner| listed(scanner, &path, &filter));
    let at = |name: &str| tree.get(&RelPath::new(name).unwrap()).unwrap().clone();
    assert_eq!(at("in"), Entry::Link(b"a".to_vec()));
    assert_eq!(at("dangling"), Entry::Link(b"gone".to_vec()));
    let Entry::LinkOut {
        target: Content::File { executable, blob },
        ..
    } = at("file")
    else {
        panic!("{:?}", at("file"))
    };
    assert_eq!((executable, blob), (false, BlobId::of(b"1")));
    let to_dir = at("dir");
    assert!(
        matches!(
            to_dir,
            Entry::LinkOut {
                target: Content::Tree(_),
                ..
            }
        ),
        "{to_dir:?}"
    );
    let before = bench.tree("tree");
    std::fs::write(target, "2").unwrap();
    assert_ne!(bench.tree("tree"), before);
    let kept = bench.with(|scanner| {
        let scanner = scanner.with_symlinks(SymlinkPolicy::Keep);
        listed(&scanner, &path, &filter)
    });
    assert_eq!(
        kept.get(&RelPath::new("dir").unwrap()),
        Some(&Entry::Link(b"../outside".to_vec()))
    );
}

#[test]
fn linked_trees_that_lead_to_one_another_end() {
    let bench = Bench::new();
    bench.put("a/x", "");
    bench.put("b/y", "");
    symlink("../b", bench.root().join("a/to")).unwrap();
    symlink("../a", bench.root().join("b/to")).unwrap();
    symlink("..", bench.root().join("a/up")).unwrap();
    bench.tree("a");
    bench.tree("");
}

#[test]
fn a_link_to_what_the_filter_leaves_out_counts_with_its_content() {
    let bench = Bench::new();
    let object = bench.put("tree/.git/annex/object", "1");
    symlink(".git/annex/object", bench.root().join("tree/file")).unwrap();
    let before = bench.tree("tree");
    std::fs::write(object, "2").unwrap();
    assert_ne!(bench.tree("tree"), before);
}

#[test]
fn litter_does_not_count_in_inputs_and_does_in_outputs() {
    let bench = Bench::new();
    bench.put("tree/a", "");
    let before = bench.tree("tree");
    bench.put("tree/__pycache__/a.pyc", "");
    bench.put("tree/.ibid/x", "");
    assert_eq!(bench.tree("tree"), before);
    let path = bench.root().join("tree");
    let whole = bench.with(|scanner| listed(scanner, &path, &Filter::everything()));
    assert_eq!(whole.len(), 5);
}

#[test]
fn patterns_match_in_byte_order_and_enter_no_linked_directory() {
    let bench = Bench::new();
    for path in [
        "d/b.csv",
        "d/B.csv",
        "d/.c.csv",
        "d/sub/e.csv",
        "other/f.csv",
    ] {
        bench.put(path, "");
    }
    symlink("../other", bench.root().join("d/link")).unwrap();
    let glob = |pattern: &str| {
        let filter = Filter::inputs(&[]).unwrap();
        let found = bench.with(|scanner| scanner.glob(&Pattern::new(pattern).unwrap(), &filter));
        found.map(|found| {
            found
                .paths
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(glob("d/*.csv").unwrap(), ["d/.c.csv", "d/B.csv", "d/b.csv"]);
    assert_eq!(glob("d/**/e*").unwrap(), ["d/sub/e.csv"]);
    assert_eq!(glob("d/*u*").unwrap(), ["d/sub"]);
    let all = ["d/.c.csv", "d/B.csv", "d/b.csv", "d/link", "d/sub/e.csv"];
    assert_eq!(glob("d/**").unwrap(), all);
    assert_eq!(glob("d/*/").unwrap(), ["d/sub"]);
    for none in ["x/*.csv", "d/*.tsv"] {
        let error = glob(none).unwrap_err();
        assert!(error.to_string().contains(none), "{error}");
    }
}

#[test]
fn a_tree_deeper_than_the_limit_is_an_error() {
    let bench = Bench::new();
    let mut dir = bench.root().join("deep");
    for _ in 0..=crate::tree::MAX_TREE_DEPTH {
        dir.push("d");
    }
    std::fs::create_dir_all(&dir).unwrap();
    assert!(matches!(bench.content("deep"), Err(ScanError::TooDeep(_))));
}

#[test]
fn an_old_file_is_read_once_and_known_in_the_next_process() {
    let bench = Bench::new();
    if !bench.is_local() {
        return;
    }
    let path = bench.put("a", "text");
    // It is young by ctime, so that only a page cache known to be clean makes it trusted.
    std::fs::File::open(&path).unwrap().sync_all().unwrap();
    let digest = |bench: &Bench| bench.with(|scanner| scanner.file_digest(&path).unwrap().digest);
    let before = crate::fs::slots::touch(&bench.dir.join("clock")).unwrap();
    assert_eq!(digest(&bench), Digest::of(b"text"));
    let signature = Signature::of(&path).unwrap();
    let settled = before.as_nanos() - signature.ctime.as_nanos() > 20_000_000;
    let read_before = bench.meter.done();
    assert_eq!(digest(&bench), Digest::of(b"text"));
    let read = bench.meter.done() - read_before;
    assert!(!settled || read == 0, "an unchanged file was read again");
}

#[test]
fn a_file_whose_status_differs_in_anything_is_not_known() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let stats = bench.stats();
    let signature = Signature::of(&path).unwrap();
    let fs = stats.file_system(&path, signature.device).unwrap();
    stats.remember(&signature, &fs, Digest::of(b"one"), Origin::Private);
    assert_eq!(stats.known(&signature, &fs).is_some(), stats.believes(&fs));
    let later = |mut stamp: Timestamp| {
        stamp.nanos ^= 1;
        stamp
    };
    for other in [
        Signature {
            device: signature.device + 1,
            ..signature
        },
        Signature {
            inode: signature.inode + 1,
            ..signature
        },
        Signature {
            size: signature.size + 1,
            ..signature
        },
        Signature {
            mtime: later(signature.mtime),
            ..signature
        },
        Signature {
            ctime: later(signature.ctime),
            ..signature
        },
        Signature {
            mode: signature.mode ^ 0o100,
            ..signature
        },
    ] {
        assert_eq!(stats.known(&other, &fs), None, "{other:?}");
        let recalled = stats.recall(signature.inode, &fs);
        let borne_out = |seen| stats.bears_out(recalled.as_ref()?, seen, &fs);
        assert_eq!(borne_out(&other), None, "{other:?}");
        assert_eq!(borne_out(&signature), stats.known(&signature, &fs));
    }
    // The same on disk: ctime gives the edit away.
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, b"two").unwrap();
    set_stamp(&path, signature.mtime);
    assert_eq!(Signature::of(&path).unwrap().mtime, signature.mtime);
    let root = bench.root();
    let scanner = Scanner::new(&root, &stats, &bench.meter);
    assert_eq!(
        scanner.file_digest(&path).unwrap().digest,
        Digest::of(b"two")
    );
}

#[test]
fn same_size_edits_with_the_old_mtime_put_back_are_noticed() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    set_time(&path, 1_000_000);
    for round in 0..50 {
        let text = format!("{round:03}");
        std::fs::write(&path, &text).unwrap();
        set_time(&path, 1_000_000);
        let digest = bench.with(|scanner| scanner.file_digest(&path).unwrap().digest);
        assert_eq!(digest, Digest::of(text.as_bytes()));
    }
}

#[test]
fn a_captured_output_is_known_although_it_is_young_and_dirty() {
    let bench = Bench::new();
    let path = bench.put("out", "one");
    let signature = Signature::of(&path).unwrap();
    {
        let stats = bench.stats();
        let fs = stats.file_system(&path, signature.device).unwrap();
        if !stats.believes(&fs) {
            return;
        }
        let settled = signature.ctime.as_nanos() + i128::from(fs.granularity);
        let started = loop {
            let before = crate::fs::slots::touch(&bench.dir.join("clock")).unwrap();
            let started = stats.started_anew(&fs);
            if before.as_nanos() > settled + 20_000_000 {
                break started;
            }
        };
        stats.remember(
            &signature,
            &fs,
            Digest::of(b"one"),
            Origin::Captured { started },
        );
    }
    bench.with(|scanner| {
        let found = scanner.file_digest(&path).unwrap();
        assert_eq!(found.digest, Digest::of(b"one"));
        assert_eq!(scanner.recheck(&[found.into()]), []);
    });
    assert_eq!(bench.meter.done(), 0);
}

#[test]
fn a_reboot_forgets_what_was_young() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let dir = bench.dir.join("stats");
    let signature = Signature::of(&path).unwrap();
    let know = |host: Host| {
        let stats = stats_at(&dir, host);
        let fs = stats.file_system(&path, signature.device)?;
        stats.known(&signature, &fs)
    };
    {
        let stats = stats_at(&dir, host());
        let fs = stats.file_system(&path, signature.device).unwrap();
        if !stats.believes(&fs) {
            return;
        }
        stats.remember(&signature, &fs, Digest::of(b"one"), Origin::Private);
    }
    assert_eq!(know(host()), Some(Digest::of(b"one")));
    let rebooted = Host {
        boot_id: "later".to_owned(),
        ..host()
    };
    assert_eq!(know(rebooted), None);
    let elsewhere = Host {
        machine_id: "copy".to_owned(),
        ..host()
    };
    assert_eq!(know(elsewhere), None);
}

#[test]
fn where_the_boot_is_not_known_each_process_is_one_of_its_own() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let dir = bench.dir.join("stats");
    let signature = Signature::of(&path).unwrap();
    let stats = || {
        let boot_id = String::new();
        stats_at(&dir, Host { boot_id, ..host() })
    };
    let know = |stats: &StatCache| {
        let fs = stats.file_system(&path, signature.device)?;
        stats.known(&signature, &fs)
    };
    let first = stats();
    let fs = first.file_system(&path, signature.device).unwrap();
    if !first.believes(&fs) {
        return;
    }
    first.remember(&signature, &fs, Digest::of(b"one"), Origin::Private);
    assert_eq!(know(&first), Some(Digest::of(b"one")));
    drop(first);
    assert_eq!(know(&stats()), None);
}

/// Returns the drifts that `change` makes, by the name of their path.
fn drifts(bench: &Bench, declared: &str, change: impl FnOnce()) -> BTreeMap<String, DriftKind> {
    let filter = Filter::inputs(&[]).unwrap();
    bench.with(|scanner| {
        let path = bench.root().join(declared);
        let scanned = scanner.content(&path, &filter).unwrap();
        assert_eq!(scanner.recheck(&scanned.seen), []);
        change();
        let name = |path: &Path| {
            path.strip_prefix(bench.root())
                .unwrap()
                .display()
                .to_string()
        };
        let drifts = scanner.recheck(&scanned.seen).into_iter();
        drifts
            .map(|drift| (name(&drift.path), drift.kind))
            .collect()
    })
}

#[test]
fn every_change_during_a_run_is_named() {
    use DriftKind::{Changed, Touched};
    let bench = Bench::new();
    let kept = bench.put("t/kept", "1");
    let edited = bench.put("t/edited", "1");
    let back = bench.put("t/back", "1");
    let gone = bench.put("t/gone", "1");
    let run = bench.put("t/run", "1");
    symlink("kept", bench.root().join("t/link")).unwrap();
    let found = drifts(&bench, "t", || {
        std::fs::write(&edited, "2").unwrap();
        let before = Signature::of(&back).unwrap().mtime;
        std::fs::write(&back, "2").unwrap();
        std::fs::write(&back, "1").unwrap();
        set_time(&back, before.seconds);
        std::fs::remove_file(&gone).unwrap();
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).unwrap();
        bench.put("t/new", "");
        std::fs::remove_file(bench.root().join("t/link")).unwrap();
        symlink("edited", bench.root().join("t/link")).unwrap();
        std::fs::read(&kept).unwrap();
    });
    let expected = [
        ("t/back", Touched),
        ("t/edited", Changed),
        ("t/gone", Changed),
        ("t/link", Changed),
        ("t/new", Changed),
        ("t/run", Changed),
    ];
    let expected = expected.map(|(path, kind)| (path.to_owned(), kind));
    assert_eq!(found, BTreeMap::from(expected));
}

#[test]
fn a_young_file_with_dirty_pages_is_read_again_after_the_run() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let file = std::fs::File::open(&path).unwrap();
    let is_dirty = || crate::fs::cached_pages(&file).is_some_and(|pages| !pages.are_clean());
    bench.with(|scanner| {
        let dirty_before = is_dirty();
        let seen = [Seen::from(scanner.file_digest(&path).unwrap())];
        // Nothing tells of a store through a page that is mapped and dirty: read it.
        assert_eq!(scanner.recheck(&seen), []);
        assert!(!dirty_before || bench.meter.done() == 6);
    });
}

#[test]
fn a_file_that_was_quiet_when_hashed_is_not_read_again_after_the_run() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let file = std::fs::File::open(&path).unwrap();
    file.sync_all().unwrap();
    let tells = bench.is_local() && crate::fs::cached_pages(&file).is_some();
    until_settled();
    bench.with(|scanner| {
        let seen = [Seen::from(scanner.file_digest(&path).unwrap())];
        assert_eq!(scanner.recheck(&seen), []);
    });
    assert!(!tells || bench.meter.done() == 3);
    bench.with(|scanner| scanner.file_digest(&path).unwrap());
    assert!(
        !bench.is_local() || bench.meter.done() == 3,
        "known to the next process"
    );
}

#[test]
fn a_pattern_that_matches_more_or_less_is_named() {
    let bench = Bench::new();
    let first = bench.put("d/a.csv", "");
    let filter = Filter::inputs(&[]).unwrap();
    bench.with(|scanner| {
        let found = scanner
            .glob(&Pattern::new("d/*.csv").unwrap(), &filter)
            .unwrap();
        let seen = [found.seen];
        assert_eq!(scanner.recheck(&seen), []);
        let second = bench.put("d/b.csv", "");
        std::fs::remove_file(&first).unwrap();
        let paths: Vec<_> = scanner
            .recheck(&seen)
            .into_iter()
            .map(|drift| drift.path)
            .collect();
        assert_eq!(paths, [first.clone(), second]);
    });
}

#[test]
fn without_a_stat_cache_everything_is_read_and_rechecked() {
    let bench = Bench::new();
    let path = bench.put("a", "one");
    let (root, stats) = (bench.root(), StatCache::off());
    let scanner = Scanner::new(&root, &stats, &bench.meter);
    let seen = [Seen::from(scanner.file_digest(&path).unwrap())];
    assert_eq!(scanner.recheck(&seen), []);
    assert_eq!(bench.meter.done(), 6);
}

#[test]
fn more_files_than_one_thread_wants_give_the_tree_that_one_thread_finds() {
    let bench = Bench::new();
    // One folder with more entries than one thread takes, and more folders than that.
    let mut expected = BTreeMap::new();
    let names = (0..1_100).map(|n| format!("wide/{n}"));
    for name in names.chain((0..400).map(|n| format!("{}/{n}", n % 40))) {
        bench.put(&format!("t/{name}"), &name);
        expected.insert(name.clone().into_bytes(), BlobId::of(name.as_bytes()));
    }
    let path = bench.root().join("t");
    // Of nothing known, of what was learnt just before, and looked at without reading.
    for _ in 0..2 {
        let tree = bench.with(|scanner| listed(scanner, &path, &Filter::everything()));
        let found = tree.iter().filter_map(|(path, entry)| match entry {
            Entry::File { blob, .. } => Some((path.as_bytes().to_vec(), *blob)),
            _ => None,
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    }
    let found = drifts(&bench, "t", || {
        std::fs::remove_file(path.join("wide/7")).unwrap();
        std::fs::remove_dir_all(path.join("39")).unwrap();
        bench.put("t/40/new", "");
    });
    let mut changed: Vec<_> = (39..400).step_by(40).map(|n| format!("t/39/{n}")).collect();
    changed.extend(["t/39", "t/40", "t/40/new", "t/wide/7"].map(str::to_owned));
    changed.sort_unstable();
    assert!(found.values().all(|kind| *kind == DriftKind::Changed));
    assert_eq!(found.into_keys().collect::<Vec<_>>(), changed);
}

#[test]
fn entries_come_in_the_order_of_whole_paths() {
    let bench = Bench::new();
    for path in [
        "a/x", "a.c", "a!/y/z", "ab", "a/b/c", "a/b.c", "a/b-/q", "a0/q", "a-",
    ] {
        bench.put(&format!("t/{path}"), path);
    }
    let path = bench.root().join("t");
    // A listing whose paths are out of order cannot be read.
    let tree = bench.with(|scanner| listed(scanner, &path, &Filter::everything()));
    assert_eq!(tree.len(), 15);
}

/// One member of a generated tree.
#[derive(Clone, Debug, PartialEq)]
enum Member {
    File(Vec<u8>, bool),
    Link(Vec<u8>),
    Dir,
}

fn make(root: &Path, members: &BTreeMap<Vec<u8>, Member>, reverse: bool) {
    std::fs::create_dir(root).unwrap();
    let mut order: Vec<_> = members.iter().collect();
    if reverse {
        order.reverse();
    }
    for (name, member) in order {
        let path = root.join(OsStr::from_bytes(name));
        match member {
            Member::File(bytes, executable) => {
                std::fs::write(&path, bytes).unwrap();
                let mode = if *executable { 0o755 } else { 0o640 };
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            Member::Link(text) => symlink(OsStr::from_bytes(text), &path).unwrap(),
            Member::Dir => std::fs::create_dir(&path).unwrap(),
        }
    }
}

fn id_of(dir: &TempDir, members: &BTreeMap<Vec<u8>, Member>, place: &str, reverse: bool) -> TreeId {
    let root = dir.join(place);
    make(&root, members, reverse);
    let (stats, meter) = (StatCache::off(), Meter::new());
    let scanner = Scanner::new(dir.path(), &stats, &meter);
    scanner
        .tree(&root, &Filter::everything())
        .unwrap()
        .tree
        .id()
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    // Every byte that a name can hold, and none that would make it `.` or `..`.
    let byte = any::<u8>().prop_filter("not in a name", |byte| !matches!(byte, 0 | b'/' | b'.'));
    proptest::collection::vec(byte, 1..8)
}

fn members() -> impl Strategy<Value = BTreeMap<Vec<u8>, Member>> {
    let member = prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..4), any::<bool>())
            .prop_map(|(bytes, executable)| Member::File(bytes, executable)),
        names().prop_map(Member::Link),
        Just(Member::Dir),
    ];
    proptest::collection::btree_map(names(), member, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_tree_is_its_members_whatever_the_order_and_place(members in members()) {
        let dir = TempDir::new();
        let one = id_of(&dir, &members, "one", false);
        prop_assert_eq!(one, id_of(&dir, &members, "another place", true));
    }

    #[test]
    fn trees_with_other_members_are_other_trees(one in members(), other in members()) {
        let dir = TempDir::new();
        let same = id_of(&dir, &one, "one", false) == id_of(&dir, &other, "two", false);
        prop_assert_eq!(same, one == other);
    }

    #[test]
    fn flipping_any_part_of_a_member_flips_the_tree(
        members in members(),
        pick in any::<prop::sample::Index>(),
        how in 0..5_u8,
    ) {
        let dir = TempDir::new();
        let name = (*pick.get(&members.keys().collect::<Vec<_>>())).clone();
        let mut other = members.clone();
        let member = other.remove(&name).unwrap();
        let (mut renamed, mut flipped) = (name.clone(), member.clone());
        match (how, &member) {
            (0, _) => renamed.push(b'_'),
            (1, Member::Dir) => flipped = Member::File(Vec::new(), false),
            (1, _) => flipped = Member::Dir,
            (2, Member::File(bytes, executable)) => {
                flipped = Member::File(bytes.clone(), !executable);
            }
            (_, Member::File(bytes, executable)) => {
                flipped = Member::File([bytes.as_slice(), b"x"].concat(), *executable);
            }
            (_, Member::Link(text)) => flipped = Member::Link([text.as_slice(), b"x"].concat()),
            (_, Member::Dir) => flipped = Member::Link(b"x".to_vec()),
        }
        other.insert(renamed, flipped);
        prop_assume!(other != members);
        let before = id_of(&dir, &members, "one", false);
        prop_assert_ne!(before, id_of(&dir, &other, "two", false));
    }
}
