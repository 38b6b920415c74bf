//! Hostile results: their bytes have the digest that the key's file names.

use std::os::unix::ffi::OsStringExt as _;

use super::ESCAPES;
use super::cbor::{Item, array, boolean, bytes, head, long_head, nested, null, text, uint};
use super::forms::{ResultForm, file, link, output, tree};
use super::play::{Case, Expect};
use super::scene::digest_of;

const KIND: &str = "result";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = outputs();
    cases.extend(paths());
    cases.extend(links());
    cases.extend(runs());
    cases.extend(encodings());
    cases
}

/// A result that is the usual one but for what `change` does.
fn changed(
    name: impl Into<String>,
    expect: Expect,
    change: impl Fn(&mut ResultForm) + Send + Sync + 'static,
) -> Case {
    Case::step(KIND, name, expect, move |scene| {
        scene.plant(b"evil\n");
        let mut result = scene.usual();
        change(&mut result);
        scene.plant_result(&result);
    })
}

/// Outputs that were not declared, not so, or not once.
#[expect(clippy::too_many_lines, reason = "it is a list")]
fn outputs() -> Vec<Case> {
    let evil = || file(5, &digest_of(b"evil\n"));
    let added = |name: &'static str, item: Item| {
        changed(name, Expect::Ran, move |result| {
            result.outputs.push(item.clone());
        })
    };
    let instead = |name: &'static str, at: usize, item: Item| {
        changed(name, Expect::Ran, move |result| {
            result.outputs[at].clone_from(&item);
        })
    };
    vec![
        added(
            "an output that was not declared",
            output("precious", None, evil()),
        ),
        added("an absolute output", output("/tmp/ibid-evil", None, evil())),
        added(
            "an output that climbs",
            output("../canary/secret", None, evil()),
        ),
        added(
            "an output in a declared folder",
            output("folder/evil", None, evil()),
        ),
        added("the root as an output", output("", None, evil())),
        added(
            "the store as an output",
            output("../cache/ibid/v1/generation", None, evil()),
        ),
        added("an output in .ibid", output(".ibid/evil", None, evil())),
        added(
            "an output in .git",
            output(".git/hooks/pre-commit", None, evil()),
        ),
        added("an output with NUL", output("out.txt\0", None, evil())),
        added(
            "an output with a slash behind it",
            output("out.txt/", None, evil()),
        ),
        added(
            "an output with a dot before it",
            output("./out.txt", None, evil()),
        ),
        added("an output with escapes", output(ESCAPES, None, evil())),
        added(
            "an output that is not UTF-8",
            output([0xff, 0xfe], None, evil()),
        ),
        added("an output of another case", output("OUT.TXT", None, evil())),
        added("the input as an output", output("in.txt", None, evil())),
        added("an output twice", output("out.txt", None, evil())),
        added(
            "an output of four parts",
            array(&[bytes("out.txt"), null(), evil(), text("evil")]),
        ),
        added("an output of two parts", array(&[bytes("out.txt"), null()])),
        added(
            "an output of an unknown kind",
            output("out.txt", None, array(&[text("device"), uint(1)])),
        ),
        added(
            "a file of five parts",
            output(
                "x",
                None,
                array(&[text("file"), boolean(true), uint(1), bytes([1; 32]), null()]),
            ),
        ),
        added(
            "a name that is text",
            array(&[text("out.txt"), null(), evil()]),
        ),
        added(
            "2^32 outputs in a name",
            output([b'a'; 70_000], None, evil()),
        ),
        instead(
            "a pattern without a match",
            3,
            output("parts/*.p", None, evil()),
        ),
        instead(
            "a path with a match",
            2,
            output("out.txt", Some(b"precious"), evil()),
        ),
        changed("outputs in another order", Expect::Fresh, |result| {
            result.outputs.swap(0, 2);
        }),
        changed("no outputs", Expect::Ran, |result| result.outputs.clear()),
        changed("an output less", Expect::Ran, |result| {
            drop(result.outputs.remove(2));
        }),
        changed("a match twice", Expect::Fresh, |result| {
            result.outputs.push(result.outputs[3].clone());
        }),
        instead(
            "a file as a folder",
            2,
            output("out.txt", None, tree(&digest_of(b"out\n"))),
        ),
        instead(
            "a key record as a folder",
            0,
            output("folder", None, tree(&digest_of(b"evil\n"))),
        ),
        instead(
            "a file of no bytes said",
            2,
            output("out.txt", None, file(0, &digest_of(b"out\n"))),
        ),
        instead(
            "a file of one byte more said",
            2,
            output("out.txt", None, file(5, &digest_of(b"out\n"))),
        ),
        instead(
            "a file of 2^63 bytes said",
            2,
            output("out.txt", None, file(1 << 63, &digest_of(b"out\n"))),
        ),
        instead(
            "a file of 2^64-1 bytes said",
            2,
            output("out.txt", None, file(u64::MAX, &digest_of(b"out\n"))),
        ),
        instead(
            "a file that is not there",
            2,
            output("out.txt", None, file(4, &[9; 32])),
        ),
        instead(
            "a file that was not stored",
            2,
            array(&[
                bytes("out.txt"),
                null(),
                file(4, &digest_of(b"out\n")),
                text("digest"),
            ]),
        ),
        instead(
            "a folder that was not stored",
            0,
            array(&[
                bytes("folder"),
                null(),
                tree(&digest_of(b"x")),
                text("keep"),
            ]),
        ),
    ]
}

