//! A store that may only be read: everything is served, nothing is changed.

use ibid_core::digest::BlobId;
use ibid_core::fs::Meter;
use ibid_core::store::{
    Access, Acquisition, LeaseOn, LinkMode, LocalStore, Lookup, Replace, StoreError, StoreOptions,
};
use ibid_testkit::TempDir;

use super::{commit, entry, files, key, open, snapshot};

fn open_read_only(dir: &TempDir) -> LocalStore {
    let options = StoreOptions {
        access: Access::ReadOnly,
        ..StoreOptions::default()
    };
    LocalStore::open(&dir.join("store"), options).unwrap()
}

#[test]
fn a_read_only_store_serves_without_any_change() {
    let dir = TempDir::new();
    let writer = open(&dir);
    commit(&writer, key("a"), b"x", Replace::No);
    commit(&writer, key("damaged"), b"damaged", Replace::No);
    writer.append(&entry(1, "p/s", key("a"))).unwrap();
    let bad = &files(&dir, "keys")[0];
    let (whole, damaged) = if bad.ends_with(key("a").hex()) {
        ("damaged", "a")
    } else {
        ("a", "damaged")
    };
    std::fs::write(bad, b"?").unwrap();
    let before = snapshot(&dir.join("store"));

    let store = open_read_only(&dir);
    assert!(!store.is_writable());
    assert!(matches!(store.look_up(&key(whole)), Lookup::Found(_)));
    assert!(matches!(store.look_up(&key(damaged)), Lookup::Absent(_)));
    assert_eq!(store.take_faults().len(), 1);
    assert_eq!(store.read_blob(&BlobId::of(b"x"), 1).unwrap(), b"x");
    let path = dir.join("exported");
    let file = std::fs::File::create(&path).unwrap();
    store
        .export(
            (&BlobId::of(b"x"), 1),
            LinkMode::Reflink,
            (&file, &path),
            &Meter::new(),
        )
        .unwrap();
    assert_eq!(store.entries(5).unwrap().len(), 1);
    assert_eq!(
        store.find_output(BlobId::of(b"x").digest()).unwrap().len(),
        usize::from(whole == "a")
    );
    store.take_faults();
    let lease = store.lease(LeaseOn::Key(&key("a"))).try_acquire();
    assert!(matches!(lease, Acquisition::Unavailable));
    assert!(matches!(
        store.put_bytes(b"y"),
        Err(StoreError::ReadOnly(_))
    ));
    assert!(store.append(&entry(2, "p/s", key("a"))).is_err());
    assert!(store.invalidate(&key("a"), 0, "test").is_err());
    assert!(
        store.take_faults().is_empty(),
        "no leases is what was asked for"
    );

    assert_eq!(snapshot(&dir.join("store")), before);
}

#[test]
fn without_leases_everything_else_works() {
    let dir = TempDir::new();
    let options = StoreOptions {
        leases: false,
        ..StoreOptions::default()
    };
    let store = LocalStore::open(&dir.join("store"), options).unwrap();
    let lease = store.lease(LeaseOn::Key(&key("a"))).try_acquire();
    assert!(matches!(lease, Acquisition::Unavailable));
    commit(&store, key("a"), b"x", Replace::No);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    assert!(store.take_faults().is_empty());
}
