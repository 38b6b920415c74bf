//! Before and after a run: set aside, captured, settled or put back; links; stat signatures.

use std::os::unix::fs::FileExt as _;

use super::*;
use crate::fs::Host;
use crate::scan::{StatCacheOptions, StatPolicy, StatWrites};
use crate::store::OutputContent;

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
fn what_was_captured_or_restored_is_known_without_reading_until_it_is_edited() {
    let mut bench = Bench::new();
    bench.stats = StatCache::open(StatCacheOptions {
        dir: Some(bench.temp.join("local")),
        probe_dirs: Vec::new(),
        policy: StatPolicy::Safe,
        writes: StatWrites::Allowed,
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
