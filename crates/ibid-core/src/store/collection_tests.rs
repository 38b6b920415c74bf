//! The protocol of collection, a race at a time: the steps of a collector, a writer and a reader
//! are called one by one in the order that would hurt. No process waits and no clock runs: files
//! are aged by setting their times back.

use std::path::{Path, PathBuf};

use ibid_testkit::TempDir;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::trash::Moved;
use super::{
    Access, Lookup, MissReason, Outcome, OutputContent, Pin, Recorded, Replace, RunInfo,
    StoreError, StoreOptions, Stored, StoredAs, StoredOutput, StoredResult,
};
use super::{BlobProblem, LocalStore};
use crate::digest::{BlobId, Key};
use crate::fs::{self, Dir, Signature, Timestamp};

pub(super) const HOUR: i64 = 3600;

const CONTENT: &[u8] = b"content";

/// Opens a store as a process of its own would.
pub(super) fn open(dir: &TempDir) -> LocalStore {
    open_for(dir, Access::ReadWrite)
}

pub(super) fn open_for(dir: &TempDir, access: Access) -> LocalStore {
    let options = StoreOptions {
        access,
        ..StoreOptions::default()
    };
    LocalStore::open(&dir.join("store"), options).unwrap()
}

pub(super) fn key(name: &str) -> Key {
    Key::derive(name.as_bytes())
}

