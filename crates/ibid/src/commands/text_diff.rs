//! What changed inside of a file: lines, where it is a text of which both versions can still be
//! read.
//!
//! A version is read from the store, or from the workspace where the file there has just these
//! bytes. Nothing is read before its size is known to be small.

use std::fmt::Write as _;
use std::time::Duration;

use ibid_core::action::{Change, ComponentName};
use ibid_core::digest::BlobId;
use ibid_core::fs;
use ibid_core::tree::{Content, Escaped, RelPath};
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use super::known::Known;
use crate::report::people;

/// Larger files are not compared line by line.
const LARGEST: u64 = 256 * 1024;

/// So many lines of a difference are shown.
const SHOWN: usize = 10;

/// Longer lines are cut.
const WIDEST: usize = 120;

/// So much time a comparison may take before it becomes a coarse one.
const PATIENCE: Duration = Duration::from_millis(200);

/// How two versions of a file differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// As texts.
    Lines {
        added: usize,
        removed: usize,
        /// The start of the difference, each line with ` `, `+`, `-` or `@` before it.
        shown: Vec<String>,
        /// Lines of the difference that are not shown.
        more: usize,
    },
    /// As bytes: at least one is no text, or is large.
    Sizes { old: u64, new: u64 },
}

/// Compares the two versions of a changed file; `None` where it is no file, or one version is
/// gone.
pub(super) fn of_change(known: &Known<'_>, change: &Change) -> Option<Difference> {
    let blob = |side: &Option<_>| match change.kind.content(side.as_ref()?)?.resolved() {
        Content::File { blob, .. } => Some(*blob),
        _ => None,
    };
    let path = match &change.name {
        ComponentName::Bytes(name) => RelPath::new(name.as_slice()).ok(),
        _ => None,
    };
    of_file(
        known,
        path.as_ref(),
        (blob(&change.old)?, blob(&change.new)?),
    )
}

/// Compares two versions of the file at `path`.
pub(super) fn of_file(
    known: &Known<'_>,
    path: Option<&RelPath>,
    (old, new): (BlobId, BlobId),
) -> Option<Difference> {
    if old == new {
        return None;
    }
    match (version(known, path, &old)?, version(known, path, &new)?) {
        (Version::Text(old), Version::Text(new)) => Some(lines(&old, &new)),
        (old, new) => Some(Difference::Sizes {
            old: old.size(),
            new: new.size(),
        }),
    }
}

enum Version {
    Text(String),
    Bytes(u64),
}

impl Version {
    fn size(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Bytes(size) => *size,
        }
    }

    fn of(bytes: Vec<u8>) -> Self {
        let size = bytes.len() as u64;
        if bytes.contains(&0) {
            return Self::Bytes(size);
        }
        String::from_utf8(bytes).map_or(Self::Bytes(size), Self::Text)
    }
}

/// Reads one version of a file, if it can still be had.
fn version(known: &Known<'_>, path: Option<&RelPath>, blob: &BlobId) -> Option<Version> {
    let store = &known.store;
    match store.blob_size(blob) {
        Some(size) if size > LARGEST => return Some(Version::Bytes(size)),
        Some(_) => {
            if let Ok(bytes) = store.read_blob(blob, LARGEST) {
                return Some(Version::of(bytes));
            }
        }
        None => {}
    }
    let bytes = fs::read_small(&path?.below(&known.session.root), LARGEST).ok()?;
    (BlobId::of(&bytes) == *blob).then(|| Version::of(bytes))
}

fn lines(old: &str, new: &str) -> Difference {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let count = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count();
    let mut all = Vec::new();
    for hunk in diff.unified_diff().context_radius(1).iter_hunks() {
        all.push(hunk.header().to_string());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            // A tab is what a text is indented with: it is shown as blanks, not as `\t`.
            let line = change.value().trim_end_matches(['\n', '\r']);
            let line = line.replace('\t', "    ");
            let line = people::cut(&line, WIDEST);
            all.push(format!("{sign}{}", Escaped(line.as_bytes())));
        }
    }
    let more = all.len().saturating_sub(SHOWN);
    // One line more costs less than saying that there is one.
    let more = if more == 1 { 0 } else { more };
    all.truncate(all.len() - more);
    Difference::Lines {
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        shown: all,
        more,
    }
}

impl Difference {
    /// Says it in a few words: `+3 −1 lines`.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Lines {
                added: 0,
                removed: 0,
                ..
            } => "line ends".to_owned(),
            Self::Lines { added, removed, .. } => {
                let signed = [('+', *added), ('−', *removed)].into_iter();
                let signed = signed.filter(|(_, count)| *count > 0);
                let signed: Vec<_> = signed.map(|(sign, n)| format!("{sign}{n}")).collect();
                let last = if *added + *removed == 1 {
                    "line"
                } else {
                    "lines"
                };
                format!("{} {last}", signed.join(" "))
            }
            Self::Sizes { old, new } => {
                format!("{} → {}", people::size(*old), people::size(*new))
            }
        }
    }

    /// Prints the lines that are shown, each behind `indent`.
    pub(super) fn block(&self, indent: &str, paint: people::Paint) -> String {
        let mut text = String::new();
        let Self::Lines { shown, more, .. } = self else {
            return text;
        };
        for line in shown {
            let _ = writeln!(text, "{indent}{}", paint.line_of_diff(line));
        }
        if *more > 0 {
            let _ = writeln!(text, "{indent}and {more} more lines of difference");
        }
        text
    }

    /// Returns it as JSON.
    pub(super) fn as_json(&self) -> serde_json::Value {
        match self {
            Self::Lines {
                added,
                removed,
                shown,
                more,
            } => json!({"added": added, "removed": removed, "diff": shown, "more": more}),
            Self::Sizes { old, new } => json!({"old_size": old, "new_size": new}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_the_first_of_them_shown() {
        let difference = lines("a\nb\nc\nd\n", "a\nB\nc\nd\ne\n");
        assert_eq!(difference.in_words(), "+2 −1 lines");
        let Difference::Lines { shown, more, .. } = &difference else {
            panic!("these are texts");
        };
        assert_eq!(more, &0);
        let expected = ["@@ -1,4 +1,5 @@", " a", "-b", "+B", " c", " d", "+e"];
        assert_eq!(*shown, expected);
        let difference = lines(&"line\n".repeat(100), "");
        assert_eq!(difference.in_words(), "−100 lines");
        let Difference::Lines { shown, more, .. } = difference else {
            panic!("these are texts");
        };
        assert_eq!((shown.len(), more), (SHOWN, 91));
        assert_eq!(lines("", "one").in_words(), "+1 line");
    }

    #[test]
    fn lines_cannot_drive_the_terminal() {
        let difference = lines("", "\x1b[2J\ta\n");
        let block = difference.block("", people::Paint::Plain);
        assert_eq!(block, "@@ -0,0 +1 @@\n+\\u{1b}[2J    a\n");
    }

    #[test]
    fn what_is_no_text_is_told_by_its_size() {
        assert!(matches!(Version::of(vec![1, 0]), Version::Bytes(2)));
        assert!(matches!(Version::of(vec![0xff]), Version::Bytes(1)));
        let sizes = Difference::Sizes { old: 10, new: 2000 };
        assert_eq!(sizes.in_words(), "10 B → 2.0 kB");
        assert_eq!(sizes.block("", people::Paint::Plain), "");
    }
}
