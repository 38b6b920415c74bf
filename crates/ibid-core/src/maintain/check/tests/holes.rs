//! Files of holes: which of them are damage, and that nobody reads them without need.

use std::os::unix::fs::FileExt as _;

use super::super::blobs::State;
use super::*;
use crate::fs::{Threads, hash_open};

/// Lays down a blob of a gibibyte of zeros, as file systems keep it that keep zeros as holes.
fn zeros(scene: &Scene) -> crate::store::Stored {
    static DIGEST: std::sync::OnceLock<Digest> = std::sync::OnceLock::new();
    let size = 1 << 30;
    let path = scene.dir.join("zeros");
    fs::File::create(&path).unwrap().set_len(size).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let file = fs::File::open(&path).unwrap();
    let hash = || hash_open(&file, &path, size, Threads::Many, &Meter::new()).unwrap();
    let blob = BlobId::new(*DIGEST.get_or_init(hash));
    let place = scene.store.blob_path(&blob);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::rename(&path, &place).unwrap();
    crate::store::Stored {
        blob,
        size,
        reused: false,
        modified: crate::fs::Signature::of_link(&place).unwrap().mtime,
    }
}

fn of_blob(scene: &Scene, name: &str, size: u64, blob: BlobId) -> StoredResult {
    let content = OutputContent::File {
        executable: false,
        size,
        blob,
    };
    scene.result(name, output(content))
}

#[test]
fn an_honest_output_of_holes_whose_mode_is_set_right_stays() {
    for mode in [0o464, 0o044] {
        let scene = Scene::new();
        let zeros = zeros(&scene);
        scene.commit(&of_blob(&scene, "zeros", zeros.size, zeros.blob), 3);
        assert_eq!(scene.check().flaws, [], "an honest store");
        let path = scene.store.blob_path(&zeros.blob);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let repaired = repair(&scene.store, &scene.check());
        assert_eq!(repaired.left, [], "{mode:o}");
        assert!(path.exists(), "{mode:o}: needed, whole, and put aside");
    }
}

#[test]
fn a_blob_of_holes_that_nothing_names_yet_is_no_damage() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let checked = scene.check();
    let told: Vec<_> = checked.flaws.iter().map(|flaw| flaw.kind).collect();
    assert_eq!(told, [FlawKind::Unread]);
    assert_eq!(FlawKind::Unread.class(), FlawClass::Told);
    // A commit that is between its blobs and its key's file.
    repair(&scene.store, &checked);
    let result = of_blob(&scene, "zeros", zeros.size, zeros.blob);
    scene.store.record(&result, &[zeros], Replace::No).unwrap();
    assert!(matches!(scene.store.look_up(&result.key), Lookup::Found(_)));
    assert_eq!(scene.check().flaws, [], "a commit lost what it stored");
}

#[test]
fn a_result_with_a_wrong_length_spoils_no_other() {
    // In whatever order they are asked.
    for (good, bad) in [("a", "b"), ("b", "a")] {
        let scene = Scene::new();
        let zeros = zeros(&scene);
        let good = of_blob(&scene, good, zeros.size, zeros.blob);
        let bad = of_blob(&scene, bad, 5, zeros.blob);
        scene.commit(&good, 3);
        scene.commit(&bad, 4);
        let checked = scene.check();
        let told: Vec<_> = checked.flaws.iter().map(|flaw| flaw.kind).collect();
        assert_eq!(told, [FlawKind::Result]);
        assert_eq!(checked.flaws[0].spoils, [bad.key]);
        repair(&scene.store, &checked);
        assert_eq!(scene.check().flaws, []);
        assert!(matches!(scene.store.look_up(&good.key), Lookup::Found(_)));
        assert!(matches!(scene.store.look_up(&bad.key), Lookup::Absent(_)));
    }
}

fn told(scene: &Scene) -> Vec<FlawKind> {
    let mut told: Vec<_> = scene.check().flaws.iter().map(|flaw| flaw.kind).collect();
    told.sort();
    told
}

