//! Generators of values, trees and actions.

use std::collections::BTreeMap;

use ibid_core::action::{Action, Command, EnvMode, OutputKind, OutputSpec, Platform, Policy, Word};
use ibid_core::digest::encoding::{Finite, Integer, Value};
use ibid_core::digest::{BlobId, Digest, TreeId};
use ibid_core::tree::{Content, Entry, Place, RelPath, Tree};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

pub(crate) fn finite() -> impl Strategy<Value = Finite> {
    any::<u64>().prop_filter_map("finite", |bits| Finite::new(f64::from_bits(bits)))
}

pub(crate) fn integer() -> impl Strategy<Value = Integer> {
    let magnitude = prop_oneof![vec(any::<u8>(), 0..12), vec(Just(0xff), 7..10)];
    (any::<bool>(), magnitude)
        .prop_map(|(negative, bytes)| Integer::from_parts(negative, &bytes).unwrap())
}

/// Short texts of few letters, so that equal ones and prefixes of one another are common.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,3}", "\\PC{0,8}", "x{20,30}"]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        integer().prop_map(Value::Integer),
        (-3_i64..300).prop_map(|n| Value::Integer(n.into())),
        finite().prop_map(Value::Float),
        vec(any::<u8>(), 0..30).prop_map(Value::Bytes),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            btree_map(text(), inner, 0..6).prop_map(Value::Map),
        ]
    })
}

pub(crate) fn digest() -> impl Strategy<Value = Digest> {
    any::<u8>().prop_map(|byte| Digest::from_bytes([byte; 32]))
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    let resolved = prop_oneof![
        (any::<bool>(), digest()).prop_map(|(executable, digest)| Content::File {
            executable,
            blob: BlobId::new(digest)
        }),
        digest().prop_map(|digest| Content::Tree(TreeId::new(digest))),
    ];
    let texts = vec(vec(1_u8.., 1..4), 1..3);
    prop_oneof![
        resolved.clone(),
        (texts, resolved).prop_map(|(texts, target)| Content::Link {
            texts,
            target: Box::new(target)
        }),
    ]
}

/// One component of a path; few letters around `/` in the order of bytes.
fn name() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![Just(b'a'), Just(b'-'), Just(b'0'), Just(0xff)],
        1..3,
    )
}

pub(crate) fn rel_path() -> impl Strategy<Value = RelPath> {
    vec(name(), 1..5).prop_map(|names| RelPath::new(names.join(&b'/')).unwrap())
}

pub(crate) fn leaf_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (any::<bool>(), any::<u64>(), digest()).prop_map(|(executable, size, digest)| {
            Entry::File {
                executable,
                size,
                blob: BlobId::new(digest),
            }
        }),
        vec(1_u8.., 1..4).prop_map(Entry::Link),
        (vec(1_u8.., 1..4), content()).prop_map(|(text, target)| Entry::LinkOut { text, target }),
        Just(Entry::Dir),
    ]
}

/// Entries of which none lies below a file or link.
pub(crate) fn entries() -> impl Strategy<Value = Vec<(RelPath, Entry)>> {
    btree_map(rel_path(), leaf_entry(), 0..12).prop_map(|all| {
        let is_parent = |path: &RelPath| {
            let mut others = all.keys().filter(|other| *other != path);
            others.any(|other| other.strip_prefix(path).is_some())
        };
        let keep = |(path, entry): (&RelPath, &Entry)| {
            let entry = if is_parent(path) { &Entry::Dir } else { entry };
            (path.clone(), entry.clone())
        };
        all.iter().map(keep).collect()
    })
}

pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    entries().prop_map(|entries| Tree::from_entries(entries).unwrap())
}

pub(crate) fn file(byte: u8) -> Content {
    Content::File {
        executable: false,
        blob: BlobId::new(Digest::from_bytes([byte; 32])),
    }
}

pub(crate) fn output(path: &str) -> OutputSpec {
    OutputSpec {
        kind: OutputKind::Path(Place::Inside(RelPath::new(path).unwrap())),
        optional: false,
        keep: false,
    }
}

pub(crate) fn words(words: &[&str]) -> Command {
    let word = |word: &&str| Word::Plain(word.as_bytes().to_vec());
    Command::Argv(words.iter().map(word).collect())
}

/// An action with nothing but a command.
pub(crate) fn least_action() -> Action {
    Action {
        command: words(&["true"]),
        dir: RelPath::ROOT,
        env_mode: EnvMode::Strict,
        tools: BTreeMap::new(),
        image: None,
        code: BTreeMap::new(),
        implied: BTreeMap::new(),
        packages: BTreeMap::new(),
        inputs: BTreeMap::new(),
        inputs_by_content: Vec::new(),
        params: BTreeMap::new(),
        specs: Vec::new(),
        env: BTreeMap::new(),
        versions: BTreeMap::new(),
        versions_from: BTreeMap::new(),
        salts: BTreeMap::new(),
        stdin: None,
        platform: Platform {
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
        },
        outputs: Vec::new(),
        policy: Policy::default(),
    }
}
