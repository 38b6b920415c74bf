//! A store against a model of it: maps in memory.

use std::collections::{BTreeMap, BTreeSet};

use ibid_core::digest::BlobId;
use ibid_core::store::{Lookup, Recorded, Replace};
use ibid_testkit::TempDir;
use proptest::prelude::*;

use super::{commit, key, open, result_of};

#[derive(Clone, Debug)]
enum Operation {
    Put(u8),
    Get(u8),
    Record(u8, u8, bool),
    LookUp(u8),
    Invalidate(u8),
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0..4_u8).prop_map(Operation::Put),
        (0..4_u8).prop_map(Operation::Get),
        (0..3_u8, 0..4_u8, any::<bool>())
            .prop_map(|(key, content, replace)| Operation::Record(key, content, replace)),
        (0..3_u8).prop_map(Operation::LookUp),
        (0..3_u8).prop_map(Operation::Invalidate),
        Just(Operation::Reopen),
    ]
}

/// What the model has for a key: the content of its result, or a tombstone.
type Model = BTreeMap<u8, Option<u8>>;

fn expected_record(model: &Model, name: u8, content: u8, replace: Replace) -> Recorded {
    match model.get(&name).copied().flatten() {
        Some(theirs) if replace == Replace::No => {
            let theirs_result = Box::new(result_of(key(&name.to_string()), &[theirs]));
            if theirs == content {
                Recorded::Equal(theirs_result)
            } else {
                Recorded::Differs(theirs_result)
            }
        }
        _ => Recorded::Ours,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_store_does_what_two_maps_do(operations in prop::collection::vec(operation(), 1..40)) {
        let dir = TempDir::new();
        let mut store = open(&dir);
        let mut blobs = BTreeSet::new();
        let mut model = Model::new();
        for operation in operations {
            match operation {
                Operation::Put(content) => {
                    let reused = store.put_bytes(&[content]).unwrap().reused;
                    prop_assert_eq!(reused, !blobs.insert(content));
                }
                Operation::Get(content) => {
                    let read = store.read_blob(&BlobId::of(&[content]), 1).ok();
                    prop_assert_eq!(read, blobs.contains(&content).then(|| vec![content]));
                }
                Operation::Record(name, content, replace) => {
                    let replace = if replace { Replace::Yes } else { Replace::No };
                    let expected = expected_record(&model, name, content, replace);
                    let recorded = commit(&store, key(&name.to_string()), &[content], replace);
                    if expected == Recorded::Ours {
                        model.insert(name, Some(content));
                    }
                    blobs.insert(content);
                    prop_assert_eq!(recorded, expected);
                }
                Operation::LookUp(name) => {
                    let key = key(&name.to_string());
                    match (store.look_up(&key), model.get(&name)) {
                        (Lookup::Found(found), Some(Some(content))) => {
                            prop_assert_eq!(*found, result_of(key, &[*content]));
                        }
                        (Lookup::Tombstone(_), Some(None)) | (Lookup::Absent(_), None) => {}
                        (found, expected) => prop_assert!(false, "{found:?} but {expected:?}"),
                    }
                }
                Operation::Invalidate(name) => {
                    store.invalidate(&key(&name.to_string()), 0, "test").unwrap();
                    model.insert(name, None);
                }
                Operation::Reopen => store = open(&dir),
            }
        }
        prop_assert!(store.take_faults().is_empty());
    }
}
