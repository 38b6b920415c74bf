//! Damage to any file of a store: never served, told, and healed by storing again.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ibid_core::digest::BlobId;
use ibid_core::fs::Meter;
use ibid_core::store::{
    Acquisition, LeaseOn, LinkMode, LocalStore, Lookup, MissReason, Recorded, Replace, StoreError,
    StoredResult,
};
use ibid_testkit::TempDir;

use super::{commit, copy_out, files, key, open, prepare, put_file};

const CONTENT: &[u8] = b"content of the output";

/// Changes the file at a path that has the given good content.
type Damage = fn(&Path, &[u8]);

/// Ways to damage a file; all leave something that is not what was stored.
const DAMAGES: [(&str, Damage); 6] = [
    ("flip", |path, good| {
        let mut bad = good.to_vec();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        rewrite(path, &bad);
    }),
    ("cut", |path, good| rewrite(path, &good[..good.len() - 1])),
    ("empty", |path, _| rewrite(path, b"")),
    ("zero", |path, good| rewrite(path, &vec![0; good.len()])),
    ("extend", |path, good| {
        rewrite(path, &[good, b"\0".as_slice()].concat());
    }),
    ("remove", |path, _| std::fs::remove_file(path).unwrap()),
];

fn rewrite(path: &Path, content: &[u8]) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path, content).unwrap();
}

/// What a user gets for key `a`: the content, or the reason of the miss.
fn serve(store: &LocalStore, dir: &TempDir) -> Result<Vec<u8>, String> {
    match store.look_up(&key("a")) {
        Lookup::Found(result) => {
            assert_eq!(result.key, key("a"));
            assert_eq!(*result, super::result_of(key("a"), CONTENT));
            store
                .read_blob(&result.run.record, 100)
                .map_err(|error| error.to_string())?;
            copy_out(store, dir, &BlobId::of(CONTENT), CONTENT.len())
        }
        Lookup::Tombstone(_) => Err("tombstone".to_owned()),
        Lookup::Absent(reason) => Err(reason.to_string()),
    }
}

#[test]
fn whatever_is_damaged_is_never_served_and_heals() {
    let dir = TempDir::new();
    commit(&open(&dir), key("a"), CONTENT, Replace::No);
    let paths: Vec<_> = [files(&dir, "blobs"), files(&dir, "keys")].concat();
    assert_eq!(paths.len(), 4, "record, output, result, key");
    for path in &paths {
        for (name, damage) in DAMAGES {
            for remembers in [false, true] {
                let good = std::fs::read(path).unwrap();
                let mut store = open(&dir);
                assert_eq!(serve(&store, &dir).as_deref(), Ok(CONTENT));
                damage(path, &good);
                if !remembers {
                    store = open(&dir);
                }
                let served = serve(&store, &dir);
                assert!(served.is_err(), "{name} of {}", path.display());
                // A key's file with another digest names a result that is not there.
                let is_absence = name == "remove" || (name == "flip" && is_key(path));
                assert_eq!(store.take_faults().is_empty(), is_absence, "{name}");
                commit(&store, key("a"), CONTENT, Replace::No);
                assert_eq!(serve(&store, &dir).as_deref(), Ok(CONTENT), "{name}");
                assert_eq!(serve(&open(&dir), &dir).as_deref(), Ok(CONTENT), "{name}");
            }
        }
    }
    assert!(!files(&dir, "trash").is_empty());
}

fn is_key(path: &Path) -> bool {
    path.ancestors().any(|above| above.ends_with("keys"))
}

#[test]
fn storing_alone_heals_a_damaged_blob() {
    for size in [100, 300_000] {
        let dir = TempDir::new();
        let content = vec![7; size];
        let blob = put_file(&open(&dir), &dir, &content).blob;
        let path = files(&dir, "blobs").remove(0);
        for (name, damage) in DAMAGES {
            let store = open(&dir);
            damage(&path, &content);
            assert!(!put_file(&store, &dir, &content).reused, "{name}");
            assert_eq!(store.take_faults().is_empty(), name == "remove");
            assert_eq!(
                copy_out(&open(&dir), &dir, &blob, size).as_deref(),
                Ok(content.as_slice()),
                "{name}"
            );
        }
    }
}