/// What a pattern matched.
fn paths() -> Vec<Case> {
    let long = [b'a'; 300];
    let deep = b"a/".repeat(50_000);
    let all: [(&str, &[u8]); 16] = [
        ("climbs", b"../canary/x.p"),
        ("climbs from below", b"parts/../../canary/x.p"),
        ("climbs and comes back", b"parts/../precious"),
        ("is absolute", b"/tmp/ibid-evil.p"),
        ("holds NUL", b"parts/a\0.p"),
        ("holds a dot", b"parts/./1.p"),
        ("is a dot", b"."),
        ("is two dots", b".."),
        ("is empty", b""),
        ("holds an empty name", b"parts//1.p"),
        ("ends in a slash", b"parts/1.p/"),
        ("is not matched by its pattern", b"precious"),
        ("lies in .ibid", b".ibid/1.p"),
        ("lies in .git", b".git/1.p"),
        ("has a name of 300 bytes", &long),
        ("is 50,000 levels deep", &deep),
    ];
    let part = || file(5, &digest_of(b"part\n"));
    let mut cases: Vec<_> = all
        .into_iter()
        .map(|(name, path)| {
            let path = path.to_vec();
            changed(format!("a match that {name}"), Expect::Ran, move |result| {
                result
                    .outputs
                    .push(output("parts/*.p", Some(&path), part()));
            })
        })
        .collect();
    // Matches that a command may have made, with names that nobody likes.
    for (name, path) in [
        ("with escapes", format!("parts/{ESCAPES}.p").into_bytes()),
        ("that is not UTF-8", b"parts/\xff\xfe.p".to_vec()),
        (
            "of 254 bytes",
            [b"parts/".as_slice(), &[b'a'; 252], b".p"].concat(),
        ),
        ("that looks like a flag", b"parts/--force.p".to_vec()),
    ] {
        let name = format!("a match {name}");
        cases.push(changed(name, Expect::Confined, move |result| {
            result
                .outputs
                .push(output("parts/*.p", Some(&path), part()));
        }));
    }
    cases.push(changed(
        "a match inside of a match",
        Expect::Fresh,
        move |result| {
            result
                .outputs
                .push(output("parts/*.p", Some(b"parts/1.p/2.p"), part()));
        },
    ));
    cases
}

/// Links as outputs: a record that is trusted may say so, and nothing is ever done through them.
fn links() -> Vec<Case> {
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("is absolute", b"/etc/passwd".to_vec()),
        ("climbs", b"../canary/secret".to_vec()),
        ("leads to the canary", b"../canary".to_vec()),
        ("leads to itself", b"out.txt".to_vec()),
        ("leads to the root", b".".to_vec()),
        ("holds escapes", ESCAPES.as_bytes().to_vec()),
        ("is not UTF-8", vec![0xff, 0xfe]),
        ("has 4,095 bytes", vec![b'a'; 4095]),
    ];
    let mut cases: Vec<_> = all
        .into_iter()
        .flat_map(|(name, text)| {
            [("folder", 0), ("out.txt", 2)].map(|(at, number)| {
                let text = text.clone();
                changed(
                    format!("`{at}` a link that {name}"),
                    Expect::Confined,
                    move |result| {
                        result.outputs[number] = output(at, None, link(&text));
                    },
                )
            })
        })
        .collect();
    for (name, text) in [
        ("is empty", Vec::new()),
        ("holds NUL", b"a\0b".to_vec()),
        ("has 5,000 bytes", vec![b'a'; 5000]),
        ("has 100,000 levels", b"../".repeat(100_000)),
    ] {
        cases.push(changed(
            format!("a link that {name}"),
            Expect::Ran,
            move |result| {
                result.outputs[2] = output("out.txt", None, link(&text));
            },
        ));
    }
    cases
}

