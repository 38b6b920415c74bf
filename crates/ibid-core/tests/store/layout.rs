//! How a store comes to be, and what is refused.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use ibid_core::digest::BlobId;
use ibid_core::store::{
    Access, LeaseOn, LocalStore, Lookup, MissReason, OpenError, OwnerCheck, Refusal, Replace,
    Sharing, StoreError, StoreOptions,
};
use ibid_testkit::TempDir;

use super::{commit, copy_out, files, key, open, put_file, snapshot};

#[test]
fn looking_creates_nothing() {
    let dir = TempDir::new();
    let store = open(&dir);
    assert_eq!(store.look_up(&key("a")), Lookup::Absent(MissReason::Absent));
    assert!(store.read_blob(&BlobId::of(b"x"), 10).is_err());
    assert!(store.entries(5).unwrap().is_empty());
    assert!(store.keys().unwrap().is_empty());
    assert_eq!(store.generation().unwrap(), None);
    let _ = store.lease(LeaseOn::Key(&key("a")));
    assert!(!dir.join("store").exists());
}

#[test]
fn a_new_store_says_what_it_is() {
    let dir = TempDir::new();
    let options = StoreOptions {
        created: "2026-01-02T03:04:05Z".to_owned(),
        ..StoreOptions::default()
    };
    let store = LocalStore::open(&dir.join("store"), options).unwrap();
    store.put_bytes(b"x").unwrap();
    let tag = std::fs::read_to_string(dir.join("store/CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
    let json = std::fs::read(dir.join("store/store.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["created"], "2026-01-02T03:04:05Z");
    assert_eq!(json["uuid"].as_str().unwrap().len(), 36);
    assert!(files(&dir, "tmp").is_empty());
}

#[test]
fn many_may_make_one_store_at_once() {
    let dir = TempDir::new();
    std::thread::scope(|scope| {
        for i in 0..32_u8 {
            let dir = &dir;
            scope.spawn(move || {
                let store = open(dir);
                store.put_bytes(&[i]).unwrap();
                commit(&store, key("a"), b"same", Replace::No);
            });
        }
    });
    let store = open(&dir);
    assert_eq!(store.blobs().unwrap().len(), 32 + 3);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    assert!(files(&dir, "tmp").is_empty());
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let dir = TempDir::new();
    let path = dir.join("store");
    open(&dir).put_bytes(b"x").unwrap();
    std::fs::create_dir(path.join("v2")).unwrap();
    let error = LocalStore::open(&path, StoreOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 2, .. }));
    std::fs::write(path.join("store.json"), br#"{"format": 7}"#).unwrap();
    let error = LocalStore::open(&path, StoreOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("format 7") && text.contains("format 1"),
        "{text}"
    );
}

#[test]
fn a_foreign_directory_is_never_written() {
    let dir = TempDir::new();
    let path = dir.join("store");
    // Opened while nothing was there.
    let store = open(&dir);
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("thesis.tex"), b"x").unwrap();
    // Other programs' caches have the tag too.
    std::fs::write(path.join("CACHEDIR.TAG"), b"Signature: 8a47").unwrap();
    let before = snapshot(&path);
    let refused = LocalStore::open(&path, StoreOptions::default()).unwrap_err();
    assert!(matches!(&refused, OpenError::Foreign { found, .. } if found == "thesis.tex"));
    let error = store.put_bytes(b"x").unwrap_err();
    assert!(matches!(&error, StoreError::Foreign { found, .. } if found == "thesis.tex"));
    assert!(store.invalidate(&key("a"), 0, "test").is_err());
    assert_eq!(snapshot(&path), before);
}

#[test]
fn a_folder_whose_own_files_have_the_names_of_a_store_is_never_written() {
    let own = br#"{"user": 1}"#.as_slice();
    let long = vec![b' '; 70_000];
    for (content, beside) in [(own, None), (own, Some("notes.txt")), (&long, None)] {
        let dir = TempDir::new();
        let path = dir.join("store");
        let store = open(&dir);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("store.json"), content).unwrap();
        if let Some(name) = beside {
            std::fs::write(path.join(name), b"x").unwrap();
        }
        let before = snapshot(&path);
        let refused = LocalStore::open(&path, StoreOptions::default()).unwrap_err();
        assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
        let error = store.put_bytes(b"x").unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert_eq!(snapshot(&path), before);
    }
}

#[test]
fn a_damaged_description_is_healed() {
    let dir = TempDir::new();
    open(&dir).put_bytes(b"x").unwrap();
    let path = dir.join("store/store.json");
    let long = vec![b' '; 70_000];
    for damage in [b"".as_slice(), b"\0\0\0\0", b"{}", &long] {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, damage).unwrap();
        open(&dir).put_bytes(b"y").unwrap();
        let json = std::fs::read_to_string(&path).unwrap();
        assert!(json.contains("uuid"), "{json}");
    }
}

