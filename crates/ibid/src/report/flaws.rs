//! Flaws of a store for people and for programs: one line each, and what they add up to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ibid_core::digest::Key;
use ibid_core::maintain::{Checked, Flaw, FlawClass, FlawKind};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::people;
use crate::exit;

/// As many spoiled steps are named in a line.
const NAMED: usize = 3;

/// Prints a flaw in a line: what kind, where, what is wrong, what it spoils.
pub(crate) fn line(flaw: &Flaw, store: &Path, name: &dyn Fn(&Key) -> String) -> String {
    let path = flaw.path.strip_prefix(store).unwrap_or(&flaw.path);
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let mut line = format!(
        "{:<14}  {}: {}",
        flaw.kind.word(),
        shortened(&people::path(path)),
        Escaped(flaw.reason.as_bytes())
    );
    if !flaw.spoils.is_empty() {
        let mut names: Vec<_> = flaw.spoils.iter().map(name).collect();
        names.sort();
        names.dedup();
        let names = people::some_of(&names, NAMED);
        let _ = write!(line, "; spoils {}", Escaped(names.as_bytes()));
    }
    line
}

/// Shortens digests and random endings within a text, which whole make a line unreadable; `--json`
/// has them.
pub(crate) fn shortened(text: &str) -> String {
    const LONG: usize = 32;
    const SHOWN: usize = 12;
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let mut short = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| is_hex(byte)).count();
        if digits >= LONG {
            let _ = write!(short, "{}…", &rest[..SHOWN]);
            rest = &rest[digits..];
            continue;
        }
        // What is passed begins with hexadecimal digits, which are ASCII, and ends behind a character.
        let next = rest[digits..].chars().next().map_or(0, char::len_utf8);
        short.push_str(&rest[..digits + next]);
        rest = &rest[digits + next..];
    }
    short
}

/// Returns a flaw as JSON.
pub(crate) fn as_json(
    flaw: &Flaw,
    store: &Path,
    labels: &BTreeMap<Key, String>,
) -> serde_json::Value {
    let path = flaw.path.strip_prefix(store).unwrap_or(&flaw.path);
    let spoils = flaw
        .spoils
        .iter()
        .map(|key| json!({"key": key.to_string(), "label": labels.get(key)}));
    json!({
        "kind": flaw.kind.word(),
        "class": flaw.kind.class().word(),
        "path": people::path(path),
        "reason": Escaped(flaw.reason.as_bytes()).to_string(),
        "spoils": spoils.collect::<Vec<_>>(),
    })
}

/// Returns the exit code of flaws: the sum of one number for each class that there is.
pub(crate) fn exit_code<'a>(flaws: impl IntoIterator<Item = &'a Flaw>) -> u8 {
    let bit = |flaw: &Flaw| match flaw.kind.class() {
        FlawClass::Damaged => exit::DAMAGED,
        FlawClass::Untrusted => exit::UNTRUSTED,
        FlawClass::Unreadable => exit::UNREADABLE,
        FlawClass::Told => 0,
    };
    flaws.into_iter().fold(0, |code, flaw| code | bit(flaw))
}

/// Says how many flaws there are of each class: `2 damaged, 1 unreadable`, or `nothing is wrong`.
pub(crate) fn sum<'a>(flaws: impl IntoIterator<Item = &'a Flaw>) -> String {
    let (mut counts, mut strangers, mut unread) = (BTreeMap::new(), 0, 0);
    for flaw in flaws {
        match (flaw.kind, flaw.kind.class()) {
            (FlawKind::Unread, _) => unread += 1,
            (_, FlawClass::Told) => strangers += 1,
            (_, class) => *counts.entry(class).or_insert(0_usize) += 1,
        }
    }
    let parts: Vec<_> = counts
        .iter()
        .map(|(class, count)| (*count, class.word()))
        .collect();
    let mut text = match people::counts(&parts) {
        nothing if nothing.is_empty() => "nothing is wrong".to_owned(),
        counts => counts,
    };
    if strangers > 0 {
        let _ = write!(text, "; {}", people::count(strangers, "stranger"));
    }
    if unread > 0 {
        let _ = write!(text, "; {} not read", people::count(unread, "file"));
    }
    text
}

/// Says what was read.
pub(crate) fn read(checked: &Checked) -> String {
    format!(
        "{} in {}",
        people::size(checked.bytes),
        people::count(checked.blobs, "file")
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn flaw(kind: FlawKind) -> Flaw {
        Flaw {
            kind,
            path: PathBuf::from("/s/v1/runs/\u{1b}x"),
            reason: "it is short".to_owned(),
            judged: None,
            spoils: Vec::new(),
        }
    }

    #[test]
    fn each_class_has_a_bit_and_strangers_have_none() {
        let code =
            |kinds: &[FlawKind]| exit_code(&kinds.iter().map(|k| flaw(*k)).collect::<Vec<_>>());
        assert_eq!(code(&[]), 0);
        assert_eq!(code(&[FlawKind::Stranger, FlawKind::Unread]), 0);
        assert_eq!(code(&[FlawKind::KeyFile, FlawKind::BlobContent]), 8);
        assert_eq!(code(&[FlawKind::Untrusted]), 16);
        assert_eq!(code(&[FlawKind::Unreadable, FlawKind::Listing]), 40);
    }

    #[test]
    fn long_digests_are_shortened_and_nothing_else() {
        let digest = "0a".repeat(32);
        let path = format!("v1/trash/{digest}-{}", "f".repeat(32));
        assert_eq!(shortened(&path), "v1/trash/0a0a0a0a0a0a…-ffffffffffff…");
        let name = "v1/runs/01795246487707186955-b5c70a84-0b66fae58af7119f ä…";
        assert_eq!(shortened(name), name);
    }

    #[test]
    fn a_line_has_kind_path_reason_and_what_is_spoiled_and_drives_no_terminal() {
        let name = |_: &Key| "fit".to_owned();
        let mut flaw = flaw(FlawKind::SmallFile);
        let store = Path::new("/s");
        let shown = line(&flaw, store, &name);
        assert_eq!(shown, "small-file      v1/runs/\\u{1b}x: it is short");
        let key = "1".repeat(64).parse().expect("it is a key");
        flaw.spoils = vec![key, key];
        assert!(line(&flaw, store, &name).ends_with("it is short; spoils fit"));
        assert_eq!(sum([&flaw]), "1 damaged");
        assert_eq!(sum([]), "nothing is wrong");
        flaw.kind = FlawKind::Unread;
        assert_eq!(sum([&flaw]), "nothing is wrong; 1 file not read");
    }
}
