//! One file of a store, looked at again just before it is touched, by what its name is for.

use std::path::Path;

use super::blobs;
use super::book::Book;
use super::trust::Ground;
use crate::store::{LocalStore, Place, Unusable};

/// What a second look at a file found.
pub(in crate::maintain) enum Recheck {
    /// It is right.
    Sound,
    /// It is wrong.
    Wrong,
    /// It is a long file of holes, which is not read only to learn whether it is right.
    Hollow,
    /// It is not there.
    Absent,
    /// It cannot be read, in words.
    Unreadable(String),
}

/// Looks at one file of the store again, by what its name is for.
pub(in crate::maintain) fn recheck(store: &LocalStore, path: &Path) -> Recheck {
    match parts(store, path)[..] {
        ["CACHEDIR.TAG"] => Recheck::of(store.peek_tag()),
        ["store.json"] => Recheck::of(store.peek_description()),
        ["v1", "generation"] => Recheck::of(store.peek_generation()),
        ["v1", "runs", _] => Recheck::of(store.peek_run(path)),
        ["v1", "pins", name] => match name.parse() {
            Ok(key) => Recheck::of(store.peek_pin(path, &key)),
            Err(_) => Recheck::Sound,
        },
        ["v1", "keys", _, name] => match name.parse() {
            Ok(key) => Recheck::of(store.peek_key(&key)),
            Err(_) => Recheck::Sound,
        },
        ["v1", "tombstones", _, name] => match name.parse() {
            Ok(key) => Recheck::of(store.peek_tombstone(&key)),
            Err(_) => Recheck::Sound,
        },
        ["v1", "blobs", _, name] => match name.parse() {
            Ok(blob) => blobs::recheck(&blob, path),
            Err(_) => Recheck::Sound,
        },
        _ => Recheck::Unreadable("it is none of the store's files".to_owned()),
    }
}

/// Says why what stands at a path of the store is not to be trusted, if it is not.
pub(in crate::maintain) fn objection(store: &LocalStore, path: &Path) -> Option<String> {
    let place = match parts(store, path)[..] {
        ["v1", "blobs", _, name] => name.parse().ok().map(Place::Blob),
        ["v1", "keys", _, name] => name.parse().ok().map(Place::Key),
        ["v1", "tombstones", _, name] => name.parse().ok().map(Place::Tombstone),
        ["v1", "generation"] => Some(Place::Generation),
        ["v1", "pins", name] => name.parse().ok().map(Place::Pin),
        ["CACHEDIR.TAG" | "store.json"] | ["v1", "runs", _] => Some(Place::Run),
        _ => Some(Place::Dir),
    };
    let mut book = Book::default();
    Ground::of(store).judge_file(path, place?, &mut book);
    let flaws = book.into_flaws();
    flaws.into_iter().next().map(|flaw| flaw.reason)
}

/// The names below the store's directory that lead to a path.
pub(in crate::maintain) fn parts<'a>(store: &LocalStore, path: &'a Path) -> Vec<&'a str> {
    let below = path.strip_prefix(store.dir()).unwrap_or(path);
    below.iter().filter_map(|part| part.to_str()).collect()
}

impl Recheck {
    /// What reading a small file again came to.
    fn of<T>(read: Result<T, Unusable>) -> Self {
        match read {
            Ok(_) | Err(Unusable::Later) => Self::Sound,
            Err(Unusable::Absent) => Self::Absent,
            Err(Unusable::Unreadable(error)) => {
                Self::Unreadable(format!("cannot {}: {}", error.operation, error.source))
            }
            Err(Unusable::NotAFile(_) | Unusable::Damaged(_)) => Self::Wrong,
        }
    }
}