#[test]
fn a_store_that_vanishes_is_made_again() {
    let dir = TempDir::new();
    let store = open(&dir);
    commit(&store, key("a"), b"x", Replace::No);
    std::fs::remove_dir_all(dir.join("store")).unwrap();
    commit(&store, key("a"), b"x", Replace::No);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
}

#[test]
fn a_store_that_vanishes_is_checked_again() {
    let dir = TempDir::new();
    let root = dir.join("store");
    let store = open(&dir);
    commit(&store, key("a"), b"x", Replace::No);
    std::fs::remove_dir_all(&root).unwrap();
    std::fs::create_dir(&root).unwrap();
    let set = |mode| std::fs::set_permissions(&root, std::fs::Permissions::from_mode(mode));
    set(0o777).unwrap();
    let late = store.put_bytes(b"y").unwrap_err();
    assert!(matches!(late, StoreError::Refused { .. }), "{late}");
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    set(0o755).unwrap();
    store.put_bytes(b"y").unwrap();
    assert!(root.join("CACHEDIR.TAG").exists() && root.join("store.json").exists());
}

#[test]
fn who_tells_what_is_wrong_with_a_store_may_look_at_it_and_not_write() {
    let dir = TempDir::new();
    let root = dir.join("store");
    commit(&open(&dir), key("a"), b"x", Replace::No);
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for doubtful in [root.clone(), root.join("v1"), root.join("v1/keys")] {
        set(&doubtful, 0o757);
        let options = StoreOptions {
            owner_check: OwnerCheck::BeforeWriting,
            ..StoreOptions::default()
        };
        let store = LocalStore::open(&root, options).unwrap();
        assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
        let refused = store.check_owner().unwrap_err();
        assert!(matches!(refused, OpenError::Refused { .. }), "{refused}");
        let before = snapshot(&root);
        let denied = store.put_bytes(b"new").unwrap_err();
        assert!(matches!(denied, StoreError::Refused { .. }), "{denied}");
        assert!(store.set_right(&root.join("store.json"), false).is_err());
        assert_eq!(snapshot(&root), before);
        // What makes it safe again may be done.
        store.set_right(&doubtful, false).unwrap();
        store.check_owner().unwrap();
        store.put_bytes(b"x").unwrap();
    }
}

#[test]
fn a_link_in_the_place_of_the_keys_is_no_folder_that_others_may_write() {
    let dir = TempDir::new();
    let keys = dir.join("store/v1/keys");
    commit(&open(&dir), key("a"), b"x", Replace::No);
    std::fs::rename(&keys, dir.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(dir.join("elsewhere"), &keys).unwrap();
    assert!(matches!(open(&dir).look_up(&key("a")), Lookup::Found(_)));
    let open_to_all = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.join("elsewhere"), open_to_all).unwrap();
    let refused = LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap_err();
    assert!(matches!(refused, OpenError::Refused { .. }), "{refused}");
    std::fs::remove_file(&keys).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &keys).unwrap();
    LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
}