#[test]
fn holes_that_are_needed_otherwise_are_damage_and_nobody_reads_them() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let mut as_record = of_blob(&scene, "record", 7, BlobId::of(b"content"));
    as_record.run.record = zeros.blob;
    let wrong = of_blob(&scene, "wrong", 5, zeros.blob);
    let both = vec![FlawKind::Result, FlawKind::Unread];
    for (result, kinds) in [(wrong, both), (as_record, vec![FlawKind::BlobContent])] {
        scene.commit(&result, 3);
        let checked = scene.check();
        assert_eq!(told(&scene), kinds, "{}", result.run.label);
        assert!(checked.bytes < zeros.size);
        scene.store.invalidate(&result.key, 1, "").unwrap();
        let runs = scene.dir.join("store/v1/runs");
        fs::remove_dir_all(runs).unwrap();
        fs::remove_file(scene.blob(&result.encode())).unwrap();
    }
}

#[test]
fn holes_that_a_value_and_a_wrong_length_ask_for_are_gone_after_one_repair() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let mut both = of_blob(&scene, "both", 5, zeros.blob);
    both.run.record = zeros.blob;
    scene.commit(&both, 3);
    assert_eq!(told(&scene), [FlawKind::BlobContent, FlawKind::Result]);
    repair(&scene.store, &scene.check());
    assert_eq!(scene.check().flaws, []);
}

#[test]
fn holes_in_the_trash_are_found_there_by_what_needs_as_many() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    for (name, size) in [("wrong", 5), ("right", zeros.size)] {
        let result = of_blob(&scene, name, size, zeros.blob);
        scene.commit(&result, 3);
        let (place, trashed) = (
            scene.store.blob_path(&zeros.blob),
            scene.store.trashed_blob_path(&zeros.blob),
        );
        fs::create_dir_all(trashed.parent().unwrap()).unwrap();
        if place.exists() {
            fs::rename(&place, &trashed).unwrap();
        }
        let checked = scene.check();
        assert_eq!(told(&scene), [FlawKind::Result], "{name}");
        assert_eq!(checked.flaws[0].spoils, [record_of("wrong").key()]);
        if name == "wrong" {
            repair(&scene.store, &checked);
            assert_eq!(scene.check().flaws, []);
            scene.commit(&result, 4);
        }
    }
}

#[test]
fn a_whole_blob_that_came_back_since_another_was_judged_stays() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let good = of_blob(&scene, "zeros", zeros.size, zeros.blob);
    scene.commit(&good, 3);
    let path = scene.store.blob_path(&zeros.blob);
    let spoiled = scene.dir.join("spoiled");
    let file = fs::File::create(&spoiled).unwrap();
    file.set_len(zeros.size).unwrap();
    file.write_all_at(b"x", 7).unwrap();
    mode(&spoiled, 0o444);
    let whole = scene.dir.join("whole");
    fs::rename(&path, &whole).unwrap();
    fs::rename(&spoiled, &path).unwrap();
    let checked = scene.check();
    assert_eq!(told(&scene), [FlawKind::BlobContent]);
    // A run finds it damaged, and stores it anew.
    fs::rename(&path, &spoiled).unwrap();
    fs::rename(&whole, &path).unwrap();
    repair(&scene.store, &checked);
    assert!(path.exists(), "whole, needed, and put aside");
    assert!(matches!(scene.store.look_up(&good.key), Lookup::Found(_)));
    // The very file that was judged goes.
    fs::rename(&spoiled, &path).unwrap();
    repair(&scene.store, &scene.check());
    assert!(!path.exists() && scene.is_absent(&good.key));
    assert_eq!(scene.check().flaws, []);
}

#[test]
fn a_result_with_a_wrong_length_takes_no_whole_blob_from_a_running_commit() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    scene.commit(&of_blob(&scene, "bad", 5, zeros.blob), 3);
    let checked = scene.check();
    let good = of_blob(&scene, "good", zeros.size, zeros.blob);
    scene.commit(&good, 4);
    repair(&scene.store, &checked);
    assert!(matches!(scene.store.look_up(&good.key), Lookup::Found(_)));
    assert_eq!(scene.check().flaws, []);
}

