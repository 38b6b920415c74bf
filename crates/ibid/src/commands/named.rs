//! What a word that names a key, the start of one, or a label stands for.

use ibid_core::action::KeyRecord;
use ibid_core::digest::Key;
use ibid_core::fs::PathError;
use ibid_core::store::{LocalStore, Lookup, RunEntry};
use ibid_core::tree::Escaped;

use crate::error::Failure;
use crate::exit;

/// Fewer digits are more often a slip than a key.
const FEWEST_DIGITS: usize = 4;

/// A key, and the newest entry of history that led to it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) key: Key,
    pub(super) entry: Option<RunEntry>,
}

/// Finds what `word` names: a whole key, else a label, else the start of one key.
pub(super) fn find(store: &LocalStore, word: &str) -> Result<Named, Failure> {
    if let Ok(key) = word.parse::<Key>() {
        return Ok(Named { key, entry: None });
    }
    let newest = store.entries_of(word, 1).map_err(unreadable)?;
    if let Some(entry) = newest.into_iter().next() {
        return Ok(Named {
            key: entry.key,
            entry: Some(entry),
        });
    }
    let digits = word.strip_prefix("blake3:").unwrap_or(word);
    let is_start = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if digits.len() >= FEWEST_DIGITS && digits.chars().all(is_start) {
        return by_start(store, digits);
    }
    Err(similar(store, word).unwrap_or_else(|| unknown(word)))
}

/// A label begins with the name of its root, which is easily left out.
fn similar(store: &LocalStore, word: &str) -> Option<Failure> {
    let step = format!("/{}", word.trim_end_matches('/'));
    let entries = store.entries(usize::MAX).ok()?;
    let meant = entries.iter().find(|entry| entry.label.ends_with(&step))?;
    Some(
        Failure::new(exit::STEP_FAILED, nothing_known(word)).hint(format!(
            "did you mean the label `{}`?",
            Escaped(meant.label.as_bytes())
        )),
    )
}

fn nothing_known(word: &str) -> String {
    format!(
        "nothing is known of `{}` in this cache",
        Escaped(word.as_bytes())
    )
}

fn by_start(store: &LocalStore, digits: &str) -> Result<Named, Failure> {
    let stored = store.keys().map_err(unreadable)?;
    let ran = store.entries(usize::MAX).map_err(unreadable)?;
    let mut keys: Vec<_> = ran.iter().map(|entry| entry.key).collect();
    keys.extend(stored);
    keys.retain(|key| key.hex().starts_with(digits));
    keys.sort();
    keys.dedup();
    match keys.as_slice() {
        [] => Err(unknown(digits)),
        [key] => Ok(Named {
            key: *key,
            entry: None,
        }),
        several => {
            let starts: Vec<_> = several.iter().map(Key::short).collect();
            let starts = crate::report::people::some_of(&starts, 5);
            Err(Failure::usage(format!(
                "{} keys start with `{digits}`: {starts}",
                several.len()
            ))
            .hint("give more digits"))
        }
    }
}

/// Returns the key record of `key`, from its result or from history.
pub(super) fn record(store: &LocalStore, key: &Key) -> Result<KeyRecord, Failure> {
    let of_result = match store.look_up(key) {
        Lookup::Found(result) => store.key_record(key, &result.run.record),
        Lookup::Tombstone(_) | Lookup::Absent(_) => None,
    };
    if let Some(record) = of_result {
        return Ok(record);
    }
    let entries = store.entries_of_key(key, usize::MAX).map_err(unreadable)?;
    entries
        .iter()
        .find_map(|entry| store.key_record(key, &entry.record))
        .ok_or_else(|| unknown(&key.short()))
}

/// Nothing of this name is stored.
pub(super) fn unknown(word: &str) -> Failure {
    Failure::new(exit::STEP_FAILED, nothing_known(word)).hint("`ibid log` lists keys and labels")
}

/// History cannot be read.
#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
pub(super) fn unreadable(error: PathError) -> Failure {
    Failure::of(exit::IBID_FAILED, &error)
}
