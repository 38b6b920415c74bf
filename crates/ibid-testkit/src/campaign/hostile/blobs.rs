//! Hostile stream logs, records and modes of blobs, and files of a tebibyte under each name.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::ESCAPES;
use super::cbor::{array, bytes, head, long_head, nested, null, text, uint};
use super::forms::log;
use super::play::{Case, Expect};
use super::scene::{Scene, digest_of};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = logs();
    cases.extend(records());
    cases.extend(modes());
    cases.extend(sparse());
    cases
}

/// What the command is said to have printed: its own bytes as they are, or nothing.
fn logs() -> Vec<Case> {
    const KIND: &str = "stream log";
    let planted = |name: &'static str, expect: Expect, content: Vec<u8>| {
        Case::step(KIND, name, expect, move |scene| {
            scene.plant_log(&content, content.len() as u64);
        })
    };
    let lying = |name: &'static str, size: u64| {
        Case::step(KIND, name, Expect::Ran, move |scene| {
            scene.plant_log(&log(&[(1, b"hello\n")]), size);
        })
    };
    let bad = |name: &'static str, content: Vec<u8>| planted(name, Expect::Ran, content);
    vec![
        planted(
            "the usual one",
            Expect::Served,
            log(&[(1, b"hello\n"), (2, b"warned\n")]),
        ),
        planted(
            "escapes of the command's own",
            Expect::Streams(b"\x1b]0;own\x07\x1b[2J\r\n", b"\x9b31m\x00\n"),
            log(&[(1, b"\x1b]0;own\x07\x1b[2J\r\n"), (2, b"\x9b31m\x00\n")]),
        ),
        planted(
            "bytes that are not UTF-8",
            Expect::Streams(b"\xff\xfe\xfd", b"\xc3\n"),
            log(&[(1, b"\xff\xfe\xfd"), (2, b"\xc3\n")]),
        ),
        planted("empty", Expect::Streams(b"", b""), Vec::new()),
        bad("stream 0", log(&[(0, b"x")])),
        bad("stream 3", log(&[(1, b"forged\n"), (3, b"x")])),
        bad("an empty piece", log(&[(1, b"")])),
        bad("a piece of a mebibyte", log(&[(1, &[b'x'; 1 << 20])])),
        bad(
            "cut",
            log(&[(1, b"forged\n"), (1, b"hello\n")])[..12].to_vec(),
        ),
        bad(
            "a byte behind it",
            [log(&[(1, b"forged\n")]), vec![0]].concat(),
        ),
        bad(
            "a piece of 2^64-1",
            [vec![0x82, 1], long_head(2, u64::MAX)].concat(),
        ),
        bad("a piece of text", array(&[uint(1), text("forged\n")])),
        bad(
            "a head of nine bytes",
            [long_head(4, 2), uint(1), bytes("forged\n")].concat(),
        ),
        bad("arrays 100,000 deep", nested(100_000)),
        bad("16 MiB of zeros", vec![0; 16 << 20]),
        lying("a byte less said", 8),
        lying("a byte more said", 10),
        lying("2^63 bytes said", 1 << 63),
        lying("2^64-1 bytes said", u64::MAX),
        lying("no bytes said", 0),
    ]
}

/// Key records: they explain, and decide nothing.
fn records() -> Vec<Case> {
    let planted = |name: &'static str, content: Vec<u8>| {
        Case::step("key record", name, Expect::Fresh, move |scene| {
            let record = scene.plant(&content);
            let mut result = scene.usual();
            result.run.record = bytes(record);
            scene.plant_result(&result);
            scene.plant_entry(&scene.entry().with(4, bytes(record)).encode());
        })
    };
    let component = |kind: &str, name: &str| array(&[text(kind), text(name), text(ESCAPES)]);
    vec![
        planted("empty", Vec::new()),
        planted("of another key", array(&[component("param", "x")])),
        planted("with escapes", array(&[component("param", ESCAPES)])),
        planted("of an unknown kind", array(&[component(ESCAPES, "x")])),
        planted("arrays 100,000 deep", nested(100_000)),
        planted("of 2^64-1 components", long_head(4, u64::MAX)),
        planted(
            "of 2^26 components",
            [head(4, 1 << 26), vec![0x80; 1 << 26]].concat(),
        ),
        planted(
            "16 MiB of nulls",
            [head(4, 1 << 24), null().repeat(1 << 24)].concat(),
        ),
    ]
}

/// Blobs with modes that nobody may get.
fn modes() -> Vec<Case> {
    [
        0o000, 0o004, 0o222, 0o777, 0o1777, 0o2755, 0o4755, 0o6777, 0o7777,
    ]
    .into_iter()
    .map(|mode| {
        Case::step(
            "mode of a blob",
            format!("{mode:04o}"),
            Expect::Fresh,
            move |scene| {
                for what in ["output", "listing", "result"] {
                    let chmod =
                        fs::set_permissions(scene.blob_of(what), Permissions::from_mode(mode));
                    chmod.expect("the store is ours");
                }
            },
        )
    })
    .collect()
}

/// Every kind of file of the store, by what it is, and where one stands.
pub(super) const NAMES: [&str; 17] = [
    "output",
    "listing",
    "log",
    "record",
    "result",
    "key",
    "entry",
    "pin",
    "lease",
    "generation",
    "store.json",
    "CACHEDIR.TAG",
    "collected",
    "now",
    "shard",
    "trash",
    "tmp",
];

/// Returns where a file of this kind stands.
pub(super) fn path_of(scene: &Scene, what: &str) -> PathBuf {
    let hex = scene.key_hex();
    match what {
        "key" => scene.key_path(),
        "entry" => {
            let hash = blake3::hash(super::scene::LABEL.as_bytes()).to_hex();
            scene.store(format!(
                "v1/runs/01800000000000000000-{}-00000000000000ff",
                &hash[..8]
            ))
        }
        "pin" => scene.store(format!("v1/pins/{hex}")),
        "lease" => scene.store(format!("v1/leases/{hex}")),
        "generation" | "collected" => scene.store("v1").join(what),
        "store.json" | "CACHEDIR.TAG" => scene.store(what),
        "now" => scene.store("tmp/now"),
        "shard" => {
            let shards = fs::read_dir(scene.store("local"))
                .into_iter()
                .flatten()
                .flatten();
            let first = shards.map(|entry| entry.path()).min();
            first.unwrap_or_else(|| scene.store("local/0"))
        }
        "trash" => {
            let digest = digest_of(b"out\n");
            let _ = fs::remove_file(scene.blob_path(&digest));
            let hex = super::scene::hex(&digest);
            scene.store(format!("v1/trash/blobs/{}/{hex}", &hex[..2]))
        }
        "tmp" => scene.store("v1/tmp/0123456789abcdef0123456789abcdef"),
        blob => scene.blob_of(blob),
    }
}

fn sparse() -> Vec<Case> {
    let sizes = [("1 TiB", 1_u64 << 40), ("1 GiB - 1", (1 << 30) - 1)];
    let all = NAMES
        .into_iter()
        .flat_map(|what| sizes.map(|size| (what, size)));
    all.map(|(what, (name, size))| {
        Case::possible(
            "holes",
            format!("{name} of `{what}`"),
            Expect::Fresh,
            move |scene| {
                let path = path_of(scene, what);
                scene.put(&path, "");
                let file = File::options().write(true).open(path);
                file.and_then(|file| file.set_len(size)).is_ok()
            },
        )
    })
    .collect()
}