/// Sets the time of a file back.
pub(super) fn age(path: &Path, seconds: i64) {
    let seen = Signature::of_link(path).unwrap().mtime;
    let stamp = Timespec {
        tv_sec: seen.seconds - seconds,
        tv_nsec: seen.nanos.into(),
    };
    let times = Timestamps {
        last_access: stamp,
        last_modification: stamp,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub(super) fn stamp_of(path: &Path) -> u64 {
    let seen = Signature::of_link(path).unwrap().mtime;
    u64::try_from(seen.as_nanos()).unwrap()
}

pub(super) fn result_of(key: Key, content: &[u8]) -> StoredResult {
    StoredResult {
        key,
        outcome: Outcome {
            exit_code: 0,
            outputs: vec![StoredOutput {
                name: b"out".to_vec(),
                at: None,
                content: OutputContent::File {
                    executable: false,
                    size: content.len() as u64,
                    blob: BlobId::of(content),
                },
                stored_as: StoredAs::Content,
            }],
        },
        run: RunInfo {
            record: BlobId::of(b"record"),
            log: None,
            started: 1,
            duration: 2,
            host: "h".to_owned(),
            user: None,
            version: "0".to_owned(),
            label: "p/s".to_owned(),
        },
    }
}

/// A result of one output file, whose blobs are stored.
fn prepare(store: &LocalStore, key: Key, content: &[u8]) -> (StoredResult, Vec<Stored>) {
    let record = store.put_bytes(b"record").unwrap();
    let output = store.put_bytes(content).unwrap();
    (result_of(key, content), vec![record, output])
}

fn commit(store: &LocalStore, key: Key, content: &[u8], replace: Replace) -> BlobId {
    let (result, stored) = prepare(store, key, content);
    store.record(&result, &stored, replace).unwrap();
    BlobId::of(&result.encode())
}

fn place(store: &LocalStore, content: &[u8]) -> PathBuf {
    store.layout.blob(&BlobId::of(content))
}

fn trashed(store: &LocalStore, content: &[u8]) -> PathBuf {
    store.layout.trashed_blob(&BlobId::of(content))
}

fn there(path: &Path) -> bool {
    fs::exists(path).unwrap()
}

/// A store with one blob that is an hour old, and its stamp as a collector lists it.
fn with_old_blob(dir: &TempDir) -> (LocalStore, BlobId, u64) {
    let store = open(dir);
    let blob = store.put_bytes(CONTENT).unwrap().blob;
    age(&place(&store, CONTENT), HOUR);
    let listed = stamp_of(&place(&store, CONTENT));
    (store, blob, listed)
}

/// A blob in the trash.
fn with_trashed_blob(dir: &TempDir) -> (LocalStore, BlobId, u64) {
    let (store, blob, listed) = with_old_blob(dir);
    assert!(store.discard_blob(&blob, listed).unwrap().went());
    assert!(trashed(&store, CONTENT).exists() && !place(&store, CONTENT).exists());
    (store, blob, listed)
}

fn top(store: &LocalStore) -> Dir {
    store.top().unwrap().unwrap()
}

#[test]
fn what_is_reused_since_it_was_listed_stays() {
    let dir = TempDir::new();
    let (collector, blob, listed) = with_old_blob(&dir);
    let reused = open(&dir).put_bytes(CONTENT).unwrap();
    assert!(reused.reused && reused.modified.as_nanos() > i128::from(listed));
    assert!(!collector.discard_blob(&blob, listed).unwrap().went());
    assert!(there(&place(&collector, CONTENT)));
}

#[test]
fn what_is_reused_between_the_look_and_the_move_goes_back() {
    let dir = TempDir::new();
    let (collector, blob, listed) = with_old_blob(&dir);
    let top = top(&collector);
    let seen = collector.discardable(&top, &blob, listed).unwrap().unwrap();
    open(&dir).put_bytes(CONTENT).unwrap();
    let moved = collector.move_blob_out(&top, &blob, &seen).unwrap();
    assert_eq!(moved, Moved::Done);
    assert!(!collector.confirm_discard(&top, &blob, listed).unwrap());
    assert!(there(&place(&collector, CONTENT)));
    assert!(!there(&trashed(&collector, CONTENT)));
}

#[test]
fn a_second_collector_finds_nothing_to_move() {
    let dir = TempDir::new();
    let (first, blob, listed) = with_old_blob(&dir);
    let top = top(&first);
    let seen = first.discardable(&top, &blob, listed).unwrap().unwrap();
    assert!(open(&dir).discard_blob(&blob, listed).unwrap().went());
    // The same inode lies in the trash: a lost reply looks no different.
    assert_eq!(
        first.move_blob_out(&top, &blob, &seen).unwrap(),
        Moved::Found
    );
    assert!(first.confirm_discard(&top, &blob, listed).unwrap());
    assert!(!first.discard_blob(&blob, listed).unwrap().went());
}

#[test]
fn a_reader_takes_back_what_it_misses_and_no_collector_that_saw_it_moves_it_again() {
    let dir = TempDir::new();
    let (collector, blob, listed) = with_trashed_blob(&dir);
    let reader = open(&dir);
    assert_eq!(reader.read_blob(&blob, 100).unwrap(), CONTENT);
    assert!(there(&place(&reader, CONTENT)) && !there(&trashed(&reader, CONTENT)));
    assert!(!collector.discard_blob(&blob, listed).unwrap().went());
    assert!(reader.take_faults().is_empty());
}

#[test]
fn a_reader_that_has_opened_a_blob_goes_on_reading_when_it_is_collected_and_deleted() {
    let dir = TempDir::new();
    let (store, blob, listed) = with_old_blob(&dir);
    let (file, _) = store.open_verified(&blob, None).unwrap();
    assert!(store.discard_blob(&blob, listed).unwrap().went());
    let path = store.below(&trashed(&store, CONTENT));
    let path = String::from_utf8(path.as_bytes().to_vec()).unwrap();
    store.delete_leftover(&path).unwrap();
    let mut bytes = [0; 7];
    fs::read_at_most(&file, Path::new("open"), &mut bytes).unwrap();
    assert_eq!(bytes, CONTENT);
    let gone = store.read_blob(&blob, 100);
    assert!(matches!(gone, Err(BlobProblem::Absent(_))));
}

#[test]
fn a_read_only_store_reads_in_the_trash_and_changes_nothing() {
    let dir = TempDir::new();
    let (store, blob, listed) = with_trashed_blob(&dir);
    let reader = open_for(&dir, Access::ReadOnly);
    assert_eq!(reader.read_blob(&blob, 100).unwrap(), CONTENT);
    reader.contains_verified(&blob, 7).unwrap();
    assert_eq!(stamp_of(&trashed(&store, CONTENT)), listed);
    assert!(!reader.take_back(&blob).unwrap());
    assert!(!reader.discard_blob(&blob, listed).unwrap().went());
    assert_eq!(reader.own_clock(), None);
    assert!(!there(&place(&store, CONTENT)));
}

#[test]
fn what_was_damaged_in_the_trash_is_no_hit_and_heals() {
    let dir = TempDir::new();
    let (store, blob, _) = with_trashed_blob(&dir);
    let mut staged = store.stage_bytes(b"CONTENT", 0o444).unwrap();
    staged.publish_over(&trashed(&store, CONTENT)).unwrap();
    let reader = open(&dir);
    let read = reader.read_blob(&blob, 100);
    assert!(matches!(read, Err(BlobProblem::Damaged { .. })), "{read:?}");
    assert!(!reader.put_bytes(CONTENT).unwrap().reused);
    assert_eq!(reader.read_blob(&blob, 100).unwrap(), CONTENT);
}

#[test]
fn a_writer_has_the_bytes_and_does_not_look_in_the_trash() {
    let dir = TempDir::new();
    let (store, blob, listed) = with_trashed_blob(&dir);
    assert!(!store.put_bytes(CONTENT).unwrap().reused);
    assert!(there(&place(&store, CONTENT)) && there(&trashed(&store, CONTENT)));
    assert!(
        !store.discard_blob(&blob, listed).unwrap().went(),
        "it is another file"
    );
    let again = stamp_of(&place(&store, CONTENT));
    assert!(
        store.discard_blob(&blob, again).unwrap().went(),
        "over the older copy"
    );
}

#[test]
fn a_commit_takes_back_what_was_collected_before_its_keys_file_landed() {
    let dir = TempDir::new();
    let (collector, blob, listed) = with_old_blob(&dir);
    let writer = open(&dir);
    // The collector has looked before the writer reuses the blob, and moves it afterwards; it
    // dies before it looks again.
    let top = top(&collector);
    let seen = collector.discardable(&top, &blob, listed).unwrap().unwrap();
    let (result, stored) = prepare(&writer, key("a"), CONTENT);
    collector.move_blob_out(&top, &blob, &seen).unwrap();
    let recorded = writer.record(&result, &stored, Replace::No).unwrap();
    assert_eq!(recorded, Recorded::Ours);
    assert!(there(&place(&writer, CONTENT)));
}

#[test]
fn a_commit_whose_blob_is_gone_for_good_is_told_and_the_next_one_heals_it() {
    let dir = TempDir::new();
    let (store, _, listed) = with_old_blob(&dir);
    let (result, stored) = prepare(&store, key("a"), CONTENT);
    assert!(stamp_of(&place(&store, CONTENT)) > listed);
    fs::remove_file(&place(&store, CONTENT)).unwrap();
    let error = store.record(&result, &stored, Replace::No).unwrap_err();
    assert!(matches!(error, StoreError::Vanished(_)), "{error:?}");
    let (result, stored) = prepare(&store, key("a"), CONTENT);
    let recorded = store.record(&result, &stored, Replace::No).unwrap();
    assert_eq!(recorded, Recorded::Equal(Box::new(result)));
    assert!(there(&place(&store, CONTENT)));
}

#[test]
fn a_commit_that_was_suspended_looks_after_what_it_wrote_itself() {
    let dir = TempDir::new();
    let store = open(&dir);
    let (result, mut stored) = prepare(&store, key("a"), CONTENT);
    for blob in &mut stored {
        assert!(!blob.reused);
        blob.modified.seconds -= HOUR;
    }
    age(&place(&store, CONTENT), HOUR);
    let listed = stamp_of(&place(&store, CONTENT));
    assert!(
        store
            .discard_blob(&BlobId::of(CONTENT), listed)
            .unwrap()
            .went()
    );
    store.record(&result, &stored, Replace::No).unwrap();
    assert!(there(&place(&store, CONTENT)));
}

#[test]
fn a_collection_that_listed_before_the_keys_file_landed_moves_nothing_of_it() {
    let dir = TempDir::new();
    let store = open(&dir);
    let (result, mut stored) = prepare(&store, key("a"), CONTENT);
    // It was young when it was reused, and is not by the time the key's file lands.
    for blob in &mut stored {
        blob.modified.seconds -= HOUR;
    }
    age(&place(&store, CONTENT), HOUR);
    let listed = stamp_of(&place(&store, CONTENT));
    store.record(&result, &stored, Replace::No).unwrap();
    assert!(
        !store
            .discard_blob(&BlobId::of(CONTENT), listed)
            .unwrap()
            .went()
    );
    assert!(there(&place(&store, CONTENT)));
}

#[test]
fn freshening_keeps_a_blob_verified_and_spares_what_is_young() {
    let dir = TempDir::new();
    let (store, blob, listed) = with_old_blob(&dir);
    let seen = Signature::of_link(&place(&store, CONTENT)).unwrap();
    let verified = |seen: &Signature| store.options.verified.verified(seen, blob.digest());
    assert!(!verified(&seen), "it was aged behind the store's back");
    store.contains_verified(&blob, 7).unwrap();
    store.put_bytes(CONTENT).unwrap();
    let fresh = Signature::of_link(&place(&store, CONTENT)).unwrap();
    assert!(stamp_of(&place(&store, CONTENT)) > listed);
    assert!(verified(&fresh));
    store.put_bytes(CONTENT).unwrap();
    assert_eq!(Signature::of_link(&place(&store, CONTENT)).unwrap(), fresh);
}

#[test]
fn an_output_that_is_a_link_to_a_blob_keeps_its_time() {
    let dir = TempDir::new();
    let (store, _, listed) = with_old_blob(&dir);
    let file = fs::open_file(&place(&store, CONTENT)).unwrap();
    let handle = Dir::open(dir.path()).unwrap();
    fs::link_open(&file, handle.handle(), Path::new("output")).unwrap();
    assert!(store.put_bytes(CONTENT).unwrap().reused);
    assert_eq!(stamp_of(&dir.join("output")), listed);
}

#[test]
fn what_is_evicted_is_a_miss_and_comes_back_when_it_is_recorded_again() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    assert!(
        !store
            .evict(&key("a"), &BlobId::of(b"another"))
            .unwrap()
            .went()
    );
    assert!(store.evict(&key("a"), &result).unwrap().went());
    assert!(
        !store.evict(&key("a"), &result).unwrap().went(),
        "a second collector"
    );
    assert_eq!(store.look_up(&key("a")), Lookup::Absent(MissReason::Absent));
    commit(&store, key("a"), CONTENT, Replace::No);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
}

#[test]
fn what_lands_between_the_look_and_the_move_stands() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    let file = super::format::KeyFile::Result(result).encode();
    let top = top(&store);
    let seen = store.removable(&top, &key("a"), &file).unwrap().unwrap();
    let refreshed = commit(&open(&dir), key("a"), b"refreshed", Replace::Yes);
    store.move_key_out(&top, &key("a"), &seen).unwrap();
    assert_eq!(store.look_up(&key("a")), Lookup::Absent(MissReason::Absent));
    assert!(!store.confirm_evict(&top, &key("a"), &file).unwrap());
    let Lookup::Found(found) = store.look_up(&key("a")) else {
        panic!("it was put back");
    };
    assert_eq!(BlobId::of(&found.encode()), refreshed);
}

