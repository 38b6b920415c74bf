//! Hostile history, pins, leases and small files of the store: they decide nothing, and are shown.

use super::ESCAPES;
use super::blobs::path_of;
use super::cbor::{array, bytes, head, long_head, nested, null, text, uint};
use super::play::{Case, Expect};
use super::scene::Scene;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = history();
    cases.extend(pins());
    cases.extend(leases());
    cases.extend(small());
    cases
}

fn history() -> Vec<Case> {
    const KIND: &str = "history";
    let with = |name: &'static str, field: usize, item: Vec<u8>| {
        Case::step(KIND, name, Expect::Served, move |scene: &Scene| {
            scene.plant_entry(&scene.entry().with(field, item.clone()).encode());
        })
    };
    let raw = |name: &'static str, make: fn(Vec<u8>) -> Vec<u8>| {
        Case::step(KIND, name, Expect::Served, move |scene: &Scene| {
            scene.plant_entry(&make(scene.entry().encode()));
        })
    };
    let escapes = || text(ESCAPES);
    vec![
        with("the usual one", 0, uint(1)),
        with("a later format", 0, uint(2)),
        with("a time beyond all", 1, uint(u64::MAX)),
        with("a time of 1970", 1, uint(0)),
        with("a label of escapes", 2, escapes()),
        with("a label of 500,000 letters", 2, text(&"x".repeat(500_000))),
        with("another key", 3, bytes([7; 32])),
        with("a record that is not there", 4, bytes([7; 32])),
        with("a result that is not there", 5, bytes([7; 32])),
        with("an unknown outcome", 6, text("exploded")),
        with("an outcome of escapes", 6, escapes()),
        with("a trigger of escapes", 7, array(&[escapes()])),
        with("100,000 triggers", 7, array(&vec![text("inputs"); 100_000])),
        with("a reason of escapes", 8, escapes()),
        with("a change of escapes", 9, array(&[escapes()])),
        with("2^64-1 changes", 9, long_head(4, u64::MAX)),
        with("compared to itself", 10, bytes([7; 32])),
        with("exit code 256", 11, uint(256)),
        with("signal 255", 12, uint(255)),
        with("a duration beyond all", 13, uint(u64::MAX)),
        with("savings beyond all", 14, uint(u64::MAX)),
        with("a root of escapes", 15, escapes()),
        with("a host of escapes", 16, escapes()),
        raw("empty", |_| Vec::new()),
        raw("cut", |good| good[..40].to_vec()),
        raw("a byte behind it", |good| [good, vec![0]].concat()),
        raw("arrays 100,000 deep", |_| nested(100_000)),
        raw("16 MiB", |_| vec![0; 16 << 20]),
        Case::step(KIND, "names that are none", Expect::Served, |scene| {
            for name in [ESCAPES.replace('/', "_"), "..x".to_owned(), "a".repeat(255)] {
                scene.put(&scene.store("v1/runs").join(name), scene.entry().encode());
            }
        }),
        Case::step(KIND, "a name of the year 5138", Expect::Served, |scene| {
            let name = "99999999999999999999-00000000-0000000000000000";
            scene.put(&scene.store("v1/runs").join(name), scene.entry().encode());
        }),
        Case::step(KIND, "10,000 entries", Expect::Served, |scene| {
            let entry = scene.entry().encode();
            let hash = &blake3::hash(super::scene::LABEL.as_bytes()).to_hex()[..8];
            for number in 0..10_000 {
                let name = format!("{:020}-{hash}-{number:016x}", 1_700_000_000_000_000_000_u64);
                scene.put(&scene.store("v1/runs").join(name), &entry);
            }
        }),
    ]
}

fn pins() -> Vec<Case> {
    const KIND: &str = "pin";
    let pin = |name: &'static str, make: fn(&Scene) -> Vec<u8>| {
        Case::step(KIND, name, Expect::Served, move |scene: &Scene| {
            scene.put(&path_of(scene, "pin"), make(scene));
        })
    };
    vec![
        pin("the usual one", |scene| scene.pin("work/step", "paper")),
        pin("a label of escapes", |scene| scene.pin(ESCAPES, "paper")),
        pin("a reason of escapes", |scene| {
            scene.pin("work/step", ESCAPES)
        }),
        pin("a later format", |scene| {
            [&[0x86, 2], &scene.pin("a", "b")[2..]].concat()
        }),
        pin("of another key", |_| {
            array(&[
                uint(1),
                bytes([7; 32]),
                null(),
                text("a"),
                uint(3),
                text("b"),
            ])
        }),
        pin("empty", |_| Vec::new()),
        pin("a byte behind it", |scene| {
            [scene.pin("a", "b"), vec![0]].concat()
        }),
        pin("arrays 100,000 deep", |_| nested(100_000)),
        Case::step(KIND, "names that are no keys", Expect::Served, |scene| {
            for name in [ESCAPES.replace('/', "_"), "..x".to_owned(), "A".repeat(64)] {
                scene.put(&scene.store("v1/pins").join(name), scene.pin("a", "b"));
            }
        }),
    ]
}

