//! Laws of listings and contents (hazards A3, G1, G5).

use ibid_core::digest::encoding::{Decoder, Encoder, Value};
use ibid_core::tree::{Content, Entry, MAX_TREE_DEPTH, RelPath, Tree, TreeError};
use proptest::prelude::*;

use crate::samples;

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding(tree in samples::tree()) {
        prop_assert_eq!(Tree::decode(&tree.encode()), Ok(tree));
    }

    #[test]
    fn order_of_entries_does_not_count(entries in samples::entries().prop_shuffle()) {
        let mut sorted = entries.clone();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        prop_assert_eq!(Tree::from_entries(entries), Tree::from_entries(sorted));
    }

    #[test]
    fn different_trees_have_different_ids(a in samples::tree(), b in samples::tree()) {
        prop_assert_eq!(a == b, a.id() == b.id());
    }

    #[test]
    fn a_directory_comes_before_what_lies_in_it(tree in samples::tree()) {
        let mut seen = vec![RelPath::ROOT];
        for (path, entry) in tree.iter() {
            prop_assert!(seen.contains(&path.parent().unwrap()));
            if *entry == Entry::Dir {
                seen.push(path.clone());
            }
        }
    }

    #[test]
    fn what_is_accepted_encodes_to_the_same_bytes(
        tree in samples::tree(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = tree.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(tree) = Tree::decode(&bytes) {
            prop_assert_eq!(tree.encode(), bytes);
        }
    }

    #[test]
    fn a_content_round_trips(content in samples::content()) {
        let mut encoder = Encoder::new();
        content.encode(&mut encoder);
        let bytes = encoder.finish();
        prop_assert!(Value::decode(&bytes).is_ok());
        prop_assert_eq!(Content::decode(&mut Decoder::new(&bytes)), Ok(content));
    }
}

#[test]
fn each_kind_of_entry_gives_another_id() {
    let blob = |byte| match samples::file(byte) {
        Content::File { blob, .. } => blob,
        _ => unreachable!(),
    };
    let file = |executable, size, byte| Entry::File {
        executable,
        size,
        blob: blob(byte),
    };
    let out = |text: &[u8], target: Content| Entry::LinkOut {
        text: text.to_vec(),
        target,
    };
    let executable = Content::File {
        executable: true,
        blob: blob(1),
    };
    let entries = [
        file(false, 1, 1),
        file(true, 1, 1),
        file(false, 2, 1),
        file(false, 1, 2),
        Entry::Dir,
        Entry::Link(b"x".to_vec()),
        Entry::Link(b"y".to_vec()),
        out(b"x", samples::file(1)),
        out(b"y", samples::file(1)),
        out(b"x", samples::file(2)),
        out(b"x", executable),
        out(b"x", Content::Tree(Tree::default().id())),
    ];
    let ids: std::collections::BTreeSet<_> = entries
        .iter()
        .map(|entry| {
            Tree::from_entries([(path("a"), entry.clone())])
                .unwrap()
                .id()
        })
        .collect();
    assert_eq!(ids.len(), entries.len());
}

#[test]
fn entries_below_a_file_or_link_make_no_tree() {
    for above in [Entry::Link(b"/etc".to_vec()), {
        let target = samples::file(1);
        let text = b"/etc".to_vec();
        Entry::LinkOut { text, target }
    }] {
        let entries = [(path("a"), above), (path("a/x"), Entry::Dir)];
        let made = Tree::from_entries(entries);
        assert_eq!(made, Err(TreeError::Orphan(path("a/x"))));
    }
}

#[test]
fn depth_ends_at_the_limit() {
    let deep = |depth| {
        let names = vec!["d"; depth].join("/");
        Tree::from_entries([(path(&names), Entry::Dir)])
    };
    let deepest = deep(MAX_TREE_DEPTH).unwrap();
    assert_eq!(deepest.len(), MAX_TREE_DEPTH);
    assert_eq!(Tree::decode(&deepest.encode()), Ok(deepest));
    assert!(matches!(
        deep(MAX_TREE_DEPTH + 1),
        Err(TreeError::TooDeep(_))
    ));

    let mut encoder = Encoder::new();
    encoder.array(MAX_TREE_DEPTH + 1);
    for depth in 1..=MAX_TREE_DEPTH + 1 {
        let names = vec!["d"; depth].join("/");
        encoder
            .array(2)
            .bytes(names.as_bytes())
            .array(1)
            .text("dir");
    }
    let decoded = Tree::decode(&encoder.finish());
    assert!(matches!(decoded, Err(TreeError::TooDeep(_))));
}

#[test]
fn the_root_is_no_entry_and_sizes_do_not_overflow() {
    let huge = |byte| Entry::File {
        executable: false,
        size: u64::MAX,
        blob: ibid_core::digest::BlobId::of(&[byte]),
    };
    let tree = Tree::from_entries([
        (RelPath::ROOT, Entry::Dir),
        (path("a"), huge(1)),
        (path("b"), huge(2)),
    ])
    .unwrap();
    assert_eq!(tree.len(), 2);
    assert_eq!(tree.total_size(), u64::MAX);
}

#[test]
fn a_chain_of_links_is_refused_however_long() {
    let mut encoder = Encoder::new();
    for _ in 0..1_000_000 {
        encoder.array(3).text("link").array(1).bytes(b"x");
    }
    assert!(Content::decode(&mut Decoder::new(&encoder.finish())).is_err());
}
