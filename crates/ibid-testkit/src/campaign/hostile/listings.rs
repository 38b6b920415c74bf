//! Hostile listings of a folder: their bytes have the digest that the result names.

use super::ESCAPES;
use super::cbor::{Item, array, boolean, bytes, head, long_head, nested, null, text, uint};
use super::forms::{at, dir, file, link};
use super::play::{Case, Expect};
use super::scene::{digest_of, usual_entries};

const KIND: &str = "listing";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::step(KIND, "the usual one", Expect::Served, |scene| {
        scene.plant_listing(&array(&usual_entries()));
    })];
    cases.extend(names());
    cases.extend(entries());
    cases.extend(links());
    cases.extend(encodings());
    cases
}

/// A listing of these entries.
fn listed(name: impl Into<String>, expect: Expect, entries: Vec<Item>) -> Case {
    Case::step(KIND, name, expect, move |scene| {
        scene.plant(b"evil\n");
        scene.plant_listing(&array(&entries));
    })
}

fn evil() -> Item {
    file(5, &digest_of(b"evil\n"))
}

/// Paths that lead elsewhere, or nowhere.
fn names() -> Vec<Case> {
    let deep = [b"d/".repeat(99_999), b"d".to_vec()].concat();
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("..", b"..".to_vec()),
        ("../evil", b"../evil".to_vec()),
        ("../../canary/secret", b"../../canary/secret".to_vec()),
        ("sub/../../precious", b"sub/../../precious".to_vec()),
        (".", b".".to_vec()),
        ("./a", b"./a".to_vec()),
        ("an absolute path", b"/tmp/ibid-evil".to_vec()),
        ("a slash", b"/".to_vec()),
        ("an empty path", Vec::new()),
        ("an empty name", b"sub//a".to_vec()),
        ("a slash at the end", b"z/".to_vec()),
        ("NUL", b"a\0b".to_vec()),
        ("a name of 300 bytes", vec![b'z'; 300]),
        ("a name of 256 bytes", vec![b'z'; 256]),
        ("100,000 levels", deep),
        ("a parent that is not listed", b"z/a".to_vec()),
        ("a parent that is a file", b"a/b".to_vec()),
        ("a parent that is a link", b"link/b".to_vec()),
    ];
    all.into_iter()
        .map(|(name, path)| {
            let mut pairs: Vec<(Vec<u8>, Item)> = vec![
                (b"a".to_vec(), file(2, &digest_of(b"1\n"))),
                (b"link".to_vec(), link("a")),
                (b"sub".to_vec(), dir()),
                (path, evil()),
            ];
            // In the order of the format, so that the path alone is wrong.
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            let entries = pairs.into_iter().map(|(path, entry)| at(path, entry));
            listed(format!("a path: {name}"), Expect::Ran, entries.collect())
        })
        .collect()
}

/// Entries that contradict each other, or lie.
#[expect(clippy::too_many_lines, reason = "it is a list")]
fn entries() -> Vec<Case> {
    let one = |path: &str| at(path, file(2, &digest_of(b"1\n")));
    let levels = |depth: usize| -> Vec<Item> {
        let path = |level: usize| vec!["d"; level].join("/");
        (1..=depth).map(|level| at(path(level), dir())).collect()
    };
    let kind = |kind: Item| vec![at("a", kind)];
    let parts =
        |executable: Item, size: Item, blob: Item| array(&[text("file"), executable, size, blob]);
    let good = bytes(digest_of(b"1\n"));
    vec![
        listed("a path twice", Expect::Ran, vec![one("a"), one("a")]),
        listed(
            "a file and a folder of one name",
            Expect::Ran,
            vec![one("a"), at("a", dir()), one("a/b")],
        ),
        listed(
            "a link and a folder of one name",
            Expect::Ran,
            vec![at("a", link("../..")), at("a", dir()), one("a/b")],
        ),
        listed(
            "a link, then a file through it",
            Expect::Ran,
            vec![at("a", link("../../canary")), one("a/x")],
        ),
        listed("the wrong order", Expect::Ran, vec![one("b"), one("a")]),
        listed(
            "a folder behind what lies in it",
            Expect::Ran,
            vec![one("a/b"), at("a", dir())],
        ),
        listed(
            "names that differ by case",
            Expect::Confined,
            vec![one("A"), one("a")],
        ),
        listed(
            "a folder and a link that differ by case",
            Expect::Confined,
            vec![at("A", dir()), one("A/x"), at("a", link("../../canary"))],
        ),
        listed("1,025 levels", Expect::Ran, levels(1025)),
        listed("1,024 levels", Expect::Confined, levels(1024)),
        listed("300 levels", Expect::Confined, levels(300)),
        listed(
            "names of 254 bytes",
            Expect::Confined,
            vec![one(&"a".repeat(254))],
        ),
        listed(
            "a name that is not UTF-8",
            Expect::Confined,
            vec![at([0xfe, 0xff], evil())],
        ),
        listed(
            "a name of escapes",
            Expect::Confined,
            vec![one(&ESCAPES.replace('/', "_"))],
        ),
        listed(
            "names like flags",
            Expect::Confined,
            vec![one("--"), one("-rf")],
        ),
        listed(
            "a folder .git",
            Expect::Confined,
            vec![at(".git", dir()), one(".git/config")],
        ),
        listed(
            "a folder .ibid",
            Expect::Confined,
            vec![at(".ibid", dir()), one(".ibid/x")],
        ),
        listed(
            "a size less",
            Expect::Ran,
            kind(file(1, &digest_of(b"1\n"))),
        ),
        listed(
            "a size more",
            Expect::Ran,
            kind(file(3, &digest_of(b"1\n"))),
        ),
        listed(
            "a size of 2^63",
            Expect::Ran,
            kind(file(1 << 63, &digest_of(b"1\n"))),
        ),
        listed(
            "sizes that overflow",
            Expect::Ran,
            vec![
                at("a", file(u64::MAX, &digest_of(b"1\n"))),
                at("b", file(u64::MAX, &digest_of(b"2\n"))),
            ],
        ),
        listed(
            "a blob that is not there",
            Expect::Ran,
            kind(file(2, &[9; 32])),
        ),
        listed(
            "mode 4755 for executable",
            Expect::Ran,
            kind(parts(uint(0o4755), uint(2), good.clone())),
        ),
        listed(
            "an executable bit of null",
            Expect::Ran,
            kind(parts(null(), uint(2), good.clone())),
        ),
        listed(
            "a size below zero",
            Expect::Ran,
            kind(parts(boolean(false), vec![0x20], good.clone())),
        ),
        listed(
            "a mode behind the file",
            Expect::Ran,
            kind(array(&[
                text("file"),
                boolean(false),
                uint(2),
                good.clone(),
                uint(0o4755),
            ])),
        ),
        listed(
            "a device",
            Expect::Ran,
            kind(array(&[text("device"), uint(1), uint(3)])),
        ),
        listed(
            "a hard link",
            Expect::Ran,
            kind(array(&[text("hardlink"), bytes("../../canary/secret")])),
        ),
        listed(
            "a folder with a mode",
            Expect::Ran,
            kind(array(&[text("dir"), uint(0o2777)])),
        ),
        listed(
            "a path that is text",
            Expect::Ran,
            vec![array(&[text("a"), dir()])],
        ),
        listed(
            "a pair of three",
            Expect::Ran,
            vec![array(&[bytes("a"), dir(), null()])],
        ),
        listed("nothing", Expect::Confined, Vec::new()),
    ]
}

