//! The form to the byte, and every way in which it can be wrong.

use ibid_testkit::TempDir;
use proptest::prelude::*;

use super::*;
use crate::digest::TreeId;
use crate::store::{OutputContent, StoredOutput};

/// The page that describes the form; its example is the golden file.
const PAGE: &str = include_str!("../../../../../docs/reference/manifest.md");

fn example() -> Manifest {
    let output = |name: &[u8], at: Option<&str>, content| StoredOutput {
        name: name.to_vec(),
        at: at.map(|at| RelPath::new(at).unwrap()),
        content,
    };
    let file = |byte, size| OutputContent::File {
        executable: byte % 2 == 1,
        size,
        blob: BlobId::new(Digest::from_bytes([byte; 32])),
    };
    let digest = |byte| Digest::from_bytes([byte; 32]);
    Manifest {
        label: "penguins/clean".to_owned(),
        key: Key::new(digest(0xab)),
        outcome: Outcome {
            exit_code: 0,
            outputs: vec![
                output(b"build/clean.csv", None, file(0x10, 11_287)),
                output(
                    b"build/figures/*.png",
                    Some("build/figures/a.png"),
                    file(0x11, 2_048),
                ),
                output(
                    b"build/latest",
                    None,
                    OutputContent::Link(b"run-\xff\\1".to_vec()),
                ),
                output(
                    b"build/parts",
                    None,
                    OutputContent::Tree(TreeId::new(digest(0x12))),
                ),
            ],
        },
        started: 1_767_225_600_000_000_001,
        duration: 1_500_000_000,
        host: "node3".to_owned(),
        user: Some("ada".to_owned()),
        version: "0.1.0".to_owned(),
        components: vec![
            ("command/argv".to_owned(), "python3 clean.py".to_owned()),
            (
                "input/data/raw.csv".to_owned(),
                format!("file {}", digest(0x20)),
            ),
            ("param/min_mass".to_owned(), "2700".to_owned()),
        ],
        versions: BTreeMap::from([("model".to_owned(), "2".to_owned())]),
        metadata: BTreeMap::from([
            (
                "paper".to_owned(),
                serde_json::json!({"doi": "10.1/x", "figure": 2}),
            ),
            ("scale".to_owned(), serde_json::from_str("1.0").unwrap()),
        ]),
    }
}

fn golden() -> &'static str {
    let start = PAGE.find("```json\n").unwrap() + "```json\n".len();
    let length = PAGE[start..].find("```").unwrap();
    &PAGE[start..start + length]
}

#[test]
fn the_text_of_a_manifest_does_not_change() {
    assert_eq!(
        String::from_utf8(form::encode(&example())).unwrap(),
        golden()
    );
    assert_eq!(form::decode(golden().as_bytes()), Some(example()));
}

#[test]
fn white_space_does_not_count() {
    let windows = golden().replace('\n', "\r\n");
    assert_eq!(form::decode(windows.as_bytes()), Some(example()));
    let compact: serde_json::Value = serde_json::from_str(golden()).unwrap();
    assert_eq!(
        form::decode(compact.to_string().as_bytes()),
        Some(example())
    );
}

#[test]
fn a_manifest_that_is_cut_anywhere_is_none() {
    let whole = golden().trim_end().as_bytes();
    assert!(form::decode(whole).is_some());
    for end in 0..whole.len() {
        assert_eq!(form::decode(&whole[..end]), None, "cut at {end}");
    }
}

#[test]
fn whatever_byte_changes_nothing_that_decides_reads_otherwise() {
    let example = example();
    for at in 0..golden().len() {
        for flip in [0x01, 0x02, 0x10, 0x20, 0x80] {
            let mut bytes = golden().as_bytes().to_vec();
            bytes[at] ^= flip;
            let Some(read) = form::decode(&bytes) else {
                continue;
            };
            let decides = |it: &Manifest| (it.key, it.outcome.clone(), it.started, it.duration);
            assert_eq!(decides(&read), decides(&example), "byte {at}");
        }
    }
}

#[test]
fn another_schema_and_unknown_fields_are_not_read() {
    for (from, to) in [
        ("\"schema\": 1", "\"schema\": 2"),
        ("\"schema\": 1", "\"schema\": 1, \"more\": 1"),
        ("\"schema\": 1", "\"schema\": 1, \"schema\": 1"),
        ("\"kind\": \"folder\"", "\"kind\": \"socket\""),
        ("\"kind\": \"folder\"", "\"kind\": \"folder\", \"size\": 1"),
        ("\"exit_code\": 0", "\"exit_code\": 256"),
        ("\"exit_code\": 0", "\"exit_code\": 1"),
        ("\"size\": 2048", "\"size\": -1"),
    ] {
        assert!(golden().contains(from), "{from}");
        let text = golden().replacen(from, to, 1);
        assert_eq!(form::decode(text.as_bytes()), None, "{to}");
    }
}

#[test]
fn only_a_plain_name_is_the_name_of_a_manifest() {
    let temp = TempDir::new();
    let result = write(temp.path(), "clean", &form::encode(&example()));
    result.unwrap();
    assert_eq!(read(temp.path(), "clean"), Some(example()));
    for name in [
        "",
        ".",
        "..",
        "../manifests/clean",
        "a/clean",
        "/clean",
        "x\0",
    ] {
        assert_eq!(read(temp.path(), name), None, "{name}");
        assert!(!remove(temp.path(), name).unwrap(), "{name}");
    }
    for name in ["", "../x", "a/b", "x\0"] {
        assert!(write(temp.path(), name, b"").is_err(), "{name}");
    }
    assert!(remove(temp.path(), "clean").unwrap());
    assert!(!remove(temp.path(), "clean").unwrap());
    assert_eq!(read(temp.path(), "clean"), None);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test sets its files up by itself"
)]
fn no_link_is_followed_to_a_manifest() {
    use std::os::unix::fs::symlink;
    let bytes = form::encode(&example());
    for linked in [".ibid", ".ibid/manifests", ".ibid/manifests/clean.json"] {
        let temp = TempDir::new();
        let (root, outside) = (temp.join("root"), temp.join("outside"));
        std::fs::create_dir_all(root.join(linked).parent().unwrap()).unwrap();
        std::fs::create_dir_all(outside.join("manifests")).unwrap();
        for target in ["manifests/clean.json", "clean.json"] {
            std::fs::write(outside.join(target), &bytes).unwrap();
        }
        let target = match linked {
            ".ibid/manifests/clean.json" => outside.join("clean.json"),
            _ => outside.clone(),
        };
        symlink(target, root.join(linked)).unwrap();
        assert_eq!(read(&root, "clean"), None, "{linked}");
        let names = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
        let before = (names(&outside), names(&outside.join("manifests")));
        // A link in the file's own place is replaced; one on the way is an error.
        let written = write(&root, "clean", &bytes);
        assert_eq!(written.is_ok(), linked.contains(".json"), "{linked}");
        let after = (names(&outside), names(&outside.join("manifests")));
        assert_eq!(before, after, "{linked}");
        assert_eq!(std::fs::read(outside.join("clean.json")).unwrap(), bytes);
    }
}

proptest! {
    #[test]
    fn what_is_no_manifest_is_read_as_none(text in "\\PC{0,200}", bytes: Vec<u8>) {
        prop_assert_eq!(form::decode(text.as_bytes()), None);
        prop_assert_eq!(form::decode(&bytes), None);
    }
}
