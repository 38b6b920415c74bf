//! Restores that are refused, fail midway, or meet what they should not.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

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
fn whatever_is_put_right_counts_as_touched() {
    let bench = Bench::new();
    let outputs = bench.captured(&["out/"], || {
        fs::create_dir_all(bench.at("out/empty")).unwrap();
        fs::write(bench.at("out/a"), "stored").unwrap();
    });
    let put_right = |change: &dyn Fn()| {
        change();
        let restored = bench.restore(&["out/"], &outputs);
        assert_eq!(bench.inspect(&["out/"], &outputs), InPlace::UpToDate);
        (restored.touched, restored.files)
    };
    assert_eq!(put_right(&|| ()), (false, 0));
    let remove = || fs::remove_dir(bench.at("out/empty")).unwrap();
    assert_eq!(put_right(&remove), (true, 1));
    let add = || fs::create_dir(bench.at("out/stray")).unwrap();
    assert_eq!(put_right(&add), (true, 0));
    // Nothing is kept of it, for the store has it.
    let copy = || fs::write(bench.at("out/b"), "stored").unwrap();
    assert_eq!(put_right(&copy), (true, 0));
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
