//! History, and searching through everything that is stored.

use ibid_core::digest::BlobId;
use ibid_core::store::{OutputContent, Replace, RunEntry, StoredAs, StoredOutput};
use ibid_core::tree::{Entry, RelPath, Tree};
use ibid_testkit::TempDir;

use super::{commit, entry, files, key, open, result_of};

#[test]
fn history_gives_the_newest_first_by_label_and_by_key() {
    let dir = TempDir::new();
    let store = open(&dir);
    for time in 1..=6 {
        let label = ["p/even", "p/odd"][usize::try_from(time % 2).unwrap()];
        store
            .append(&entry(time, label, key(&(time % 3).to_string())))
            .unwrap();
    }
    let times = |entries: Vec<RunEntry>| entries.iter().map(|e| e.time).collect::<Vec<_>>();
    assert_eq!(times(store.entries(4).unwrap()), [6, 5, 4, 3]);
    assert_eq!(times(store.entries_of("p/odd", 2).unwrap()), [5, 3]);
    assert!(store.entries_of("p/none", 2).unwrap().is_empty());
    assert_eq!(times(store.entries_of_key(&key("0"), 9).unwrap()), [6, 3]);
    assert_eq!(files(&dir, "runs").len(), 6);
}

#[test]
fn damaged_entries_and_strangers_are_skipped() {
    let dir = TempDir::new();
    let store = open(&dir);
    for time in 1..=3 {
        store.append(&entry(time, "p/s", key("a"))).unwrap();
    }
    let runs = files(&dir, "runs");
    std::fs::write(&runs[1], b"").unwrap();
    std::fs::write(runs[0].with_file_name("README"), b"x").unwrap();
    let times: Vec<_> = store.entries(9).unwrap().iter().map(|e| e.time).collect();
    assert_eq!(times, [3, 1]);
}

#[test]
fn an_entry_under_a_name_of_another_label_is_not_of_that_label() {
    let dir = TempDir::new();
    let store = open(&dir);
    store.append(&entry(1, "p/a", key("a"))).unwrap();
    store.append(&entry(2, "p/b", key("b"))).unwrap();
    let runs = files(&dir, "runs");
    let name = |i: usize| runs[i].file_name().unwrap().to_str().unwrap().to_owned();
    let (a, b) = (name(0), name(1));
    let collision = [&a[..21], &b[21..29], &a[29..]].concat();
    std::fs::rename(&runs[0], runs[0].with_file_name(collision)).unwrap();
    let times: Vec<_> = store.entries_of("p/b", 9).unwrap();
    assert_eq!(times, [entry(2, "p/b", key("b"))]);
}

#[test]
fn content_is_found_as_a_file_in_a_tree_and_in_old_results() {
    let dir = TempDir::new();
    let store = open(&dir);
    commit(&store, key("a"), b"wanted", Replace::No);
    let at = RelPath::new("sub/file").unwrap();
    let file = Entry::File {
        executable: false,
        size: 6,
        blob: BlobId::of(b"wanted"),
    };
    let tree = Tree::from_entries([(at.clone(), file)]).unwrap();
    store.put_bytes(&tree.encode()).unwrap();
    let mut result = result_of(key("b"), b"");
    result.outcome.outputs = vec![StoredOutput {
        name: b"dir".to_vec(),
        at: None,
        content: OutputContent::Tree(tree.id()),
        stored_as: StoredAs::Content,
    }];
    store.record(&result, &[], Replace::No).unwrap();
    // A refresh of `a` leaves its first result to history.
    let mut old = entry(1, "p/s", key("a"));
    old.result = Some(BlobId::of(&result_of(key("a"), b"wanted").encode()));
    store.append(&old).unwrap();
    commit(&store, key("a"), b"other", Replace::Yes);
    // History names results that stand, too; they are found once.
    let mut standing = entry(2, "p/s", key("b"));
    standing.result = Some(BlobId::of(&result.encode()));
    store.append(&standing).unwrap();

    let found = store.find_output(BlobId::of(b"wanted").digest()).unwrap();
    let mut places: Vec<_> = found
        .iter()
        .map(|f| (f.result.key, f.below.clone(), f.stands))
        .collect();
    places.sort();
    let mut expected = [(key("a"), None, false), (key("b"), Some(at), true)];
    expected.sort();
    assert_eq!(places, expected);
    assert_eq!(store.find_output(tree.id().digest()).unwrap().len(), 1);
    let none = store.find_output(BlobId::of(b"none").digest()).unwrap();
    assert!(none.is_empty());
}
