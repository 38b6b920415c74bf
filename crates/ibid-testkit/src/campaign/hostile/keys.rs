//! Hostile keys' files.

use super::ESCAPES;
use super::cbor::{array, bytes, head, long_head, nested, null, text, uint};
use super::forms::key_file;
use super::play::{Case, Expect};
use super::scene::{Scene, digest_of};

const KIND: &str = "key's file";

#[expect(clippy::too_many_lines, reason = "it is a list")]
pub(super) fn cases() -> Vec<Case> {
    let digest = digest_of(b"nothing");
    let tombstone = |why: &str| array(&[text("tombstone"), uint(1), uint(1), text(why)]);
    let long = "y".repeat(1 << 20);
    let bodies = vec![
        ("empty", Vec::new()),
        ("zeros", vec![0; 43]),
        ("not CBOR", b"#!/bin/sh\nrm -rf ~\n".to_vec()),
        ("a result that is not there", key_file(&digest)),
        (
            "a later format",
            array(&[text("result"), uint(2), bytes(digest)]),
        ),
        (
            "format 2^64-1",
            array(&[text("result"), uint(u64::MAX), bytes(digest)]),
        ),
        (
            "a later kind",
            array(&[text("acceptance"), uint(1), bytes(digest), null()]),
        ),
        (
            "a kind of escapes",
            array(&[text(ESCAPES), uint(1), null()]),
        ),
        ("a kind without a name", array(&[text(""), uint(1)])),
        (
            "a kind that is a number",
            array(&[uint(1), uint(1), bytes(digest)]),
        ),
        (
            "a digest of 31 bytes",
            array(&[text("result"), uint(1), bytes([7; 31])]),
        ),
        (
            "a digest of 33 bytes",
            array(&[text("result"), uint(1), bytes([7; 33])]),
        ),
        (
            "a digest that is text",
            array(&[text("result"), uint(1), text(&"a".repeat(32))]),
        ),
        (
            "a path for a digest",
            array(&[text("result"), uint(1), text("../../../../etc/passwd")]),
        ),
        (
            "one item more",
            array(&[text("result"), uint(1), bytes(digest), null()]),
        ),
        ("one item less", array(&[text("result"), uint(1)])),
        ("bytes behind it", [key_file(&digest), vec![0]].concat()),
        ("twice", key_file(&digest).repeat(2)),
        ("an empty array", array(&[])),
        (
            "a map",
            [head(5, 1), text("result"), bytes(digest)].concat(),
        ),
        ("a tag", [head(6, 42), key_file(&digest)].concat()),
        (
            "an array without an end",
            [
                vec![0x9f],
                text("result"),
                uint(1),
                bytes(digest),
                vec![0xff],
            ]
            .concat(),
        ),
        (
            "a text in pieces",
            [
                vec![0x83, 0x7f],
                text("res"),
                text("ult"),
                vec![0xff],
                uint(1),
                bytes(digest),
            ]
            .concat(),
        ),
        (
            "an array head of nine bytes",
            [long_head(4, 3), text("result"), uint(1), bytes(digest)].concat(),
        ),
        (
            "a number head of nine bytes",
            [vec![0x83], text("result"), long_head(0, 1), bytes(digest)].concat(),
        ),
        (
            "an array of 2^64-1",
            [long_head(4, u64::MAX), text("later"), uint(9)].concat(),
        ),
        (
            "an array of 2^32",
            [head(4, 1 << 32), text("later"), uint(9)].concat(),
        ),
        (
            "a text of 2^63",
            [vec![0x83], long_head(3, 1 << 63)].concat(),
        ),
        (
            "bytes of 2^64-1",
            [vec![0x83], text("result"), uint(1), long_head(2, u64::MAX)].concat(),
        ),
        (
            "text that is not UTF-8",
            [vec![0x83, 0x62, 0xff, 0xfe], uint(1), null()].concat(),
        ),
        ("arrays 100,000 deep", nested(100_000)),
        (
            "arrays 100,000 deep in a later kind",
            [vec![0x83], text("later"), uint(9), nested(100_000)].concat(),
        ),
        (
            "arrays 200 deep in a later kind",
            [vec![0x83], text("later"), uint(9), nested(200)].concat(),
        ),
        (
            "maps 200 deep in a later kind",
            [
                vec![0x83],
                text("later"),
                uint(9),
                [vec![0xa1], text("a")].concat().repeat(200),
                null(),
            ]
            .concat(),
        ),
        (
            "a half float",
            [vec![0x83], text("later"), uint(9), vec![0xf9, 0x7e, 0]].concat(),
        ),
        (
            "a reserved simple value",
            [vec![0x83], text("later"), uint(9), vec![0xf8, 0x10]].concat(),
        ),
        ("a tombstone", tombstone("old")),
        ("a tombstone with escapes", tombstone(ESCAPES)),
        (
            "a tombstone of the year 2554",
            array(&[text("tombstone"), uint(1), uint(u64::MAX), text("x")]),
        ),
        ("a tombstone of a mebibyte", tombstone(&long)),
        (
            "a tombstone without a reason",
            array(&[text("tombstone"), uint(1), uint(1)]),
        ),
    ];
    let mut cases: Vec<_> = bodies
        .into_iter()
        .map(|(name, body)| {
            Case::step(KIND, name, Expect::Ran, move |scene| {
                scene.put(&scene.key_path(), &body);
            })
        })
        .collect();
    cases.extend(of_others());
    cases
}

/// Keys' files that name what is there, and is not theirs.
fn of_others() -> Vec<Case> {
    let naming = |name: &'static str, what: &'static str| {
        Case::step(KIND, name, Expect::Ran, move |scene: &Scene| {
            let digest = digest_of(&std::fs::read(scene.blob_of(what)).expect("it is there"));
            scene.put(&scene.key_path(), key_file(&digest));
        })
    };
    vec![
        Case::step(KIND, "the usual one", Expect::Served, |scene| {
            scene.plant_result(&scene.usual());
        }),
        naming("names an output", "output"),
        naming("names a listing", "listing"),
        naming("names a stream log", "log"),
        naming("names a key record", "record"),
        Case::step(
            KIND,
            "names the result of another key",
            Expect::Ran,
            |scene| {
                let mut result = scene.usual();
                result.key = bytes([7; 32]);
                scene.plant_result(&result);
            },
        ),
        Case::step(
            KIND,
            "stands under another key too",
            Expect::Served,
            |scene| {
                let file = std::fs::read(scene.key_path()).expect("it is there");
                scene.put(
                    &scene.store(format!("v1/keys/ab/{}", "ab".repeat(32))),
                    file,
                );
            },
        ),
        Case::step(
            KIND,
            "names that are no keys beside it",
            Expect::Served,
            |scene| {
                for name in ["..x", "\u{1b}[31m", "zz", &"a".repeat(255), "\n"] {
                    scene.put(&scene.key_path().with_file_name(name), "x");
                    scene.put(&scene.store("v1/keys").join(name), "x");
                }
            },
        ),
    ]
}
