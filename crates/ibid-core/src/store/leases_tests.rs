//! Leases are held, waited for, taken over and given back as observers must see it.

use super::*;
use crate::fs::Host;
use crate::store::StoreOptions;
use crate::store::heart::{FEW, Heart};
use ibid_testkit::TempDir;

fn open(dir: &TempDir, boot: &str) -> LocalStore {
    let options = StoreOptions {
        host: Host {
            name: "here".to_owned(),
            boot_id: boot.to_owned(),
            machine_id: "m".to_owned(),
        },
        ..StoreOptions::default()
    };
    LocalStore::open(&dir.join("store"), options).unwrap()
}

fn key() -> Key {
    Key::derive(b"a")
}

/// Leaves a lease of somebody who does not say any more that it lives.
fn plant(attempt: &LeaseAttempt<'_>, holder: &Holder) {
    let content = [format!("{:020}", 7).as_bytes(), &holder.encode()].concat();
    let store = attempt.store;
    let mut staged = store.stage_bytes(&content, FILE_MODE).unwrap();
    store
        .layout
        .publish_over(&mut staged, &attempt.path)
        .unwrap();
}

fn is_held(acquisition: &Acquisition) -> bool {
    matches!(acquisition, Acquisition::Held(_))
}

fn is_acquired(acquisition: &Acquisition) -> bool {
    matches!(acquisition, Acquisition::Acquired(_))
}

#[test]
fn one_holder_at_a_time_and_the_next_after_it() {
    let dir = TempDir::new();
    let (one, two) = (open(&dir, "b"), open(&dir, "b"));
    let first = one.lease(LeaseOn::Key(&key())).try_acquire();
    let mut attempt = two.lease(LeaseOn::Key(&key()));
    let Acquisition::Held(holder) = attempt.try_acquire() else {
        panic!("it is held");
    };
    assert!(attempt.is_ours(&holder));
    let child = Holder {
        pid: holder.pid + 1,
        ..holder
    };
    assert!(!attempt.is_ours(&child));
    let other = two.lease(LeaseOn::Output(Path::new("/a"))).try_acquire();
    assert!(is_acquired(&other));
    drop(first);
    assert!(is_acquired(&attempt.try_acquire()));
}

#[test]
fn a_process_that_is_gone_holds_nothing() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    let mut attempt = store.lease(LeaseOn::Key(&key()));
    let mut dead = attempt.identity.clone();
    // The process lives, but it started at another time: its id was used again.
    dead.start += 1;
    dead.nonce = [1; 16];
    plant(&attempt, &dead);
    assert!(is_acquired(&attempt.try_acquire()));
    // No process has the largest id.
    dead.pid = i32::MAX as u32;
    plant(&attempt, &dead);
    assert!(is_acquired(&attempt.try_acquire()));
}

#[test]
fn a_process_of_another_boot_of_this_machine_holds_nothing() {
    let dir = TempDir::new();
    let earlier = open(&dir, "b").lease(LeaseOn::Key(&key())).identity;
    let store = open(&dir, "c");
    let mut attempt = store.lease(LeaseOn::Key(&key()));
    plant(&attempt, &earlier);
    assert!(is_acquired(&attempt.try_acquire()));
    let elsewhere = Holder {
        host: "there".to_owned(),
        ..earlier
    };
    plant(&attempt, &elsewhere);
    assert!(is_held(&attempt.try_acquire()));
}

#[test]
fn nobody_waits_for_a_process_that_waits_for_it() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    let mut attempt = store.lease(LeaseOn::Key(&key()));
    let mut parent = attempt.identity.clone();
    parent.pid = std::os::unix::process::parent_id();
    parent.start = fs::start_time(parent.pid).unwrap();
    parent.nonce = [3; 16];
    plant(&attempt, &parent);
    let tried = attempt.try_acquire();
    assert!(matches!(tried, Acquisition::Unavailable), "{tried:?}");
    assert!(store.take_faults().is_empty());
}

#[test]
fn a_counter_that_stands_still_is_judged_by_the_observers_clock() {
    let dir = TempDir::new();
    let store = open(&dir, "");
    let mut attempt = store.lease(LeaseOn::Key(&key()));
    let mut away = attempt.identity.clone();
    (away.boot, away.nonce) = ("another".to_owned(), [2; 16]);
    plant(&attempt, &away);
    let start = Instant::now();
    assert!(is_held(&attempt.try_at(start)));
    assert!(is_held(&attempt.try_at(start + STILL)));
    // A beat starts the time again.
    let (file, _) = fs::open_in_place(&attempt.path).unwrap();
    let beat = b"00000000000000000008";
    std::os::unix::fs::FileExt::write_all_at(&file, beat, 0).unwrap();
    let later = start + STILL + BEAT;
    assert!(is_held(&attempt.try_at(later)));
    assert!(is_held(&attempt.try_at(later + STILL)));
    let after = later + STILL + Duration::from_millis(1);
    assert!(is_acquired(&attempt.try_at(after)));
}