#[test]
fn swapped_files_are_misses() {
    let dir = TempDir::new();
    let store = open(&dir);
    commit(&store, key("a"), b"one", Replace::No);
    commit(&store, key("b"), b"two", Replace::No);
    let keys = files(&dir, "keys");
    swap(&keys[0], &keys[1]);
    for name in ["a", "b"] {
        let found = store.look_up(&key(name));
        assert!(matches!(
            found,
            Lookup::Absent(MissReason::ForeignKey(other)) if other != key(name)
        ));
        let content = if name == "a" { b"one" } else { b"two" };
        assert_eq!(
            commit(&store, key(name), content, Replace::No),
            Recorded::Ours
        );
        assert!(matches!(store.look_up(&key(name)), Lookup::Found(_)));
    }
    let path = |content: &[u8]| {
        let hex = BlobId::of(content).hex();
        dir.join("store/v1/blobs").join(&hex[..2]).join(hex)
    };
    swap(&path(b"one"), &path(b"two"));
    // The memory of this process must not believe a file under another name either.
    for store in [&store, &open(&dir)] {
        assert!(copy_out(store, &dir, &BlobId::of(b"one"), 3).is_err());
        assert!(store.contains_verified(&BlobId::of(b"two"), 3).is_err());
    }
}

fn swap(a: &Path, b: &Path) {
    let aside = a.with_extension("aside");
    std::fs::rename(a, &aside).unwrap();
    std::fs::rename(b, a).unwrap();
    std::fs::rename(aside, b).unwrap();
}

#[test]
fn a_blob_that_holds_another_value_is_no_result() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = super::result_of(key("a"), b"x");
    commit(&store, key("a"), b"x", Replace::No);
    // A key's file that names a blob that is whole, but no result.
    let path = &files(&dir, "keys")[0];
    let bytes = std::fs::read(path).unwrap();
    let record = BlobId::of(b"record");
    let forged = [&bytes[..bytes.len() - 32], record.digest().as_bytes()].concat();
    rewrite(path, &forged);
    let found = store.look_up(&key("a"));
    assert!(matches!(found, Lookup::Absent(MissReason::UnknownKind(_))));
    assert!(store.read_blob(&record, 100).is_ok(), "it is not put aside");
    commit(&store, key("a"), b"x", Replace::No);
    assert_eq!(store.look_up(&key("a")), Lookup::Found(Box::new(result)));
}

#[test]
fn a_wrong_size_that_is_asked_for_does_not_cost_a_whole_blob() {
    let dir = TempDir::new();
    let store = open(&dir);
    let stored = store.put_bytes(CONTENT).unwrap();
    assert!(store.contains_verified(&stored.blob, 1).is_err());
    assert!(copy_out(&store, &dir, &stored.blob, 1).is_err());
    let size = CONTENT.len();
    assert_eq!(
        copy_out(&store, &dir, &stored.blob, size).as_deref(),
        Ok(CONTENT)
    );
}

#[test]
fn an_edit_through_a_hard_link_is_seen() {
    let dir = TempDir::new();
    let store = open(&dir);
    let content = vec![1; 10_000];
    let stored = store.put_bytes(&content).unwrap();
    // As root the store makes none: what it would make is made here.
    let path = files(&dir, "blobs").remove(0);
    std::fs::hard_link(&path, dir.join("output")).unwrap();
    assert!(store.contains_verified(&stored.blob, 10_000).is_ok());
    rewrite(&dir.join("output"), &[2; 10_000]);
    assert!(store.contains_verified(&stored.blob, 10_000).is_err());
    assert_eq!(store.take_faults().len(), 1);
}

