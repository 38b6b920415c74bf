//! What is noticed when everything is looked at again after a run.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::digest::BlobId;
use crate::tree::Entry;

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