#[test]
fn an_invalidation_counts_at_every_moment_even_if_the_collector_dies() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    let file = super::format::KeyFile::Result(result).encode();
    let top = top(&store);
    let seen = store.removable(&top, &key("a"), &file).unwrap().unwrap();
    store.invalidate(&key("a"), 7, "wrong").unwrap();
    store.move_key_out(&top, &key("a"), &seen).unwrap();
    let is_tombstone = || matches!(open(&dir).look_up(&key("a")), Lookup::Tombstone(_));
    assert!(is_tombstone(), "while the collector holds it");
    let evicted = format!("trash/keys/{}/{}", &key("a").hex()[..2], key("a").hex());
    store.delete_leftover(&evicted).unwrap();
    assert!(is_tombstone(), "where the trash is emptied");
    assert!(there(&store.layout.key(&key("a"))));
    assert!(!store.confirm_evict(&top, &key("a"), &file).unwrap());
    assert!(is_tombstone());
    commit(&store, key("a"), CONTENT, Replace::No);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
}

#[test]
fn a_result_that_lands_over_a_tombstone_in_the_trash_counts_until_it_is_evicted() {
    let dir = TempDir::new();
    let store = open(&dir);
    store.invalidate(&key("a"), 7, "wrong").unwrap();
    let place = store.layout.key(&key("a"));
    let seen = Signature::of_link(&place).unwrap();
    store.move_key_out(&top(&store), &key("a"), &seen).unwrap();
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    assert!(store.evict(&key("a"), &result).unwrap().went());
    assert!(matches!(store.look_up(&key("a")), Lookup::Tombstone(_)));
}

