//! The golden vectors of the key format.
//!
//! `docs/reference/key-format.md` describes their notation; `tests/vectors/check_vectors.py`
//! checks the same file with other libraries. They are frozen: one that fails is a changed key.

use std::collections::BTreeMap;
use std::path::Path;

use ibid_core::action::{
    Action, Command, Component, ComponentKind, ComponentName, EnvMode, KeyRecord, OutputKind,
    OutputSpec, Platform, Segment, Word,
};
use ibid_core::digest::encoding::{Decoder, Encoder, Finite, Value};
use ibid_core::digest::{BlobId, Digest, TreeId};
use ibid_core::tree::{Content, Entry, Place, RelPath, Tree};
use serde_json::Value as Node;

use crate::samples::least_action;

fn rows(section: &str) -> Vec<Node> {
    let text = include_str!("../../../../docs/reference/vectors/key-format.json");
    let vectors: Node = serde_json::from_str(text).unwrap();
    let rows = vectors[section].as_array().unwrap().clone();
    assert!(!rows.is_empty(), "{section}");
    rows
}

fn text(node: &Node) -> String {
    node.as_str().unwrap().to_owned()
}

fn hex(node: &Node) -> Vec<u8> {
    let digits = node.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn bytes(node: &Node) -> Vec<u8> {
    node.get("hex").map_or_else(|| text(node).into_bytes(), hex)
}

fn digest(node: &Node) -> Digest {
    text(node).parse().unwrap()
}

/// Takes an object of one field apart.
fn variant(node: &Node) -> (&str, &Node) {
    let object = node.as_object().unwrap();
    assert_eq!(object.len(), 1, "{node}");
    let (kind, content) = object.iter().next().unwrap();
    (kind, content)
}

fn items<T>(node: &Node, item: impl Fn(&Node) -> T) -> Vec<T> {
    node.as_array()
        .map_or_else(Vec::new, |items| items.iter().map(item).collect())
}

fn pairs<N: Ord, V>(
    node: &Node,
    name: impl Fn(&Node) -> N,
    value: impl Fn(&Node) -> V,
) -> BTreeMap<N, V> {
    items(node, |pair| (name(&pair[0]), value(&pair[1])))
        .into_iter()
        .collect()
}

fn value(node: &Node) -> Value {
    match node {
        Node::Null => return Value::Null,
        Node::Bool(value) => return Value::Bool(*value),
        Node::Array(_) => return Value::Array(items(node, value)),
        _ => {}
    }
    match variant(node) {
        ("int", n) => Value::Integer(text(n).parse().unwrap()),
        ("float", bits) => {
            let bits = u64::from_str_radix(&text(bits), 16).unwrap();
            Value::Float(Finite::new(f64::from_bits(bits)).unwrap())
        }
        ("bytes", content) => Value::Bytes(hex(content)),
        ("text", content) => Value::Text(text(content)),
        ("map", entries) => Value::Map(pairs(entries, text, value)),
        (kind, _) => panic!("unknown notation {kind}"),
    }
}

fn content(node: &Node) -> Content {
    match variant(node) {
        ("file", file) => Content::File {
            executable: file[0].as_bool().unwrap(),
            blob: BlobId::new(digest(&file[1])),
        },
        ("tree", tree) => Content::Tree(TreeId::new(digest(tree))),
        ("link", link) => Content::Link {
            texts: items(&link[0], bytes),
            target: Box::new(content(&link[1])),
        },
        (kind, _) => panic!("unknown notation {kind}"),
    }
}

fn entry(node: &Node) -> Entry {
    if node == "dir" {
        return Entry::Dir;
    }
    match variant(node) {
        ("file", file) => Entry::File {
            executable: file[0].as_bool().unwrap(),
            size: file[1].as_u64().unwrap(),
            blob: BlobId::new(digest(&file[2])),
        },
        ("link", text) => Entry::Link(bytes(text)),
        ("link-out", link) => Entry::LinkOut {
            text: bytes(&link[0]),
            target: content(&link[1]),
        },
        (kind, _) => panic!("unknown notation {kind}"),
    }
}

fn word(node: &Node) -> Word {
    let segment = |node: &Node| match node.as_u64() {
        Some(index) => Segment::Input(usize::try_from(index).unwrap()),
        None => Segment::Text(bytes(node)),
    };
    if node.is_array() {
        Word::Segments(items(node, segment))
    } else {
        Word::Plain(bytes(node))
    }
}

fn output(node: &Node) -> OutputSpec {
    let place = |node: &Node| {
        let name = bytes(node);
        RelPath::new(name.clone()).map_or(Place::Outside(name), Place::Inside)
    };
    OutputSpec {
        kind: match node[0].as_str().unwrap() {
            "path" => OutputKind::Path(place(&node[1])),
            "dir" => OutputKind::Dir(place(&node[1])),
            "glob" => OutputKind::Glob(text(&node[1])),
            kind => panic!("unknown notation {kind}"),
        },
        optional: node[2].as_bool().unwrap(),
        keep: node.get(3).is_some_and(|keep| keep.as_bool().unwrap()),
    }
}

fn action(node: &Node) -> Action {
    let command = match node.get("argv") {
        Some(argv) => Command::Argv(items(argv, word)),
        None if node.get("call").is_some() => Command::Call(node["call"].as_str().unwrap().into()),
        None => Command::Shell {
            interpreter: items(&node["shell"][0], bytes),
            script: word(&node["shell"][1]),
        },
    };
    Action {
        command,
        dir: RelPath::new(bytes(&node["dir"])).unwrap(),
        env_mode: match node["env_mode"].as_str() {
            Some("loose") => EnvMode::Loose,
            _ => EnvMode::Strict,
        },
        tools: pairs(&node["tools"], bytes, digest),
        code: pairs(&node["code"], bytes, content),
        implied: pairs(&node["implied"], bytes, content),
        packages: pairs(&node["packages"], text, value),
        inputs: pairs(&node["inputs"], bytes, content),
        inputs_by_content: items(&node["inputs_by_content"], content),
        params: pairs(&node["params"], text, value),
        specs: items(&node["specs"], value),
        env: pairs(&node["env"], text, |node| {
            (!node.is_null()).then(|| bytes(node))
        }),
        versions: pairs(&node["versions"], text, text),
        versions_from: pairs(&node["versions_from"], text, bytes),
        salts: pairs(&node["salts"], text, text),
        stdin: node.get("stdin").map(|node| BlobId::new(digest(node))),
        platform: Platform {
            os: text(&node["platform"][0]),
            arch: text(&node["platform"][1]),
        },
        outputs: items(&node["outputs"], output),
        ..least_action()
    }
}

fn component(node: &Node) -> Component {
    let name = match value(&node[1]) {
        Value::Bytes(bytes) => ComponentName::Bytes(bytes),
        Value::Text(text) => ComponentName::Text(text),
        Value::Integer(n) => ComponentName::Index(n.small_magnitude().unwrap()),
        other => panic!("{other:?} is no name"),
    };
    Component {
        kind: ComponentKind::from_word(node[0].as_str().unwrap()).unwrap(),
        name,
        value: value(&node[2]),
    }
}

fn check_record(record: &KeyRecord, row: &Node) {
    let encoded = record.encode();
    assert_eq!(encoded, hex(&row["encoded"]), "{}", row["name"]);
    assert_eq!(record.key().hex(), text(&row["key"]), "{}", row["name"]);
    assert_eq!(&KeyRecord::decode(&encoded).unwrap(), record);
}

/// Asserts that no row of a section decodes.
fn check_refused<T, E>(section: &str, decode: impl Fn(&[u8]) -> Result<T, E>) {
    for row in rows(section) {
        let decoded = decode(&hex(&row["encoded"]));
        assert!(decoded.is_err(), "{section}: accepted {}", row["name"]);
    }
}

#[test]
fn values_have_their_encodings() {
    for row in rows("values") {
        let (value, encoded) = (value(&row["value"]), hex(&row["encoded"]));
        assert_eq!(value.encode(), encoded, "{}", row["name"]);
        assert_eq!(Value::decode(&encoded), Ok(value), "{}", row["name"]);
    }
}

#[test]
fn other_encodings_are_refused() {
    check_refused("refused_values", Value::decode);
    check_refused("refused_trees", Tree::decode);
    check_refused("refused_records", KeyRecord::decode);
    check_refused("refused_contents", |bytes| {
        let mut decoder = Decoder::new(bytes);
        Content::decode(&mut decoder)?;
        decoder.finish()
    });
}

#[test]
fn blobs_have_their_digests() {
    for row in rows("blobs") {
        let content = match row["content"].get("repeat") {
            Some(repeat) => hex(&repeat[0]).repeat(repeat[1].as_u64().unwrap().try_into().unwrap()),
            None => hex(&row["content"]),
        };
        assert_eq!(BlobId::of(&content).hex(), text(&row["digest"]));
    }
}

#[test]
fn contents_have_their_encodings() {
    for row in rows("contents") {
        let content = content(&row["content"]);
        let mut encoder = Encoder::new();
        content.encode(&mut encoder);
        let bytes = encoder.finish();
        assert_eq!(bytes, hex(&row["encoded"]), "{}", row["name"]);
        assert_eq!(Content::decode(&mut Decoder::new(&bytes)), Ok(content));
    }
}

#[test]
fn trees_have_their_encodings_and_ids() {
    for row in rows("trees") {
        let entries = items(&row["entries"], |pair| {
            (RelPath::new(bytes(&pair[0])).unwrap(), entry(&pair[1]))
        });
        let tree = Tree::from_entries(entries).unwrap();
        assert_eq!(tree.encode(), hex(&row["encoded"]), "{}", row["name"]);
        assert_eq!(tree.id().hex(), text(&row["id"]), "{}", row["name"]);
        assert_eq!(Tree::decode(&tree.encode()), Ok(tree));
    }
}

#[test]
fn records_have_their_encodings_and_keys() {
    for row in rows("records") {
        let record = KeyRecord::new(items(&row["components"], component));
        check_record(&record, &row);
    }
}

#[test]
fn actions_have_their_records_and_keys() {
    for row in rows("actions") {
        check_record(&action(&row["action"]).record(), &row);
    }
}

#[test]
fn declared_paths_have_their_names() {
    for row in rows("paths") {
        let (declared, root) = (bytes(&row["declared"]), text(&row["root"]));
        let dir = RelPath::new(bytes(&row["dir"])).unwrap();
        let place = Place::resolve(&declared, &dir, Path::new(&root));
        assert_eq!(place.key_name(), bytes(&row["name"]), "{row}");
        assert_eq!(
            place.inside().is_some(),
            row["inside"].as_bool().unwrap(),
            "{row}"
        );
    }
}