#[test]
fn modes_are_set_whatever_the_umask_is() {
    for (sharing, root_mode, folders, blobs, keys) in [
        (Sharing::Group, 0o2770, 0o2770, 0o440, 0o640),
        (Sharing::Group, 0o2775, 0o2775, 0o444, 0o644),
        (Sharing::Private, 0o755, 0o755, 0o444, 0o644),
        (Sharing::Private, 0o775, 0o755, 0o444, 0o644),
        (Sharing::Private, 0o700, 0o700, 0o440, 0o640),
    ] {
        let dir = TempDir::new();
        let root = dir.join("store");
        std::fs::create_dir(&root).unwrap();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(root_mode)).unwrap();
        let options = StoreOptions {
            sharing,
            ..StoreOptions::default()
        };
        let store = LocalStore::open(&root, options).unwrap();
        commit(&store, key("a"), b"x", Replace::No);
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        for dir in ["v1", "v1/blobs", "v1/keys", "v1/tmp"] {
            assert_eq!(mode(&root.join(dir)), folders, "{root_mode:o} {dir}");
        }
        for folder in [files(&dir, "blobs"), files(&dir, "keys")].concat() {
            let shard = folder.parent().unwrap();
            assert_eq!(mode(shard), folders, "{root_mode:o}");
        }
        assert!(files(&dir, "blobs").iter().all(|path| mode(path) == blobs));
        assert!(files(&dir, "keys").iter().all(|path| mode(path) == keys));
        assert!(files(&dir, "tmp").is_empty());
    }
}

#[test]
fn a_store_that_everybody_may_write_is_refused_unless_somebody_vouches_for_it() {
    let dir = TempDir::new();
    let root = dir.join("store");
    let open = |owner_check| {
        let options = StoreOptions {
            owner_check,
            ..StoreOptions::default()
        };
        LocalStore::open(&root, options)
    };
    let store = open(OwnerCheck::Strict).unwrap();
    let refused = |path: &std::path::Path, mode| {
        let before = std::fs::metadata(path).unwrap().permissions();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(open(OwnerCheck::Waived).is_ok());
        let opened = open(OwnerCheck::Strict);
        std::fs::set_permissions(path, before).unwrap();
        match opened {
            Err(OpenError::Refused { refusal, .. }) => Some(refusal),
            _ => None,
        }
    };
    std::fs::create_dir(&root).unwrap();
    // It came to be after it was looked for, and is looked at again.
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o777)).unwrap();
    let late = store.put_bytes(b"x").unwrap_err();
    assert!(matches!(late, StoreError::Refused { .. }), "{late}");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(OwnerCheck::Strict).unwrap();
    commit(&store, key("a"), b"x", Replace::No);
    for path in [root.clone(), root.join("v1/keys")] {
        assert_eq!(refused(&path, 0o757), Some(Refusal::OthersWrite));
        assert_eq!(refused(&path, 0o1777), None, "sticky");
        assert_eq!(refused(&path, 0o755), None);
    }
}

#[test]
fn content_of_every_size_comes_back() {
    let dir = TempDir::new();
    let store = open(&dir);
    for size in [0, 1, 256 * 1024, 256 * 1024 + 1, 3_000_000] {
        let content: Vec<u8> = (0..=252).cycle().take(size).collect();
        let stored = put_file(&store, &dir, &content);
        assert_eq!(
            (stored.blob, stored.size),
            (BlobId::of(&content), size as u64)
        );
        assert!(!stored.reused);
        assert!(put_file(&store, &dir, &content).reused);
        assert_eq!(store.read_blob(&stored.blob, 4_000_000).unwrap(), content);
        assert_eq!(copy_out(&store, &dir, &stored.blob, size).unwrap(), content);
        assert!(files(&dir, "tmp").is_empty());
    }
    assert!(store.take_faults().is_empty());
}

#[test]
fn a_blob_above_the_limit_is_not_read() {
    let dir = TempDir::new();
    let store = open(&dir);
    let stored = store.put_bytes(b"12345").unwrap();
    assert!(store.read_blob(&stored.blob, 5).is_ok());
    assert!(store.read_blob(&stored.blob, 4).is_err());
    assert!(store.take_faults().is_empty());
}

#[test]
fn a_synced_store_does_the_same() {
    let dir = TempDir::new();
    let options = StoreOptions {
        durability: ibid_core::store::Durability::Synced,
        access: Access::ReadWrite,
        ..StoreOptions::default()
    };
    let store = LocalStore::open(&dir.join("store"), options).unwrap();
    commit(&store, key("a"), b"x", Replace::No);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    store.invalidate(&key("a"), 0, "test").unwrap();
    assert!(matches!(store.look_up(&key("a")), Lookup::Tombstone(_)));
}
