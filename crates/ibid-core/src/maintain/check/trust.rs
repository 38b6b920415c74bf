//! Who could change what is stored: modes and owners.
//!
//! Blobs prove themselves, so whose they are is all the same; but one that can be written can be
//! stored to after it was verified. A key's file proves nothing, so it has to belong to somebody
//! who is trusted: this user, the superuser, or whoever the store belongs to. In a store that
//! belongs to a group every member may write; such a store is known by the set-group-id bit of its
//! directory.

use std::path::Path;

use super::FlawKind;
use super::book::Book;
use crate::fs::{self, Facts, FileKind};
use crate::store::{LocalStore, Place, Standing};

/// Who is trusted in a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    user: u32,
    group: u32,
    owner: u32,
    shared: bool,
}

impl Ground {
    pub(super) fn of(store: &LocalStore) -> Self {
        let user = rustix::process::geteuid().as_raw();
        let root = fs::real_path(store.dir()).and_then(|root| Facts::of_link(&root));
        let (owner, mode) = root.map_or((user, 0), |it| (it.owner, it.signature.mode));
        Self {
            user,
            group: rustix::process::getegid().as_raw(),
            owner,
            shared: mode & 0o2000 != 0,
        }
    }

    /// Says why what stands at a place is not to be trusted, if it is not.
    fn objection(&self, place: Place, facts: &Facts) -> Option<String> {
        let mode = facts.signature.mode & 0o7777;
        let kind = facts.signature.kind();
        if let Place::Blob(_) = place {
            return (mode & 0o7333 != 0)
                .then(|| format!("its mode is {mode:04o}: a blob is for reading only"));
        }
        // Of a directory with the sticky bit nobody takes files that are not his.
        let sticky = kind == FileKind::Dir && mode & 0o1000 != 0;
        if mode & 0o002 != 0 && !sticky {
            return Some(format!("its mode is {mode:04o}: everybody may write to it"));
        }
        let own_group = facts.group == self.group || self.shared;
        if mode & 0o020 != 0 && !sticky && !own_group {
            let group = facts.group;
            return Some(format!(
                "its mode is {mode:04o}: the group {group} may write to it"
            ));
        }
        let by_owner = matches!(
            place,
            Place::Dir | Place::Key(_) | Place::Tombstone(_) | Place::Generation
        );
        let trusted = [self.user, self.owner, 0].contains(&facts.owner);
        (by_owner && !self.shared && !trusted).then(|| {
            format!(
                "it belongs to the user {}, who is not trusted here",
                facts.owner
            )
        })
    }

    /// Notes what is to be said of the mode and the owner of something.
    pub(super) fn judge(&self, standing: &Standing, book: &mut Book) {
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
        if let Some(reason) = self.objection(*place, facts) {
            match place {
                Place::Key(key) => book.spoiling(FlawKind::Untrusted, path, reason, key),
                _ => book.add(FlawKind::Untrusted, path, reason),
            }
        }
    }

    /// The same of a file that may be there.
    pub(super) fn judge_file(&self, path: &Path, place: Place, book: &mut Book) {
        if let Ok(facts) = Facts::of_link(path) {
            let path = path.to_owned();
            self.judge(&Standing { path, place, facts }, book);
        }
    }
}
