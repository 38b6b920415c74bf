//! Formats that are stored: what is accepted has one form only.

use super::Target;
use crate::action::{Component, ComponentKind, ComponentName, KeyRecord};
use crate::digest::encoding::{Encoder, Value};
use crate::digest::{BlobId, Digest, Key, TreeId};
use crate::engine::manifest::fuzzing as manifest;
use crate::exec::{Stream, replay};
use crate::scan::stat_cache::fuzzing as stats;
use crate::store::{
    Outcome, OutputContent, RunEntry, RunInfo, StoredAs, StoredOutput, StoredResult, StreamLogRef,
    fuzzing as store,
};
use crate::tree::{Entry, RelPath, Tree};

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "value",
        run: |bytes| {
            same(
                bytes,
                Value::decode(bytes).ok().map(|value| encoded(&value)),
            );
        },
        seeds: || vec![encoded(&Value::Array(vec![value(), Value::Null]))],
    },
    Target {
        name: "key-file",
        run: |bytes| same(bytes, store::key_file(bytes)),
        seeds: store::key_files,
    },
    Target {
        name: "lease",
        run: |bytes| same(bytes, store::holder(bytes)),
        seeds: store::holders,
    },
    Target {
        name: "result",
        run: |bytes| {
            same(
                bytes,
                StoredResult::decode(bytes).ok().map(|it| it.encode()),
            );
        },
        seeds: || vec![result().encode()],
    },
    Target {
        name: "history",
        run: |bytes| same(bytes, RunEntry::decode(bytes).ok().map(|it| it.encode())),
        seeds: store::entries,
    },
    Target {
        name: "key-record",
        run: |bytes| same(bytes, KeyRecord::decode(bytes).ok().map(|it| it.encode())),
        seeds: || vec![record().encode()],
    },
    Target {
        name: "listing",
        run: |bytes| same(bytes, Tree::decode(bytes).ok().map(|it| it.encode())),
        seeds: || vec![tree().encode(), Tree::default().encode()],
    },
    Target {
        name: "stat-record",
        run: |bytes| same(bytes, stats::record(bytes)),
        seeds: stats::records,
    },
    Target {
        name: "known-tree",
        run: stats::tree,
        seeds: stats::trees,
    },
    Target {
        name: "stream-log",
        run: stream_log,
        seeds: || {
            vec![b"\x82\x01\x43one\x82\x02\x43two\x82\x01\x58\x18012345678901234567890123".to_vec()]
        },
    },
    Target {
        name: "manifest",
        run: manifest::manifest,
        seeds: manifest::manifests,
    },
];

/// What was accepted must be the only form of what it says.
fn same(bytes: &[u8], encoded_again: Option<Vec<u8>>) {
    if let Some(again) = encoded_again {
        assert_eq!(bytes, again, "accepted, and has another form");
    }
}

/// No piece is empty, and no more comes out than went in.
fn stream_log(bytes: &[u8]) {
    let mut shown = 0;
    let _ = replay(bytes, |stream, piece| {
        assert!(matches!(stream, Stream::Stdout | Stream::Stderr));
        assert!(!piece.is_empty(), "an empty piece");
        shown += piece.len();
    });
    assert!(shown <= bytes.len());
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.value(value);
    encoder.finish()
}

fn value() -> Value {
    let pairs = [("a", Value::from(7_u64)), ("b", Value::Bool(true))];
    Value::Map(pairs.map(|(name, it)| (name.to_owned(), it)).into())
}

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a path below")
}

fn tree() -> Tree {
    let blob = BlobId::new(digest(1));
    let file = |executable| Entry::File {
        blob,
        size: 3,
        executable,
    };
    let entries = [
        (path("a"), file(false)),
        (path("b"), Entry::Dir),
        (path("b/c"), file(true)),
        (path("d"), Entry::Link(b"a".to_vec())),
    ];
    Tree::from_entries(entries).expect("the entries make a tree")
}

fn record() -> KeyRecord {
    let component = |kind, name, value| Component { kind, name, value };
    KeyRecord::new(vec![
        component(
            ComponentKind::Command,
            ComponentName::Text(String::new()),
            value(),
        ),
        component(
            ComponentKind::Input,
            ComponentName::Bytes(b"raw/a.csv".to_vec()),
            Value::from("x"),
        ),
    ])
}

fn result() -> StoredResult {
    let output = |name: &[u8], content, stored_as| StoredOutput {
        name: name.to_vec(),
        at: None,
        content,
        stored_as,
    };
    let file = OutputContent::File {
        executable: false,
        size: 5,
        blob: BlobId::new(digest(2)),
    };
    let outputs = vec![
        output(b"a", file, StoredAs::Content),
        output(
            b"b",
            OutputContent::Tree(TreeId::new(digest(3))),
            StoredAs::Digest,
        ),
        output(b"c", OutputContent::Link(b"a".to_vec()), StoredAs::Keep),
    ];
    StoredResult {
        key: Key::new(digest(4)),
        outcome: Outcome {
            exit_code: 0,
            outputs,
        },
        run: RunInfo {
            record: BlobId::new(digest(5)),
            log: Some(StreamLogRef {
                blob: BlobId::new(digest(6)),
                size: 9,
            }),
            started: 1,
            duration: 2,
            host: "h".to_owned(),
            user: None,
            version: "0".to_owned(),
            label: "p/s".to_owned(),
        },
    }
}