#[test]
fn a_memory_of_an_invalidation_that_is_damaged_goes_on_to_count() {
    let dir = TempDir::new();
    let store = open(&dir);
    store.invalidate(&key("a"), 7, "wrong").unwrap();
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    assert!(store.evict(&key("a"), &result).unwrap().went());
    let mut staged = store.stage_bytes(b"damaged", 0o644).unwrap();
    let place = store.layout.tombstone(&key("a"));
    store.layout.publish_over(&mut staged, &place).unwrap();
    for _ in 0..2 {
        let found = store.look_up(&key("a"));
        let is_damage = |it: &MissReason| matches!(it, MissReason::Damaged { what: "key", .. });
        assert!(matches!(&found, Lookup::Absent(it) if is_damage(it)));
    }
    store.renew_tombstone(&key("a")).unwrap();
    assert!(matches!(store.look_up(&key("a")), Lookup::Tombstone(_)));
}

#[test]
fn a_tombstone_that_was_renewed_since_it_was_listed_stays() {
    let dir = TempDir::new();
    let store = open(&dir);
    store.invalidate(&key("a"), 7, "wrong").unwrap();
    let place = store.layout.tombstone(&key("a"));
    let listed = stamp_of(&place).max(stamp_of(&store.layout.key(&key("a"))));
    age(&place, HOUR);
    age(&store.layout.key(&key("a")), HOUR);
    let earlier = listed - u64::try_from(2 * HOUR).unwrap() * 1_000_000_000;
    assert!(!store.remove_tombstone(&key("a"), earlier).unwrap());
    store
        .invalidate(&key("a"), u64::MAX, "wrong again")
        .unwrap();
    assert!(!store.remove_tombstone(&key("a"), listed).unwrap());
    assert!(matches!(store.look_up(&key("a")), Lookup::Tombstone(_)));
}

