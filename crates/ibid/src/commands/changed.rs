//! Changes with what lies inside of them: of a folder that changed, the files that did.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ibid_core::action::Change;
use ibid_core::digest::encoding::Value;
use ibid_core::store::LocalStore;
use ibid_core::tree::{Content, RelPath};
use serde_json::json;

use crate::report::value;

/// How many files of a folder are named.
const NAMED: usize = 20;

/// Prints changes a line each, with files of folders below them; each line begins with `indent`.
pub(super) fn as_text(store: &LocalStore, changes: &[Change], indent: &str) -> String {
    let mut text = String::new();
    for change in changes {
        let _ = writeln!(text, "{indent}{}", value::change(change));
        let files = files(store, change);
        for (path, what) in files.iter().take(NAMED) {
            let _ = writeln!(text, "{indent}  {path}: {what}");
        }
        if files.len() > NAMED {
            let _ = writeln!(text, "{indent}  and {} more", files.len() - NAMED);
        }
    }
    text
}

/// Returns changes as JSON, with all files of folders.
pub(super) fn as_json(store: &LocalStore, changes: &[Change]) -> serde_json::Value {
    let with_files = changes.iter().map(|change| {
        let mut json = value::change_json(change);
        let files = files(store, change);
        if !files.is_empty() {
            let files = files.iter();
            let files = files.map(|(path, what)| json!({"path": path.to_string(), "what": what}));
            json["files"] = files.collect();
        }
        json
    });
    with_files.collect()
}

/// Names what differs between two listings, if the store still has both.
fn files(store: &LocalStore, change: &Change) -> Vec<(RelPath, &'static str)> {
    let listing = |value: &Option<Value>| {
        let content = value::content_of(change.kind, value.as_ref()?)?;
        let Content::Tree(tree) = content.resolved() else {
            return None;
        };
        store.listing(tree).ok()
    };
    let (Some(old), Some(new)) = (listing(&change.old), listing(&change.new)) else {
        return Vec::new();
    };
    let paths: BTreeSet<_> = old.iter().chain(new.iter()).map(|(path, _)| path).collect();
    let changed = paths.into_iter().filter_map(|path| {
        let what = match (old.get(path), new.get(path)) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(_), Some(_)) => "changed",
            (None, _) => "new",
            (_, None) => "gone",
        };
        Some((path.clone(), what))
    });
    changed.collect()
}