/// Codes, times and words.
fn runs() -> Vec<Case> {
    let code = |name: &'static str, item: Item| {
        changed(name, Expect::Ran, move |result| {
            result.exit_code.clone_from(&item);
        })
    };
    let mut cases = vec![
        code("exit code 1", uint(1)),
        code("exit code 255", uint(255)),
        code("exit code 256", uint(256)),
        code("exit code 2^64-1", uint(u64::MAX)),
        code("exit code -1", vec![0x20]),
        code("an exit code that is text", text("0")),
        changed("a later format", Expect::Ran, |result| {
            result.format = uint(2);
        }),
        changed("times beyond all", Expect::Fresh, |result| {
            result.run.started = uint(u64::MAX);
            result.run.duration = uint(u64::MAX);
        }),
        changed("times of 1970", Expect::Fresh, |result| {
            result.run.started = uint(0);
            result.run.duration = uint(0);
        }),
        changed("a record that is not there", Expect::Fresh, |result| {
            result.run.record = bytes([9; 32]);
        }),
        changed("a record of something else", Expect::Fresh, |result| {
            result.run.record = bytes(digest_of(b"out\n"));
        }),
    ];
    for (name, word) in [
        ("escapes", ESCAPES.to_owned()),
        ("100,000 letters", "x".repeat(100_000)),
        ("nothing", String::new()),
        ("NUL and slashes", "\0/../..".to_owned()),
    ] {
        for (at, field) in ["host", "user", "version", "label"].into_iter().enumerate() {
            let word = word.clone();
            cases.push(changed(
                format!("{field} of {name}"),
                Expect::Served,
                move |result| {
                    let run = &mut result.run;
                    let fields = [
                        &mut run.host,
                        &mut run.user,
                        &mut run.version,
                        &mut run.label,
                    ];
                    *fields.into_iter().nth(at).expect("four fields") = text(&word);
                },
            ));
        }
    }
    cases
}

/// Bytes that are no result.
fn encodings() -> Vec<Case> {
    let encoded = |name: &'static str, make: fn(Vec<u8>) -> Vec<u8>| {
        Case::step(KIND, name, Expect::Ran, move |scene| {
            scene.plant_encoded(&make(scene.usual().encode()));
        })
    };
    vec![
        encoded("empty", |_| Vec::new()),
        encoded("cut", |good| good[..good.len() / 2].to_vec()),
        encoded("a byte behind it", |good| [good, vec![0]].concat()),
        encoded("twice", |good| good.repeat(2)),
        encoded("a head of nine bytes", |good| {
            [&long_head(4, 4), &good[1..]].concat()
        }),
        encoded("an array without an end", |good| {
            [&[0x9f], &good[1..], &[0xff]].concat()
        }),
        encoded("a tag before it", |good| [head(6, 24), good].concat()),
        encoded("arrays 100,000 deep", |_| nested(100_000)),
        encoded("an array of 2^64-1", |_| long_head(4, u64::MAX)),
        encoded("2^64-1 outputs", |good| {
            [&good[..37], &[0x00], &long_head(4, u64::MAX)[..]].concat()
        }),
        encoded("2^32 outputs", |good| {
            [&good[..37], &[0x00], &head(4, 1 << 32)[..]].concat()
        }),
        encoded("16 MiB of zeros", |_| vec![0; 16 << 20]),
        encoded("64 MiB of empty arrays", |_| {
            [head(4, 1 << 26), vec![0x80; 1 << 26]].concat()
        }),
        encoded("40 MiB of outputs", |good| {
            let one = output("a", None, link("b"));
            let count = (40 << 20) / one.len();
            [
                &good[..37],
                &[0x00],
                &head(4, count as u64)[..],
                &one.repeat(count),
            ]
            .concat()
        }),
    ]
}

/// Makes a word of bytes.
pub(super) fn word(bytes: &[u8]) -> std::ffi::OsString {
    std::ffi::OsString::from_vec(bytes.to_vec())
}