#[test]
fn what_a_killed_collector_was_about_to_forget_of_an_invalidation_comes_back() {
    let dir = TempDir::new();
    let store = open(&dir);
    let lost = |when: u64| {
        store.invalidate(&key("a"), when, "wrong").unwrap();
        let aside = format!("trash/{}-{}", key("a").hex(), fs::random_name());
        let place = store.layout.tombstone(&key("a"));
        fs::rename(&place, &store.layout.dir(&aside)).unwrap();
        fs::remove_file(&store.layout.key(&key("a"))).unwrap();
        assert_eq!(store.look_up(&key("a")), Lookup::Absent(MissReason::Absent));
        aside
    };
    fs::create_dirs(&store.layout.dir("trash"), None).unwrap();
    let aside = lost(7);
    assert!(store.take_back_tombstone(&aside).unwrap());
    assert!(!store.take_back_tombstone(&aside).unwrap());
    assert!(matches!(store.look_up(&key("a")), Lookup::Tombstone(_)));
    let aside = lost(8);
    store.delete_leftover(&aside).unwrap();
    let Lookup::Tombstone(found) = store.look_up(&key("a")) else {
        panic!("emptying the trash takes it back, too");
    };
    assert_eq!(found.when, 8);
    let aside = lost(9);
    store.invalidate(&key("a"), 10, "wrong").unwrap();
    assert!(
        !store.take_back_tombstone(&aside).unwrap(),
        "a newer one stands"
    );
    store.delete_leftover(&aside).unwrap();
    assert!(!fs::exists(&store.layout.dir(&aside)).unwrap());
}

#[test]
fn what_was_replaced_since_it_was_judged_is_put_back() {
    let dir = TempDir::new();
    let store = open(&dir);
    commit(&store, key("a"), CONTENT, Replace::No);
    let place = store.layout.key(&key("a"));
    let seen = Signature::of_link(&place).unwrap();
    commit(&store, key("a"), CONTENT, Replace::Yes);
    assert_eq!(store.put_aside_seen(&place, &seen).unwrap(), None);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    let seen = Signature::of_link(&place).unwrap();
    assert!(store.put_aside_seen(&place, &seen).unwrap().is_some());
    assert_eq!(store.look_up(&key("a")), Lookup::Absent(MissReason::Absent));
}

