//! Whatever the bytes are: a declaration, or a mistake in a line of the file.

use proptest::prelude::*;

use super::*;

const VALID: &str = include_str!("../../../../tests/pipelines/every_field.toml");

/// Reads bytes in an empty folder, and looks at the excerpt of the mistake.
fn is_orderly(bytes: &[u8]) {
    let dir = TempDir::new();
    let Err(mistake) = read_at(&dir, bytes) else {
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    let excerpt = &mistake.excerpt;
    assert_eq!(mistake.path, dir.join("ibid.toml"));
    let line = text.split('\n').nth(excerpt.line - 1);
    let line = line.unwrap_or_else(|| panic!("line {} is not in the file", excerpt.line));
    assert_eq!(line.trim_end(), excerpt.text);
    assert!(excerpt.column <= line.chars().count() + 1, "{mistake}");
    assert!(
        !mistake.message.is_empty() && !mistake.message.contains('\n'),
        "{mistake}"
    );
    assert!(!mistake.to_string().is_empty());
}

/// One change of a file.
#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Swap(usize, usize),
    Copy(usize, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let snippet = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..4),
        proptest::sample::select(vec![
            "[",
            "]",
            "{",
            "}",
            "\"",
            "'",
            "=",
            ".",
            ",",
            "\n",
            "#",
            "0",
            "-1",
            "true",
            "nan",
            "[[",
            "1979-05-27",
            "\"\"\"",
            "matrix",
            "run",
            "[steps.x]",
            "{}",
            "[]",
            "\\u0000",
            "é",
            "…",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let at = any::<prop::sample::Index>().prop_map(|index| index.index(VALID.len()));
    let edit = prop_oneof![
        (at.clone(), snippet).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at.clone(), 1_usize..40).prop_map(|(at, count)| Edit::Remove(at, count)),
        (at.clone(), at.clone()).prop_map(|(a, b)| Edit::Swap(a, b)),
        (at.clone(), at).prop_map(|(a, b)| Edit::Copy(a, b)),
    ];
    proptest::collection::vec(edit, 1..5)
}

fn apply(edits: &[Edit]) -> Vec<u8> {
    let mut bytes = VALID.as_bytes().to_vec();
    for edit in edits {
        let end = bytes.len();
        match edit {
            Edit::Insert(at, new) => {
                let at = (*at).min(end);
                bytes.splice(at..at, new.iter().copied());
            }
            Edit::Remove(at, count) => {
                let at = (*at).min(end);
                bytes.drain(at..(at + count).min(end));
            }
            Edit::Swap(a, b) if end > 0 => bytes.swap(a % end, b % end),
            // A value where another one was meant.
            Edit::Copy(from, to) => {
                let lines: Vec<Vec<u8>> = bytes
                    .split(|byte| *byte == b'\n')
                    .map(<[u8]>::to_vec)
                    .collect();
                let value = |line: &[u8]| line.iter().position(|byte| *byte == b'=');
                let (from, to) = (from % lines.len(), to % lines.len());
                if let (Some(a), Some(b)) = (value(&lines[from]), value(&lines[to])) {
                    let mut lines = lines.clone();
                    lines[to] = [&lines[to][..b], &lines[from][a..]].concat();
                    bytes = lines.join(&b'\n');
                }
            }
            Edit::Swap(..) => {}
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_read_or_told_of(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        is_orderly(&bytes);
    }

    #[test]
    fn any_text_is_read_or_told_of(text in "[\\[\\]{}=.,\"'a-z0-9\n #é-]{0,120}") {
        is_orderly(text.as_bytes());
    }

    #[test]
    fn a_changed_file_is_read_or_told_of(edits in edits()) {
        is_orderly(&apply(&edits));
    }
}

#[test]
fn deep_files_are_read_or_told_of() {
    for count in [10, 79, 80, 81, 200, 50_000] {
        is_orderly(format!("params.a = {}{}", "[".repeat(count), "]".repeat(count)).as_bytes());
        is_orderly(format!("params.a = {}{}", "{a=".repeat(count), "}".repeat(count)).as_bytes());
        is_orderly(format!("params{} = 1", ".a".repeat(count)).as_bytes());
        is_orderly(format!("[steps{}]\n", ".a".repeat(count)).as_bytes());
    }
}
