//! What somebody who is no member puts into a store: a hit for nobody, and no obstacle.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use ibid_testkit::lab::{INTRUDER, LAB_GROUP, files, give, plant};

use super::{
    ADA, BOB, exec, hits, honest, key_files, key_of, lab, make_older, members, poison, runs, words,
};

/// Returns where a key's file of one store lies in another.
fn same_name(file: &Path, store: &Path) -> PathBuf {
    let name = file.file_name().expect("a file has a name").to_owned();
    let shard = file.parent().and_then(Path::file_name).expect("a shard");
    store.join("v1/keys").join(shard).join(name)
}

#[test]
fn a_planted_result_is_not_accepted_and_is_replaced() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    runs(&ada, "0");
    plant(&poison(&lab, &["1"]), &lab.store().join("v1"));
    let ran = runs(&ada, "1");
    assert!(ran.stderr.contains("not trusted"), "{}", ran.story());
    assert!(ran.stderr.contains("4666"), "{}", ran.story());
    hits(&ada, "1");
    hits(&bob, "1");
    let log = ada.run(0o022, ["log"]);
    assert_eq!(log.code, Some(0), "{}", log.story());
    let lines = log
        .stdout
        .lines()
        .filter(|line| line.contains("ran"))
        .count();
    assert_eq!(
        lines,
        2,
        "a stranger's history is left out: {}",
        log.story()
    );
}

#[test]
fn a_stored_output_under_a_keys_name_is_no_keys_file() {
    let Some(lab) = lab() else { return };
    let [mut ada, bob] = members(&lab);
    let poison = poison(&lab, &["1"]);
    let evil = key_files(&poison).pop().expect("there is one");
    // The blobs are harmless, and a member is talked into storing the bytes of the key's file.
    runs(&ada, "0");
    plant(&poison.join("blobs"), &lab.store().join("v1/blobs"));
    ada.write("bytes", fs::read(&evil).expect("it can be read"));
    ada.set("SRC", "bytes");
    let ran = ada.run(0o022, words("2"));
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    ada.set("SRC", "honest");
    let bytes = fs::read(&evil).expect("it can be read");
    let is_it = |path: &PathBuf| fs::read(path).is_ok_and(|it| it == bytes);
    let moved = files(&lab.store().join("v1/blobs")).into_iter().find(is_it);
    let moved = moved.expect("its output is stored");
    let owner = fs::metadata(&moved).expect("it is there").uid();
    assert_eq!(owner, ADA);
    let target = same_name(&evil, &lab.store());
    fs::create_dir_all(target.parent().expect("a shard")).expect("root makes folders");
    give(target.parent().expect("a shard"), (ADA, LAB_GROUP), 0o2770);
    fs::rename(moved, &target).expect("a member may move it");
    for user in [&ada, &bob] {
        let (_, ran) = exec(user, 0o022, "1");
        assert_eq!(
            user.uid == ADA,
            ran.stderr.contains("moved there"),
            "{}",
            ran.story()
        );
    }
}

#[test]
fn what_an_intruder_replaces_or_swaps_is_a_miss() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    let v1 = lab.store().join("v1");
    runs(&ada, "1");
    runs(&ada, "2");
    // Each blob has other bytes of the same length.
    for blob in files(&v1.join("blobs")) {
        let bytes = fs::read(&blob).expect("it can be read");
        let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
        fs::remove_file(&blob).expect("root removes");
        fs::write(&blob, other).expect("root writes");
        give(&blob, (INTRUDER, LAB_GROUP), 0o440);
    }
    let ran = runs(&bob, "1");
    assert!(ran.stderr.contains("wrong digest"), "{}", ran.story());
    hits(&ada, "1");
    runs(&ada, "2");
    // Two keys' files change places, both of a trusted owner.
    let keys = key_files(&v1);
    let aside = v1.join("aside");
    fs::rename(&keys[0], &aside).expect("root moves");
    fs::rename(&keys[1], &keys[0]).expect("root moves");
    fs::rename(&aside, &keys[1]).expect("root moves");
    for point in ["1", "2"] {
        let ran = runs(&bob, point);
        assert!(ran.stderr.contains("another key"), "{}", ran.story());
        hits(&ada, point);
    }
    // The folders of two keys change places.
    let shards = keys.iter().map(|key| key.parent().expect("a shard"));
    let shards: Vec<&Path> = shards.collect();
    if shards[0] != shards[1] {
        fs::rename(shards[0], &aside).expect("root moves");
        fs::rename(shards[1], shards[0]).expect("root moves");
        fs::rename(&aside, shards[1]).expect("root moves");
    }
    for point in ["1", "2"] {
        exec(&bob, 0o022, point);
        hits(&ada, point);
    }
}