#[test]
fn only_the_tombstone_that_stands_is_removed() {
    let dir = TempDir::new();
    let store = open(&dir);
    assert!(!store.remove_tombstone(&key("a"), u64::MAX).unwrap());
    commit(&store, key("a"), CONTENT, Replace::No);
    assert!(!store.remove_tombstone(&key("a"), u64::MAX).unwrap());
    store.invalidate(&key("a"), 7, "wrong").unwrap();
    assert!(store.remove_tombstone(&key("a"), u64::MAX).unwrap());
    assert_eq!(store.look_up(&key("a")), Lookup::Absent(MissReason::Absent));
    assert!(!store.remove_tombstone(&key("a"), u64::MAX).unwrap());
}

#[test]
fn a_newer_tombstone_is_not_removed_for_the_older_one() {
    let dir = TempDir::new();
    let store = open(&dir);
    store.invalidate(&key("a"), 7, "wrong").unwrap();
    let place = store.layout.key(&key("a"));
    let old = fs::read_small(&place, 100).unwrap();
    let seen = Signature::of_link(&place).unwrap();
    store.invalidate(&key("a"), 8, "still wrong").unwrap();
    store.move_key_out(&top(&store), &key("a"), &seen).unwrap();
    assert!(!store.confirm_evict(&top(&store), &key("a"), &old).unwrap());
    let Lookup::Tombstone(found) = store.look_up(&key("a")) else {
        panic!("it was put back");
    };
    assert_eq!(found.when, 8);
}

fn pin_on(name: &str, result: BlobId) -> Pin {
    Pin {
        key: key(name),
        result: Some(result),
        label: "p/s".to_owned(),
        when: 1,
        why: String::new(),
    }
}

#[test]
fn a_pinned_key_is_not_evicted_and_one_pinned_meanwhile_goes_back() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    let pin = pin_on("a", result);
    let file = super::format::KeyFile::Result(result).encode();
    let top = top(&store);
    let seen = store.removable(&top, &key("a"), &file).unwrap().unwrap();
    store.move_key_out(&top, &key("a"), &seen).unwrap();
    store.pin(&pin).unwrap();
    assert!(!store.confirm_evict(&top, &key("a"), &file).unwrap());
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    assert!(!store.evict(&key("a"), &result).unwrap().went());
    assert!(store.unpin(&key("a")).unwrap());
    assert!(store.evict(&key("a"), &result).unwrap().went());
}

#[test]
fn a_pin_says_whether_a_result_stands_when_it_has_landed() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    let pin = pin_on("a", result);
    assert!(store.pin(&pin).unwrap());
    assert!(store.unpin(&key("a")).unwrap());
    // Evicted between the look of whoever pins and the pin.
    assert!(store.evict(&key("a"), &result).unwrap().went());
    assert!(!store.pin(&pin).unwrap());
}

#[test]
fn a_restore_that_was_begun_ends_though_its_result_is_evicted() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    let reader = open(&dir);
    let Lookup::Found(found) = reader.look_up(&key("a")) else {
        panic!("it was stored");
    };
    assert!(store.evict(&key("a"), &result).unwrap().went());
    for (blob, _) in found.blobs().chain([(result, None)]) {
        let listed = stamp_of(&store.layout.blob(&blob));
        assert!(store.discard_blob(&blob, listed).unwrap().went());
    }
    assert_eq!(
        reader.read_blob(&BlobId::of(CONTENT), 100).unwrap(),
        CONTENT
    );
}

#[test]
fn a_key_whose_result_is_in_the_trash_is_a_hit_and_what_history_names_there_is_gone() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    let listed = stamp_of(&store.layout.blob(&result));
    assert!(store.discard_blob(&result, listed).unwrap().went());
    let named = store.read_result(&result);
    assert_eq!(named, Err(MissReason::ResultMissing(result)));
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    assert!(store.read_result(&result).is_ok());
}

#[test]
fn an_evicted_key_whose_blobs_are_in_place_is_stored_again_without_writing_them() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    assert!(store.evict(&key("a"), &result).unwrap().went());
    let (again, stored) = prepare(&open(&dir), key("a"), CONTENT);
    assert!(stored.iter().all(|stored| stored.reused));
    let recorded = open(&dir).record(&again, &stored, Replace::No).unwrap();
    assert_eq!(recorded, Recorded::Ours);
}