#[test]
fn a_lease_that_was_taken_over_is_not_released_by_its_old_owner() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    let Acquisition::Acquired(suspended) = store.lease(LeaseOn::Key(&key())).try_acquire() else {
        panic!("nobody holds it");
    };
    assert!(suspended.is_ours());
    let mut attempt = store.lease(LeaseOn::Key(&key()));
    let dead = fs::read_small(&attempt.path, LIMIT).unwrap();
    attempt.take_over(&dead);
    let next = attempt.try_acquire();
    assert!(is_acquired(&next));
    assert!(!suspended.is_ours());
    drop(suspended);
    assert!(fs::exists(&attempt.path).unwrap());
    drop(next);
    assert!(!fs::exists(&attempt.path).unwrap());
}

#[test]
fn a_living_lease_that_was_renamed_by_mistake_goes_back() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    let held = store.lease(LeaseOn::Key(&key())).try_acquire();
    let mut attempt = store.lease(LeaseOn::Key(&key()));
    let mut other = attempt.identity.clone();
    other.nonce = [9; 16];
    attempt.take_over(&[b"00000000000000000000".as_slice(), &other.encode()].concat());
    let Acquisition::Acquired(held) = held else {
        panic!("nobody held it");
    };
    assert!(held.is_ours());
}

#[test]
fn a_file_that_is_no_lease_blocks_for_a_while_only() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    drop(store.lease(LeaseOn::Key(&key())).try_acquire());
    let mut attempt = store.lease(LeaseOn::Key(&key()));
    let mut staged = store.stage_bytes(b"?", FILE_MODE).unwrap();
    store
        .layout
        .publish_over(&mut staged, &attempt.path)
        .unwrap();
    let start = Instant::now();
    assert!(is_held(&attempt.try_at(start)));
    assert!(is_acquired(&attempt.try_at(start + STILL + BEAT)));
}

fn counter(path: &Path) -> Vec<u8> {
    fs::read_small(path, LIMIT).unwrap()[..COUNTER].to_vec()
}

#[test]
fn held_leases_keep_saying_that_their_owner_lives_by_one_thread() {
    let dir = TempDir::new();
    let mut store = open(&dir, "b");
    store.heart = Heart::new(Duration::from_millis(1));
    let paths = [Path::new("/a"), Path::new("/b")];
    let take = |path| {
        let mut attempt = store.lease(LeaseOn::Output(path));
        let Acquisition::Acquired(lease) = attempt.try_acquire() else {
            panic!("nobody holds it");
        };
        (attempt.path, lease)
    };
    let held = paths.map(take);
    let deadline = Instant::now() + Duration::from_secs(30);
    for (path, lease) in &held {
        while counter(path).as_slice() < b"00000000000000000008".as_slice() {
            assert!(Instant::now() < deadline, "it does not beat");
            std::thread::yield_now();
        }
        assert!(lease.is_ours());
    }
    for (path, lease) in held {
        drop(lease);
        assert!(!fs::exists(&path).unwrap());
    }
}

#[test]
fn a_lease_of_a_moment_beats_once_that_takes_longer_or_its_owner_waits() {
    for waits in [false, true] {
        let dir = TempDir::new();
        let (mut store, other) = (open(&dir, "b"), open(&dir, "b"));
        store.heart = Heart::new(Duration::from_millis(1));
        let _others = other.lease(LeaseOn::Key(&key())).try_acquire();
        let mut attempt = store
            .lease(LeaseOn::Output(Path::new("/a")))
            .at(Pace::Brief);
        let Acquisition::Acquired(lease) = attempt.try_acquire() else {
            panic!("nobody holds it");
        };
        assert!(!store.heart.beats());
        if waits {
            assert!(is_held(&store.lease(LeaseOn::Key(&key())).try_acquire()));
        } else {
            store.takes_longer();
        }
        assert!(store.heart.beats());
        let deadline = Instant::now() + Duration::from_secs(30);
        while counter(&attempt.path).as_slice() < b"00000000000000000002".as_slice() {
            assert!(Instant::now() < deadline, "it does not beat");
            std::thread::yield_now();
        }
        assert!(lease.is_ours());
    }
}