#[test]
fn links_pipes_tombstones_and_leases_of_an_intruder_stop_nobody() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    let v1 = lab.store().join("v1");
    runs(&ada, "1");
    let [key] = &key_files(&v1)[..] else {
        panic!("one step has one key");
    };
    let poison = poison(&lab, &["1"]);
    let evil = key_files(&poison).pop().expect("there is one");
    let lease = v1.join("leases").join(key.file_name().expect("a name"));
    let fifo = |path: &Path| {
        let made = Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo is there").success());
    };
    let put = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).expect("root writes");
        give(path, (INTRUDER, LAB_GROUP), 0o640);
    };
    let tombstone = b"\x84\x69tombstone\x01\x00\x61x";
    let attacks: [(&str, &dyn Fn()); 5] = [
        ("a tombstone", &|| put(key, tombstone)),
        ("a link", &|| {
            symlink(&evil, key).expect("a link can be made");
        }),
        ("a pipe", &|| fifo(key)),
        ("a lease", &|| put(&lease, b"00000000000000000000?")),
        ("a pipe as a lease", &|| fifo(&lease)),
    ];
    for (what, attack) in attacks {
        fs::remove_file(key).unwrap_or_else(|error| panic!("{what}: {error}"));
        attack();
        let ran = runs(&bob, "1");
        let told = what != "a tombstone" || ran.stderr.contains("not trusted");
        assert!(told, "{what}: {}", ran.story());
        hits(&ada, "1");
        let _ = fs::remove_file(&lease);
    }
}

#[test]
fn a_folder_of_an_intruder_in_the_store_is_told_and_not_used() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    runs(&ada, "1");
    for folder in ["v1/keys", ""] {
        let path = lab.store().join(folder);
        let status = fs::metadata(&path).expect("it is there");
        give(&path, (INTRUDER, LAB_GROUP), 0o2770);
        let ran = runs(&bob, "1");
        assert!(
            ran.stderr.contains("belongs to user 4666"),
            "{}",
            ran.story()
        );
        give(&path, (status.uid(), LAB_GROUP), 0o2770);
    }
    hits(&bob, "1");
}

#[test]
fn a_private_store_that_others_may_write_is_refused_with_a_hint() {
    let Some(lab) = lab() else { return };
    let ada = honest(lab.stranger(ADA));
    runs(&ada, "1");
    let cache = ada.env.cache();
    for (owner, group, mode, hint) in [
        (ADA, ADA, 0o757, "chmod o-w"),
        (ADA, LAB_GROUP, 0o775, "IBID_SHARED=group"),
        (BOB, BOB, 0o755, "IBID_TRUST="),
    ] {
        give(&cache, (owner, group), mode);
        let ran = runs(&ada, "1");
        assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.story());
        assert!(ran.stderr.contains(hint), "{}", ran.story());
        let strict = ada.run(
            0o022,
            [
                &["exec".to_owned(), "--strict".to_owned()],
                &words("1")[1..],
            ]
            .concat(),
        );
        let log = ada.run(0o022, ["log".to_owned()]);
        for failed in [log, strict] {
            assert_eq!(failed.code, Some(125), "{}", failed.story());
            assert!(failed.stderr.contains(hint), "{}", failed.story());
        }
        let mut trusting = lab.stranger(ADA);
        trusting.set("IBID_CACHE_DIR", &cache.to_string_lossy());
        trusting.set("IBID_TRUST", &cache.to_string_lossy());
        trusting.write("honest", "honest\n");
        trusting.set("SRC", "honest");
        hits(&trusting, "1");
    }
    for (group, mode) in [(ADA, 0o775), (ADA, 0o1777)] {
        give(&cache, (ADA, group), mode);
        hits(&ada, "1");
    }
}

#[test]
fn pins_history_and_evictions_of_an_intruder_count_for_nothing() {
    let Some(lab) = lab() else { return };
    let [ada, bob] = members(&lab);
    runs(&ada, "1");
    let v1 = lab.store().join("v1");
    let mut intruder = lab.stranger(INTRUDER);
    intruder.write("evil", "evil\n");
    intruder.set("SRC", "evil");
    for point in ["1", "2", "3"] {
        let ran = intruder.run(0o022, words(point));
        assert_eq!(ran.stdout, "evil\n", "{}", ran.story());
        let pinned = intruder.run(0o022, ["pin", &key_of(&intruder, point)]);
        assert_eq!(pinned.code, Some(0), "{}", pinned.story());
    }
    let evil = intruder.env.cache().join("v1");
    // The whole store of the intruder, and what it evicted as well.
    let evicted = evil.join("trash/keys");
    fs::create_dir_all(&evicted).expect("root makes folders");
    for file in key_files(&evil) {
        let shard = file.parent().and_then(Path::file_name).expect("a shard");
        fs::create_dir_all(evicted.join(shard)).expect("root makes folders");
        let name = file.file_name().expect("a name");
        fs::copy(&file, evicted.join(shard).join(name)).expect("root copies");
    }
    plant(&evil, &v1);
    let told = bob.run(0o022, ["fsck"]);
    assert_eq!(told.code, Some(16), "{}", told.story());
    let pins = bob.run(0o022, ["pins"]);
    assert_eq!(pins.stdout, "", "{}", pins.story());
    for point in ["1", "2", "3"] {
        for user in [&ada, &bob] {
            exec(user, 0o022, point);
        }
        hits(&ada, point);
    }
    let log = bob.run(0o022, ["log"]);
    assert!(!log.stdout.contains("evil"), "{}", log.story());
    make_older(&lab);
    let pruned = bob.run(0o022, ["prune", "--max-age", "1d"]);
    assert_eq!(pruned.code, Some(0), "{}", pruned.story());
    assert!(
        pruned.stdout.contains("3 results evicted"),
        "{}",
        pruned.story()
    );
}
