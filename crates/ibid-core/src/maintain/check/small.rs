//! The small files of a store that no result is made of: tag, description, generation, tombstones.

use std::path::Path;

use super::FlawKind;
use super::book::{Book, instead};
use crate::fs;
use crate::store::{LocalStore, Place, Standing, Survey, Unusable};

/// Notes which of tag and description is missing though a file stands there that is made after it;
/// folders may be anybody's. Of a store that is made meanwhile they may come between the listing of
/// the folder around them and that of what is deeper, so they are looked for once more: whatever was
/// seen, what is made before it is there by now.
pub(super) fn check_what_is_missing(store: &LocalStore, survey: &Survey, book: &mut Book) {
    let has = |place: Place| survey.standing.iter().any(|it| it.place == place);
    let is_made_first = |place| matches!(place, Place::Dir | Place::Tag | Place::Description);
    let holds = survey.standing.iter().any(|it| !is_made_first(it.place));
    let due = [
        (Place::Tag, "CACHEDIR.TAG", holds || has(Place::Description)),
        (Place::Description, "store.json", holds),
    ];
    for (place, name, is_due) in due {
        let path = store.dir().join(name);
        if is_due && !has(place) && fs::exists(&path).is_ok_and(|stands| !stands) {
            book.add(FlawKind::SmallFile, &path, "it is missing".to_owned());
        }
    }
}

/// Checks one of them.
pub(super) fn check(store: &LocalStore, standing: &Standing, book: &mut Book) {
    let found = match standing.place {
        Place::Tag => store.peek_tag(),
        Place::Description => store.peek_description(),
        Place::Generation => store.peek_generation(),
        Place::Tombstone(key) => store.peek_tombstone(&key),
        _ => store.peek_stamp(),
    };
    if let Err(unusable) = found {
        note(&unusable, &standing.path, FlawKind::SmallFile, book);
    }
}

/// Notes why a file says nothing. What is gone was taken away meanwhile, and what a later version
/// wrote is counted by whoever asks.
pub(super) fn note(unusable: &Unusable, path: &Path, kind: FlawKind, book: &mut Book) {
    match unusable {
        Unusable::Absent | Unusable::Later => {}
        Unusable::NotAFile(found) => {
            book.add(FlawKind::NotAFile, path, instead(*found, "a file"));
        }
        Unusable::Unreadable(error) => {
            let reason = format!("cannot {}: {}", error.operation, error.source);
            book.add(FlawKind::Unreadable, path, reason);
        }
        Unusable::Damaged(reason) if path.ends_with("CACHEDIR.TAG") => {
            book.add(kind, path, reason.clone());
        }
        Unusable::Damaged(reason) => {
            book.add(kind, path, format!("cannot be understood: {reason}"));
        }
    }
}
