//! Changes with what lies inside of them: of a file that changed, the lines; of a folder, the
//! files.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ibid_core::action::{Change, ComponentName};
use ibid_core::digest::encoding::Value;
use ibid_core::store::LocalStore;
use ibid_core::tree::{Content, Entry, RelPath, Tree};
use serde_json::json;

use super::known::Known;
use super::text_diff::{self, Difference};
use crate::report::value;

/// How many files of a folder are named, and compared line by line.
const NAMED: usize = 20;

/// Prints changes a line each, with lines of texts and files of folders below them; each line
/// begins with `indent`.
pub(super) fn as_text(known: &Known<'_>, changes: &[Change], indent: &str) -> String {
    let paint = known.context.console.data_paint();
    let mut text = String::new();
    for change in changes {
        let difference = text_diff::of_change(known, change);
        let counted = difference.as_ref().map(Difference::in_words);
        let counted = counted.map_or_else(String::new, |words| format!(", {words}"));
        let _ = writeln!(text, "{indent}{}{counted}", value::change(change));
        if let Some(difference) = difference {
            text.push_str(&difference.block(&format!("{indent}    "), paint));
        }
        let files = files(&known.store, change);
        for file in files.iter().take(NAMED) {
            let what = in_words(file, difference_in(known, change, file).as_ref());
            let _ = writeln!(text, "{indent}  {}: {what}", file.path);
        }
        if files.len() > NAMED {
            let _ = writeln!(text, "{indent}  and {} more", files.len() - NAMED);
        }
    }
    text
}

/// Returns changes as JSON, with all files of folders.
pub(super) fn as_json(known: &Known<'_>, changes: &[Change]) -> serde_json::Value {
    let with_files = changes.iter().map(|change| {
        let mut json = value::change_json(change);
        if let Some(difference) = text_diff::of_change(known, change) {
            json["difference"] = difference.as_json();
        }
        let files = files(&known.store, change);
        if !files.is_empty() {
            let files = files.iter().enumerate().map(|(index, file)| {
                let mut json = json!({"path": file.path.to_string(), "what": file.what});
                let compared = (index < NAMED).then(|| difference_in(known, change, file));
                if let Some(difference) = compared.flatten() {
                    json["difference"] = difference.as_json();
                }
                json
            });
            json["files"] = files.collect();
        }
        json
    });
    with_files.collect()
}

/// Says in a few words how much of a changed path changed, if that can still be read.
pub(super) fn how_much(known: &Known<'_>, change: &Change) -> Option<String> {
    if let Some(difference) = text_diff::of_change(known, change) {
        return Some(difference.in_words());
    }
    match files(&known.store, change).as_slice() {
        [] => None,
        [file] => Some(format!("{} {}", file.path, file.what)),
        several => Some(format!("{} files differ", several.len())),
    }
}

/// A file, link or folder in a folder that changed.
struct File {
    path: RelPath,
    what: &'static str,
    old: Option<Entry>,
    new: Option<Entry>,
}

fn in_words(file: &File, difference: Option<&Difference>) -> String {
    match difference {
        Some(difference) => format!("{}, {}", file.what, difference.in_words()),
        None => file.what.to_owned(),
    }
}

fn difference_in(known: &Known<'_>, change: &Change, file: &File) -> Option<Difference> {
    let blob = |entry: &Option<Entry>| match entry {
        Some(Entry::File { blob, .. }) => Some(*blob),
        _ => None,
    };
    let folder = match &change.name {
        ComponentName::Bytes(name) => RelPath::new(name.as_slice()).ok(),
        _ => None,
    };
    let path = folder.map(|folder| folder.join(&file.path));
    text_diff::of_file(known, path.as_ref(), (blob(&file.old)?, blob(&file.new)?))
}

/// Names what differs between two listings, if the store still has both.
fn files(store: &LocalStore, change: &Change) -> Vec<File> {
    let listing = |value: &Option<Value>| -> Option<Tree> {
        let content = change.kind.content(value.as_ref()?)?;
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
        Some(File {
            path: path.clone(),
            what,
            old: old.get(path).cloned(),
            new: new.get(path).cloned(),
        })
    });
    changed.collect()
}