fn leases() -> Vec<Case> {
    const KIND: &str = "lease";
    // The lease of collections: one on the key may be half visible, and is waited for as long as a
    // beat may be late.
    let lease = |name: &'static str, content: Vec<u8>| {
        Case::step(KIND, name, Expect::Served, move |scene: &Scene| {
            scene.put(&scene.store("v1/leases/collection"), &content);
            scene.put(&scene.store("v1/leases/o-x"), &content);
        })
    };
    let held = |host: &str, pid: u64, session: u64| {
        let holder = array(&[
            text(host),
            text("boot"),
            uint(pid),
            uint(1),
            bytes([9; 16]),
            uint(session),
            uint(1),
        ]);
        [b"00000000000000000001".to_vec(), holder].concat()
    };
    vec![
        lease("empty", Vec::new()),
        lease("zeros", vec![0; 200]),
        lease("a counter of letters", b"aaaaaaaaaaaaaaaaaaaa".to_vec()),
        lease("a counter beyond all", b"99999999999999999999".to_vec()),
        lease("cut", held("host", 1, 0)[..30].to_vec()),
        lease("a process that is gone", held("host", 4_000_000_000, 0)),
        lease("a host of escapes", held(ESCAPES, 1, 0)),
        lease("process 0", held("host", 0, 0)),
        lease("process 2^64-1", held("host", u64::MAX, 0)),
        lease("session 2^64-1", held("host", 1, u64::MAX)),
        lease("arrays 100,000 deep", nested(100_000)),
        lease("16 MiB", vec![b'0'; 16 << 20]),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a list")]
fn small() -> Vec<Case> {
    const KIND: &str = "small file";
    let with = |what: &'static str, name: &'static str, expect: Expect, content: Vec<u8>| {
        Case::step(
            KIND,
            format!("{what}: {name}"),
            expect,
            move |scene: &Scene| {
                scene.put(&path_of(scene, what), &content);
            },
        )
    };
    let file = |what, name, content| with(what, name, Expect::Fresh, content);
    // A store of a later version is left alone, and the user told to take a later one.
    let later = |name, content| with("store.json", name, Expect::Refused, content);
    let json = |text: &str| text.as_bytes().to_vec();
    let mut cases = vec![
        file("store.json", "empty", Vec::new()),
        later("a later format", json(r#"{"format": 2}"#)),
        file(
            "store.json",
            "a format of 2^64",
            json(r#"{"format": 18446744073709551616}"#),
        ),
        file("store.json", "format -1", json(r#"{"format": -1}"#)),
        file(
            "store.json",
            "an identity that climbs",
            json(r#"{"format": 1, "uuid": "../../../etc"}"#),
        ),
        file(
            "store.json",
            "an identity of escapes",
            json("{\"format\": 1, \"uuid\": \"\\u001b[31m\"}"),
        ),
        file(
            "store.json",
            "arrays 10,000 deep",
            "[".repeat(10_000).into_bytes(),
        ),
        later("the same name twice", json(r#"{"format": 1, "format": 2}"#)),
        file("generation", "escapes", ESCAPES.as_bytes().to_vec()),
        file("generation", "a mebibyte", vec![b'g'; 1 << 20]),
        file("generation", "empty", Vec::new()),
        file("now", "something", vec![b'n'; 1000]),
        file("collected", "something", vec![b'c'; 1000]),
        file("tmp", "something", vec![b't'; 1000]),
        file("shard", "empty", Vec::new()),
        file("shard", "zeros", vec![0; 1 << 16]),
        file("shard", "ones", vec![0xff; 1 << 16]),
        file("shard", "an odd size", vec![1; 4097]),
        file("shard", "CBOR", [head(4, 1 << 32), null()].concat()),
        file("shard", "text", b"ibid\n".repeat(10_000)),
    ];
    cases.push(Case::step(
        KIND,
        "names that nobody made",
        Expect::Fresh,
        |scene| {
            let names = [ESCAPES.replace('/', "_"), "..x".to_owned(), "a".repeat(255)];
            for folder in [
                "v1",
                "v1/blobs",
                "v1/blobs/ab",
                "v1/keys",
                "v1/tmp",
                "v1/trash",
                "v1/leases",
                "local",
            ] {
                for name in &names {
                    scene.put(&scene.store(folder).join(name), "x");
                }
            }
        },
    ));
    cases
}
