//! Files with one mistake each, and what is said of them, as a person reads it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;

#[test]
fn broken_files_are_told_of_as_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines/broken");
    let mut names: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "toml"))
        .collect();
    names.sort();
    let mut messages = String::new();
    for name in names {
        let path = root.join(&name);
        let bytes = fs::read(&path).unwrap();
        let source = Source {
            root: &root,
            path: &path,
            bytes: &bytes,
        };
        let mistake = super::super::read(&source).map(drop).unwrap_err();
        let text = told(&mistake).replace(&format!("{}/", root.display()), "");
        let text = text.replace(&root.display().to_string(), "ROOT");
        let _ = write!(messages, "{text}\n\n");
    }
    let expected = fs::read_to_string(root.join("messages.txt")).unwrap_or_default();
    assert!(messages == expected, "messages.txt should be:\n{messages}");
}
