//! Who could change what is stored: modes and owners, by the rules by which a look-up trusts.
//!
//! Blobs prove themselves, so whose they are is all the same; but one that can be written can be
//! stored to after it was verified. A key's file proves nothing, so it has to be one that a look-up
//! believes. A pin or a generation of somebody who is not trusted is not heeded. History is passed
//! over in silence where it is a stranger's: it explains, and decides nothing.

use std::path::Path;

use super::FlawKind;
use super::book::Book;
use crate::fs::{Facts, FileKind};
use crate::store::{LocalStore, Place, Refusal, Standing};

/// Who is trusted in a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    store: &'a LocalStore,
}

impl<'a> Ground<'a> {
    pub(super) fn of(store: &'a LocalStore) -> Self {
        Self { store }
    }

    /// Says why what stands at a path is not to be trusted, if it is not.
    fn objection(self, (path, place): (&Path, Place), facts: &Facts) -> Option<String> {
        let mode = facts.signature.mode & 0o7777;
        if let Place::Blob(_) = place {
            return (mode & 0o7333 != 0)
                .then(|| format!("its mode is {mode:04o}: a blob is for reading only"));
        }
        match self.store.doubt(path, facts) {
            Some(Refusal::OthersWrite) => {
                return Some(format!("its mode is {mode:04o}: everybody may write to it"));
            }
            Some(Refusal::GroupWrites(group)) => {
                return Some(format!(
                    "its mode is {mode:04o}: the group {group} may write to it"
                ));
            }
            Some(refusal) => return Some(format!("it {refusal}, who is not trusted here")),
            None => {}
        }
        match place {
            Place::Key(_) => self.store.distrust(facts),
            Place::Dir | Place::Generation | Place::Pin(_) | Place::Tombstone(_) => {
                let owner = facts.owner;
                (!self.store.trusts(owner))
                    .then(|| format!("it belongs to user {owner}, who is not trusted here"))
            }
            Place::Blob(_) | Place::Tag | Place::Description | Place::Stamp | Place::Run => None,
        }
    }

    /// Notes what is to be said of the mode and the owner of something.
    pub(super) fn judge(self, standing: &Standing, book: &mut Book) {
        let Standing { path, place, facts } = standing;
        let wanted = if *place == Place::Dir {
            FileKind::Dir
        } else {
            FileKind::File
        };
        // What stands there instead of it is told as that.
        if facts.signature.kind() != wanted {
            return;
        }
        if let Some(reason) = self.objection((path, *place), facts) {
            match place {
                Place::Key(key) => book.spoiling(FlawKind::Untrusted, path, reason, key),
                _ => book.add(FlawKind::Untrusted, path, reason),
            }
        }
    }

    /// The same of a file that may be there.
    pub(super) fn judge_file(self, path: &Path, place: Place, book: &mut Book) {
        // The store's own directory may be reached by a link of the user's.
        let look = if path == self.store.dir() {
            Facts::of
        } else {
            Facts::of_link
        };
        if let Ok(facts) = look(path) {
            let path = path.to_owned();
            self.judge(&Standing { path, place, facts }, book);
        }
    }
}