#[test]
fn the_file_of_a_lease_that_made_way_is_the_next_entry_of_history() {
    use crate::store::history::tests::entry;
    for label in ["p", &"long".repeat(100)] {
        let dir = TempDir::new();
        let store = open(&dir, "b");
        let mut attempt = store.lease(LeaseOn::Output(Path::new("/a")));
        let Acquisition::Acquired(lease) = attempt.try_acquire() else {
            panic!("nobody holds it");
        };
        let number = Signature::of_link(&attempt.path).unwrap().inode;
        lease.make_way();
        assert!(!fs::exists(&attempt.path).unwrap());
        let mut first = entry();
        (first.label, first.root, first.host) = (label.to_owned(), String::new(), String::new());
        store.append(&first).unwrap();
        store.append(&first).unwrap();
        assert_eq!(store.entries(3).unwrap(), [first.clone(), first]);
        let runs = fs::list_signatures(&store.layout.dir("runs")).unwrap();
        let those = runs.iter().filter(|(_, seen)| seen.inode == number);
        assert_eq!((runs.len(), those.count()), (2, 1));
        assert!(runs.iter().all(|(_, seen)| seen.mode & 0o7777 == FILE_MODE));
        assert!(fs::list_dir(&store.layout.dir("tmp")).unwrap().is_empty());
        // One for which nothing comes goes with the store.
        let mut attempt = store.lease(LeaseOn::Output(Path::new("/a")));
        if let Acquisition::Acquired(lease) = attempt.try_acquire() {
            lease.make_way();
        }
        let tmp = store.layout.dir("tmp");
        assert_eq!(fs::list_dir(&tmp).unwrap().len(), 1);
        store.leave();
        assert!(fs::list_dir(&tmp).unwrap().is_empty());
    }
}

#[test]
fn the_file_of_a_released_lease_is_that_of_the_next_and_goes_with_the_store() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    let key = key();
    let inode = |path: &Path| Signature::of_link(path).unwrap().inode;
    let take = |on| {
        let mut attempt = store.lease(on);
        let Acquisition::Acquired(lease) = attempt.try_acquire() else {
            panic!("nobody holds it");
        };
        lease
    };
    for _ in 0..=FEW {
        drop(take(LeaseOn::Key(&key)));
    }
    let first = take(LeaseOn::Output(Path::new("/a")));
    // The longer content must not shine through.
    first.session_note()(4_000_000, 1 << 40);
    let (number, nonce) = (inode(&first.path), first.identity.nonce);
    drop(first);
    let next = take(LeaseOn::Key(&key));
    assert_eq!(inode(&next.path), number);
    let content = fs::read_small(&next.path, LIMIT).unwrap();
    let holder = decode(&content).unwrap();
    assert_eq!(
        (holder.nonce, holder.session),
        (next.identity.nonce, (0, 0))
    );
    assert_ne!(holder.nonce, nonce);
    // A place that is taken stays its owner's, whether there is a spare or not.
    drop(take(LeaseOn::Output(Path::new("/b"))));
    for _ in 0..2 {
        assert!(is_held(&store.lease(LeaseOn::Key(&key)).try_acquire()));
        assert!(next.is_ours());
    }
    drop(next);
    let tmp = store.layout.dir("tmp");
    assert!(!fs::list_dir(&tmp).unwrap().is_empty());
    drop(store);
    assert!(fs::list_dir(&tmp).unwrap().is_empty());
}

#[test]
fn a_spare_that_was_collected_costs_a_new_file_and_nothing_else() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    for _ in 0..=FEW {
        drop(store.lease(LeaseOn::Key(&key())).try_acquire());
    }
    let tmp = store.layout.dir("tmp");
    let spares = fs::list_dir(&tmp).unwrap();
    assert!(!spares.is_empty());
    for (name, _) in spares {
        fs::remove_file(&fs::below(&tmp, &name)).unwrap();
    }
    let tried = store.lease(LeaseOn::Key(&key())).try_acquire();
    assert!(is_acquired(&tried));
    assert!(store.take_faults().is_empty());
}

#[test]
fn where_leases_fail_it_is_told_once() {
    let dir = TempDir::new();
    let store = open(&dir, "b");
    drop(store.lease(LeaseOn::Key(&key())).try_acquire());
    let leases = store.layout.dir("leases");
    rustix::fs::rmdir(&leases).unwrap();
    // Nor can what is in the way be moved to the trash.
    for path in [leases, store.layout.dir("trash")] {
        let mut staged = store.stage_bytes(b"", FILE_MODE).unwrap();
        store.layout.publish_over(&mut staged, &path).unwrap();
    }
    for _ in 0..3 {
        let tried = store.lease(LeaseOn::Key(&key())).try_acquire();
        assert!(matches!(tried, Acquisition::Unavailable));
    }
    assert_eq!(store.take_faults().len(), 1);
}

#[test]
fn waiting_times_double_up_to_a_limit() {
    let waits: Vec<_> = Backoff::default().take(8).map(|w| w.as_millis()).collect();
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 200, 200]);
}
