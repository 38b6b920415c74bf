//! Hostile names of inputs and outputs: what is made under them comes back as it was.

use super::super::snapshot::{Snapshot, remove};
use super::ESCAPES;
use super::play::{Act, Case, Expect, Met, Playing};
use super::results::word;

pub(super) fn cases() -> Vec<Case> {
    let all: Vec<(&str, Vec<u8>)> = vec![
        ("254 bytes", vec![b'n'; 254]),
        ("255 bytes", vec![b'n'; 255]),
        ("not UTF-8", vec![0xff, 0xfe, 0x80]),
        ("half of a letter", vec![b'a', 0xc3]),
        ("escapes", ESCAPES.replace('/', "_").into_bytes()),
        ("a newline", b"a\nb".to_vec()),
        ("only a newline", b"\n".to_vec()),
        ("blanks", b"  a  ".to_vec()),
        ("a flag", b"--force".to_vec()),
        ("quotes", b"'\"`$(touch evil)`\"'".to_vec()),
        ("a backslash", b"a\\b".to_vec()),
        (
            "composed and decomposed",
            "\u{e9}e\u{301}".as_bytes().to_vec(),
        ),
        ("three dots", b"...".to_vec()),
        ("a name of Windows", b"CON".to_vec()),
        (
            "a staged file of ibid's",
            b".ibid-2939d1a245dd4503-1-1-743bdfe9ba0d327036a7188ed10e1e94.tmp".to_vec(),
        ),
        (
            "a zero width joiner",
            "a\u{200d}b\u{feff}".as_bytes().to_vec(),
        ),
        (
            "every byte that a name may have",
            (1..=255).filter(|byte| *byte != b'/').take(250).collect(),
        ),
    ];
    let mut cases: Vec<_> = all
        .into_iter()
        .map(|(name, bytes)| {
            Case::step("name", name, Expect::Fresh, |_| {}).acting(Act::Named(bytes))
        })
        .collect();
    cases.push(
        Case::step(
            "name",
            "names that differ by case",
            Expect::Fresh,
            |scene| {
                scene.env.write("made/nAME", "other\n");
            },
        )
        .acting(Act::Named(b"Name".to_vec())),
    );
    cases
}

/// Runs a command with an input, a file and a folder of that name, and then has it served.
pub(super) fn play(playing: &mut Playing<'_>, name: &[u8]) -> Met {
    let env = &playing.scene.env;
    let below = |folder: &str| word(&[folder.as_bytes(), b"/", name].concat());
    let input = below("named");
    for folder in ["named", "made"] {
        std::fs::create_dir_all(env.work(folder)).expect("the workspace is ours");
    }
    std::fs::write(env.work(&input), "input\n").expect("the workspace is ours");
    let script = "mkdir -p made/sub; cp \"$1\" \"$2\"; cp \"$1\" \"made/sub/${2#made/}\"; \
                  ln -s \"${2#made/}\" made/sub/link; cat \"$1\"";
    let place = word(b"made/sub");
    let mut seen = Vec::new();
    for _ in 0..2 {
        for path in [env.work(below("made")), env.work("made/sub")] {
            remove(&path);
        }
        let mut command = playing.scene.env.command();
        // `=` keeps names that begin with a dash in their place.
        let joined = |flag: &str, path: &std::ffi::OsString| {
            let mut joined = word(flag.as_bytes());
            joined.push(path);
            joined
        };
        let literal = |path: &std::ffi::OsString| path.clone();
        command
            .arg("exec")
            .arg(joined("--input=", &literal(&input)))
            .arg(joined("--output=", &below("made")))
            .arg(joined("--output=", &place))
            .args(["--label", "named", "--", "sh", "-c", script, "sh"])
            .arg(&input)
            .arg(below("made"));
        let ended = playing.ask(&mut command, &[0, 2]);
        // Characters of patterns make it one, and control characters are refused or not: but then
        // both times.
        seen.push((ended.code, ended.stdout, Snapshot::of(&env.work("made"))));
    }
    let (first, second) = (&seen[0], &seen[1]);
    if (first.0, &first.1) != (second.0, &second.1) {
        playing
            .wrong
            .push(format!("codes {:?} and {:?}", first.0, second.0));
    }
    playing.wrong.extend(first.2.difference(&second.2));
    for words in [
        &["log"][..],
        &["why", "named"],
        &["show", "named"],
        &["fsck"],
        &["usage"],
    ] {
        playing.ask(playing.scene.env.command().args(words), &[0, 1, 2]);
    }
    playing.ask(
        playing.scene.env.command().arg("cite").arg(below("made")),
        &[0, 1, 2],
    );
    Met::Served
}