#[test]
fn a_result_that_answers_is_touched_once_a_day() {
    let dir = TempDir::new();
    commit(&open(&dir), key("a"), CONTENT, Replace::No);
    let store = open(&dir);
    let place = store.layout.key(&key("a"));
    let used = |store: &LocalStore| {
        let before = stamp_of(&place);
        assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
        let now = i64::try_from(before / 1_000_000_000).unwrap() + 25 * HOUR;
        let now = Timestamp {
            seconds: now,
            nanos: 0,
        };
        store.mark_used(&key("a"), now);
        stamp_of(&place) > before
    };
    age(&place, 25 * HOUR);
    store.mark_used(
        &key("a"),
        Timestamp {
            seconds: 1 << 40,
            nanos: 0,
        },
    );
    assert!(!used(&open_for(&dir, Access::ReadOnly)));
    assert!(used(&store));
    age(&place, -25 * HOUR);
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    let ahead = stamp_of(&place);
    let now = store.own_clock().unwrap();
    store.mark_used(&key("a"), now);
    assert!(stamp_of(&place) < ahead, "a clock that was wrong");
    let young = Signature::of_link(&place).unwrap().mtime;
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    store.mark_used(&key("a"), young);
    assert_eq!(Signature::of_link(&place).unwrap().mtime, young);
}

#[test]
fn what_a_reader_freshens_while_it_is_being_deleted_goes_back() {
    let dir = TempDir::new();
    let (store, blob, listed) = with_trashed_blob(&dir);
    let (file, _) = fs::open_nofollow(&trashed(&store, CONTENT)).unwrap();
    let top = top(&store);
    let aside = store.move_blob_aside(&top, &blob, listed).unwrap().unwrap();
    fs::touch_open(&file, Path::new("opened before")).unwrap();
    assert!(!store.confirm_delete(&top, (&blob, listed), &aside).unwrap());
    assert!(there(&place(&store, CONTENT)));
    assert!(!there(&trashed(&store, CONTENT)));
}

#[test]
fn a_commit_touches_what_it_reused_and_writes_nothing_anew() {
    let dir = TempDir::new();
    let store = open(&dir);
    let (result, stored) = prepare(&store, key("a"), CONTENT);
    let path = place(&store, CONTENT);
    age(&path, HOUR);
    let before = Signature::of_link(&path).unwrap();
    let stored: Vec<_> = stored
        .into_iter()
        .map(|it| Stored { reused: true, ..it })
        .collect();
    store.record(&result, &stored, Replace::No).unwrap();
    let after = Signature::of_link(&path).unwrap();
    assert_eq!(after.inode, before.inode);
    assert!(after.mtime > before.mtime);
}

#[test]
fn what_is_freshened_in_the_trash_is_not_deleted_but_put_back() {
    let dir = TempDir::new();
    let store = open(&dir);
    let blob = store.put_bytes(CONTENT).unwrap().blob;
    let listed = stamp_of(&store.layout.blob(&blob));
    assert!(store.discard_blob(&blob, listed).unwrap().went());
    assert!(!store.delete_discarded(&blob, listed + 1).unwrap());
    assert!(there(&store.layout.trashed_blob(&blob)));
    assert!(store.delete_discarded(&blob, listed).unwrap());
    assert!(!store.delete_discarded(&blob, listed).unwrap());
    assert!(!store.take_back(&blob).unwrap());
}

#[test]
fn of_an_evicted_key_only_the_evicted_file_is_deleted() {
    let dir = TempDir::new();
    let store = open(&dir);
    let result = commit(&store, key("a"), CONTENT, Replace::No);
    let file = super::format::KeyFile::Result(result).encode();
    let top = top(&store);
    let seen = store.removable(&top, &key("a"), &file).unwrap().unwrap();
    let refreshed = commit(&open(&dir), key("a"), b"refreshed", Replace::Yes);
    store.move_key_out(&top, &key("a"), &seen).unwrap();
    assert!(!store.delete_evicted(&key("a"), &result).unwrap());
    assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
    assert!(store.evict(&key("a"), &refreshed).unwrap().went());
    assert!(store.delete_evicted(&key("a"), &refreshed).unwrap());
    assert!(!store.delete_evicted(&key("a"), &refreshed).unwrap());
}