#[test]
fn exported_content_is_verified_in_every_mode() {
    let dir = TempDir::new();
    let content = vec![3; 100_000];
    for mode in [LinkMode::Copy, LinkMode::Reflink, LinkMode::Hard] {
        let store = open(&dir);
        let stored = store.put_bytes(&content).unwrap();
        let export = |store: &LocalStore| {
            let path = dir.join("exported");
            let file = std::fs::File::create(&path).unwrap();
            store
                .export(
                    (&stored.blob, stored.size),
                    mode,
                    (&file, &path),
                    &Meter::new(),
                )
                .map(|_| std::fs::read(&path).unwrap())
        };
        assert_eq!(export(&store).unwrap(), content);
        let path = files(&dir, "blobs").remove(0);
        let mut bad = content.clone();
        bad[99_999] = 4;
        rewrite(&path, &bad);
        assert!(export(&open(&dir)).is_err());
    }
}

#[test]
fn a_blob_that_vanishes_during_a_commit_is_told() {
    let dir = TempDir::new();
    let store = open(&dir);
    prepare(&store, key("a"), CONTENT);
    let (result, stored): (StoredResult, _) = prepare(&store, key("a"), CONTENT);
    let hex = BlobId::of(CONTENT).hex();
    std::fs::remove_file(dir.join("store/v1/blobs").join(&hex[..2]).join(&hex)).unwrap();
    let error = store.record(&result, &stored, Replace::No).unwrap_err();
    assert!(matches!(error, StoreError::Vanished(blob) if blob == BlobId::of(CONTENT)));
}

#[test]
fn what_is_of_the_wrong_kind_makes_way() {
    let dir = TempDir::new();
    commit(&open(&dir), key("a"), CONTENT, Replace::No);
    let paths = [files(&dir, "blobs"), files(&dir, "keys")].concat();
    let folders = paths
        .iter()
        .flat_map(|path| path.ancestors().skip(1).take(2));
    let places: BTreeSet<_> = paths.iter().map(PathBuf::as_path).chain(folders).collect();
    for place in places {
        if place.is_dir() {
            std::fs::remove_dir_all(place).unwrap();
            std::fs::write(place, "a file").unwrap();
        } else {
            std::fs::remove_file(place).unwrap();
            std::fs::create_dir_all(place.join("x")).unwrap();
        }
        let shown = place.display();
        assert!(serve(&open(&dir), &dir).is_err(), "{shown}");
        commit(&open(&dir), key("a"), CONTENT, Replace::No);
        assert_eq!(serve(&open(&dir), &dir).as_deref(), Ok(CONTENT), "{shown}");
    }
}

#[test]
fn what_can_be_no_lease_makes_way() {
    let dir = TempDir::new();
    let store = open(&dir);
    drop(store.lease(LeaseOn::Key(&key("a"))).try_acquire());
    let path = dir.join("store/v1/leases").join(key("a").hex());
    std::fs::create_dir(&path).unwrap();
    let lease = store.lease(LeaseOn::Key(&key("a"))).try_acquire();
    assert!(matches!(lease, Acquisition::Acquired(_)), "{lease:?}");
    drop(lease);
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    let lease = store.lease(LeaseOn::Key(&key("a"))).try_acquire();
    assert!(matches!(lease, Acquisition::Acquired(_)), "{lease:?}");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_put_aside() {
    let dir = TempDir::new();
    commit(&open(&dir), key("a"), CONTENT, Replace::No);
    for path in [files(&dir, "blobs"), files(&dir, "keys")].concat() {
        for replace in [Replace::No, Replace::Yes] {
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("inside"), "x").unwrap();
            let store = open(&dir);
            assert!(serve(&store, &dir).is_err());
            commit(&store, key("a"), CONTENT, replace);
            assert_eq!(serve(&open(&dir), &dir).as_deref(), Ok(CONTENT));
        }
    }
}