#[test]
fn to_verify_a_result_with_a_wrong_length_blames_it_and_no_whole_blob() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let bad = of_blob(&scene, "bad", 5, zeros.blob);
    scene.commit(&of_blob(&scene, "good", zeros.size, zeros.blob), 3);
    scene.commit(&bad, 4);
    let verified = verify(&scene.store, &bad.key, &Meter::new());
    let damaged = verified.flaws.iter();
    let damaged = damaged.filter(|flaw| flaw.kind.class() == FlawClass::Damaged);
    let damaged: Vec<_> = damaged.map(|flaw| (flaw.kind, &flaw.path)).collect();
    assert_eq!(damaged, [(FlawKind::Result, &scene.blob(&bad.encode()))]);
}

#[test]
fn holes_that_stay_are_replaced_by_whoever_stores_what_belongs_there() {
    let scene = Scene::new();
    let path = scene.blob(b"content");
    mode(&path, 0o644);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    mode(&path, 0o444);
    assert_eq!(told(&scene), [FlawKind::Result, FlawKind::Unread]);
    repair(&scene.store, &scene.check());
    assert!(path.exists() && scene.is_absent(&scene.file));
    assert_eq!(told(&scene), [FlawKind::Unread]);
    let stored = scene.store.put_bytes(b"content").unwrap();
    assert!(!stored.reused);
    assert_eq!(fs::read(&path).unwrap(), b"content");
    scene.commit(&scene.result("file", file_output(b"content", 7)), 3);
    assert_eq!(scene.check().flaws, []);
    assert!(!scene.is_absent(&scene.file));
}

#[test]
fn holes_that_were_replaced_by_longer_ones_meanwhile_are_not_read() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let (meter, mut book) = (Meter::new(), Book::default());
    let mut states = States::new(&scene.store, Reading::All, &meter);
    let mut asked =
        |states: &mut States<'_>| states.state(&zeros.blob, Some(zeros.size), &mut book);
    assert!(matches!(asked(&mut states), State::Hollow(..)));
    let longer = scene.dir.join("longer");
    fs::File::create(&longer)
        .unwrap()
        .set_len(zeros.size * 2)
        .unwrap();
    fs::rename(&longer, scene.store.blob_path(&zeros.blob)).unwrap();
    states.settle(&mut Book::default());
    assert_eq!(asked(&mut states), State::Whole(zeros.size * 2));
    assert_eq!((meter.done(), states.read()), (0, (0, 0)));
}

#[test]
fn holes_that_are_read_for_a_result_are_expected_once() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let result = of_blob(&scene, "zeros", zeros.size, zeros.blob);
    scene.commit(&result, 3);
    for whole_store in [false, true] {
        let meter = Meter::new();
        let checked = if whole_store {
            check(&scene.store, &meter)
        } else {
            verify(&scene.store, &result.key, &meter)
        };
        assert_eq!(checked.flaws, []);
        assert!(meter.done() >= zeros.size);
        let expected = zeros.size..zeros.size * 2;
        assert!(expected.contains(&meter.total()), "{}", meter.total());
    }
}

#[test]
fn a_result_that_waits_for_holes_is_not_asked_again_by_each_entry_of_history() {
    let scene = Scene::new();
    let zeros = zeros(&scene);
    let result = of_blob(&scene, "zeros", zeros.size, zeros.blob);
    for time in 3..9 {
        scene.commit(&result, time);
    }
    for stands in [false, true] {
        let meter = Meter::new();
        let states = States::new(&scene.store, Reading::All, &meter);
        let mut needs = Needs::new(&scene.store, states, Book::default());
        if stands {
            needs.key(&result.key);
        }
        for run in scene.runs() {
            needs.run(&run);
        }
        assert_eq!(needs.waiting.len(), 1);
        let checked = needs.finish();
        // The first two entries of history are of the other results.
        assert_eq!((checked.flaws, checked.results), (Vec::new(), 3));
        assert!(checked.bytes >= zeros.size);
    }
}
