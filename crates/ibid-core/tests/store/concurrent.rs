//! Many on one key, and several handles on one store.

use std::sync::Barrier;

use ibid_core::digest::BlobId;
use ibid_core::store::{Lookup, MissReason, Recorded, Replace};
use ibid_testkit::TempDir;

use super::{commit, files, key, open, prepare};

#[test]
fn of_concurrent_results_the_first_stays_and_others_hear_of_it() {
    let dir = TempDir::new();
    for round in 0..20 {
        let key = key(&round.to_string());
        let barrier = Barrier::new(16);
        let recorded: Vec<_> = std::thread::scope(|scope| {
            let run = |i: u8| {
                let (dir, barrier) = (&dir, &barrier);
                scope.spawn(move || {
                    let store = open(dir);
                    // Four outcomes, each by four threads.
                    let (result, stored) = prepare(&store, key, &[i % 4]);
                    barrier.wait();
                    let recorded = store.record(&result, &stored, Replace::No).unwrap();
                    (result, recorded)
                })
            };
            let threads: Vec<_> = (0..16).map(run).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let Lookup::Found(winner) = open(&dir).look_up(&key) else {
            panic!("somebody won");
        };
        let ours = |r: &&(_, Recorded)| r.1 == Recorded::Ours;
        assert_eq!(recorded.iter().filter(ours).count(), 1);
        for (result, recorded) in recorded {
            let same = result.outcome == winner.outcome;
            match recorded {
                Recorded::Ours => assert_eq!(result, *winner),
                Recorded::Equal(theirs) => assert!(same && theirs == winner),
                Recorded::Differs(theirs) => assert!(!same && theirs == winner),
            }
        }
    }
    assert!(files(&dir, "tmp").is_empty());
}

#[test]
fn two_handles_see_each_others_results() {
    let dir = TempDir::new();
    let (one, two) = (open(&dir), open(&dir));
    commit(&one, key("a"), b"x", Replace::No);
    assert!(matches!(two.look_up(&key("a")), Lookup::Found(_)));
    assert!(two.put_bytes(b"x").unwrap().reused);
    two.invalidate(&key("a"), 5, "wrong").unwrap();
    let Lookup::Tombstone(tombstone) = one.look_up(&key("a")) else {
        panic!("it was invalidated");
    };
    assert_eq!((tombstone.when, tombstone.why.as_str()), (5, "wrong"));
    assert_eq!(one.generation().unwrap(), two.generation().unwrap());
}

#[test]
fn a_result_replaces_a_tombstone_and_each_invalidation_is_a_generation() {
    let dir = TempDir::new();
    let store = open(&dir);
    let mut generations = vec![store.generation().unwrap()];
    for _ in 0..3 {
        commit(&store, key("a"), b"x", Replace::No);
        assert!(matches!(store.look_up(&key("a")), Lookup::Found(_)));
        store.invalidate(&key("a"), 1, "test").unwrap();
        generations.push(store.generation().unwrap());
    }
    generations.sort();
    generations.dedup();
    assert_eq!(generations.len(), 4);
}

#[test]
fn a_refresh_replaces_and_the_old_result_can_still_be_read() {
    let dir = TempDir::new();
    let store = open(&dir);
    let (old, _) = prepare(&store, key("a"), b"old");
    commit(&store, key("a"), b"old", Replace::No);
    let refused = commit(&store, key("a"), b"new", Replace::No);
    assert_eq!(refused, Recorded::Differs(Box::new(old.clone())));
    let replaced = commit(&store, key("a"), b"new", Replace::Yes);
    assert_eq!(replaced, Recorded::Ours);
    let Lookup::Found(found) = store.look_up(&key("a")) else {
        panic!("it was recorded");
    };
    assert_ne!(found.outcome, old.outcome);
    let old_blob = BlobId::of(&old.encode());
    assert_eq!(store.read_result(&old_blob), Ok(old));
    assert_eq!(
        store.read_result(&BlobId::of(b"?")),
        Err(MissReason::ResultMissing(BlobId::of(b"?")))
    );
}