/// Targets of links; where they lead, nothing is done.
fn links() -> Vec<Case> {
    let out = |target: Item| array(&[text("link-out"), bytes("../../canary"), target]);
    let content = |blob: &[u8; 32]| array(&[text("file"), boolean(false), bytes(blob)]);
    let mut cases: Vec<_> = [
        ("absolute", b"/etc/passwd".to_vec()),
        ("climbing", b"../../canary/secret".to_vec()),
        ("to itself", b"l".to_vec()),
        ("of escapes", ESCAPES.as_bytes().to_vec()),
        ("of 4,095 bytes", vec![b'x'; 4095]),
    ]
    .into_iter()
    .map(|(name, text)| {
        listed(
            format!("a link {name}"),
            Expect::Confined,
            vec![at("l", link(text))],
        )
    })
    .collect();
    for (name, text) in [
        ("empty", Vec::new()),
        ("with NUL", b"a\0".to_vec()),
        ("of 4,096 bytes", vec![b'x'; 4096]),
        ("of a mebibyte", vec![b'x'; 1 << 20]),
    ] {
        cases.push(listed(
            format!("a link {name}"),
            Expect::Ran,
            vec![at("l", link(text))],
        ));
    }
    cases.extend([
        listed(
            "a link out",
            Expect::Confined,
            vec![at("l", out(content(&digest_of(b"1\n"))))],
        ),
        listed(
            "a link out to what is not there",
            Expect::Confined,
            vec![at("l", out(content(&[9; 32])))],
        ),
        listed(
            "a link out to nothing",
            Expect::Ran,
            vec![at("l", out(null()))],
        ),
        listed(
            "links out 100,000 deep",
            Expect::Ran,
            vec![at("l", out(nested(100_000)))],
        ),
        listed("links in contents 1,000 deep", Expect::Fresh, {
            let mut inner = content(&digest_of(b"1\n"));
            for _ in 0..1000 {
                inner = array(&[text("link"), array(&[bytes("x")]), inner]);
            }
            vec![at("l", out(inner))]
        }),
    ]);
    cases
}

/// Bytes that are no listing.
fn encodings() -> Vec<Case> {
    let encoded = |name: &'static str, make: fn(Vec<u8>) -> Vec<u8>| {
        Case::step(KIND, name, Expect::Ran, move |scene| {
            scene.plant_listing(&make(array(&usual_entries())));
        })
    };
    vec![
        encoded("empty", |_| Vec::new()),
        encoded("cut", |good| good[..good.len() - 1].to_vec()),
        encoded("a byte behind it", |good| [good, vec![0]].concat()),
        encoded("a head of nine bytes", |good| {
            [&long_head(4, 4), &good[1..]].concat()
        }),
        encoded("an array without an end", |good| {
            [&[0x9f], &good[1..], &[0xff]].concat()
        }),
        encoded("2^64-1 entries", |good| {
            [&long_head(4, u64::MAX), &good[1..]].concat()
        }),
        encoded("10^9 entries", |good| {
            [&head(4, 1_000_000_000), &good[1..]].concat()
        }),
        encoded("a path of 2^63 bytes", |_| {
            [vec![0x81, 0x82], long_head(2, 1 << 63)].concat()
        }),
        encoded("arrays 100,000 deep", |_| nested(100_000)),
        encoded("16 MiB of zeros", |_| vec![0; 16 << 20]),
        encoded("a path of 16 MiB", |_| {
            let path = [b"d/".repeat(8 << 20), b"d".to_vec()].concat();
            array(&[at(path, dir())])
        }),
        encoded("100,000 entries and a lie", |_| {
            let name = |number: usize| at(format!("{number:06}"), dir());
            let mut all: Vec<_> = (0..100_000).map(name).collect();
            all.push(at("000000", dir()));
            array(&all)
        }),
    ]
}
