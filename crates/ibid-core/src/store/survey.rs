//! Everything that stands below a store's directory, by what its name is for.
//!
//! Owns the walk that a check of the whole store begins with. Knows names and what the status of a
//! file says, and opens no file but leases. Invariants: nothing is changed, nothing special is
//! opened, no link below the store's own directory is followed but one that leads to a directory
//! (as every look-up does), and a directory that cannot be listed hides nothing else.

use std::path::{Path, PathBuf};

use super::layout::HANDED_OUT;
use super::local::LocalStore;
use super::run_index::RunName;
use crate::digest::{BlobId, Digest, Key};
use crate::fs::{self, Facts, FileKind, IfPresent as _, PathError};

/// What a name of a store is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory of the layout.
    Dir,
    /// `CACHEDIR.TAG`.
    Tag,
    /// `store.json`.
    Description,
    /// The file that each invalidation replaces.
    Generation,
    /// The file that each collection touches.
    Stamp,
    /// A blob.
    Blob(BlobId),
    /// A key's file.
    Key(Key),
    /// What is remembered of an invalidation.
    Tombstone(Key),
    /// An entry of history.
    Run,
    /// A pin.
    Pin(Key),
}

/// Something that stands at a name of the layout, of whatever kind it is.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Where.
    pub path: PathBuf,
    /// What the name is for.
    pub place: Place,
    /// What the status of what stands there says; of links that lead to a directory of the layout,
    /// that of the directory.
    pub facts: Facts,
}

/// What lies about until a collection takes it away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many files.
    pub files: usize,
    /// The bytes of disk that they take.
    pub disk: u64,
}

/// What stands in a store.
#[derive(Debug, Default)]
pub struct Survey {
    /// Whether there is a store at all.
    pub exists: bool,
    /// What stands at names of the layout, directories before what is in them.
    pub standing: Vec<Standing>,
    /// What stands at names that no store has.
    pub strangers: Vec<PathBuf>,
    /// Links to directories that stand for directories of the layout.
    pub links: Vec<PathBuf>,
    /// Files that never got a name.
    pub staged: Left,
    /// Leases whose holder is gone.
    pub leases: Left,
    /// What is in the trash.
    pub trash: Left,
    /// Restored trees for callers that wanted a path.
    pub views: Left,
    /// Directories that could not be listed, and names that could not be looked at.
    pub unreadable: Vec<PathError>,
}

impl LocalStore {
    /// Lists everything that stands in the store.
    pub fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        // The store's own directory may be reached by a link of the user's.
        let root = fs::real_path(self.dir()).unwrap_or_else(|_| self.dir().to_owned());
        let Some(facts) = survey.look(&root) else {
            survey.exists = !survey.unreadable.is_empty();
            return survey;
        };
        survey.exists = true;
        survey.stand(self.dir(), Place::Dir, facts);
        for name in survey.names(self.dir()) {
            let path = fs::below(self.dir(), &name);
            match name.as_slice() {
                b"CACHEDIR.TAG" => survey.add(&path, Place::Tag),
                b"store.json" => survey.add(&path, Place::Description),
                b"v1" => {
                    if survey.add_dir(&path) {
                        self.survey_version(&path, &mut survey);
                    }
                }
                // State of a host, which is no part of the store.
                b"local" | b"tmp" => {}
                other if HANDED_OUT.contains(&other) => {}
                _ => survey.strangers.push(path),
            }
        }
        survey
    }

    fn survey_version(&self, v1: &Path, survey: &mut Survey) {
        for name in survey.names(v1) {
            let path = fs::below(v1, &name);
            match name.as_slice() {
                b"generation" => survey.add(&path, Place::Generation),
                b"collected" => survey.add(&path, Place::Stamp),
                b"blobs" => survey.sharded(&path, |digest| Place::Blob(BlobId::new(digest))),
                b"keys" => survey.sharded(&path, |digest| Place::Key(Key::new(digest))),
                b"tombstones" => {
                    survey.sharded(&path, |digest| Place::Tombstone(Key::new(digest)));
                }
                b"runs" => survey.flat(&path, |name| RunName::parse(name).map(|_| Place::Run)),
                b"pins" => survey.flat(&path, |name| {
                    digest_of(name).map(|digest| Place::Pin(Key::new(digest)))
                }),
                b"leases" | b"tmp" | b"trash" | b"views" => {
                    if survey.add_dir(&path) {
                        let left = self.left_in(&path, &name, survey);
                        *survey.left(&name) = left;
                    }
                }
                _ => survey.strangers.push(path),
            }
        }
    }

    /// Counts what lies below a directory, links not followed; of leases those of the gone only.
    fn left_in(&self, dir: &Path, name: &[u8], survey: &mut Survey) -> Left {
        let mut left = Left::default();
        let mut dirs = vec![dir.to_owned()];
        while let Some(dir) = dirs.pop() {
            for name_below in survey.names(&dir) {
                let path = fs::below(&dir, &name_below);
                let Some(facts) = survey.look(&path) else {
                    continue;
                };
                if facts.signature.kind() == FileKind::Dir {
                    dirs.push(path);
                } else if name != b"leases" || self.is_lease_of_the_gone(&path) {
                    left.files += 1;
                    left.disk = left.disk.saturating_add(facts.disk);
                }
            }
        }
        left
    }
}

impl Survey {
    fn left(&mut self, name: &[u8]) -> &mut Left {
        match name {
            b"leases" => &mut self.leases,
            b"tmp" => &mut self.staged,
            b"trash" => &mut self.trash,
            _ => &mut self.views,
        }
    }

    fn stand(&mut self, path: &Path, place: Place, facts: Facts) {
        self.standing.push(Standing {
            path: path.to_owned(),
            place,
            facts,
        });
    }

    /// Looks at a name; what is gone since it was listed is nothing.
    fn look(&mut self, path: &Path) -> Option<Facts> {
        match Facts::of_link(path).if_present() {
            Ok(facts) => facts,
            Err(error) => {
                self.unreadable.push(error);
                None
            }
        }
    }

    fn add(&mut self, path: &Path, place: Place) {
        if let Some(facts) = self.look(path) {
            self.stand(path, place, facts);
        }
    }

    /// Adds what stands at the name of a directory, and says whether it can be gone into.
    fn add_dir(&mut self, path: &Path) -> bool {
        let Some(mut facts) = self.look(path) else {
            return false;
        };
        if facts.signature.kind() == FileKind::Link
            && let Ok(real) = fs::real_path(path)
            && let Ok(behind) = Facts::of_link(&real)
            && behind.signature.kind() == FileKind::Dir
        {
            self.links.push(path.to_owned());
            facts = behind;
        }
        self.stand(path, Place::Dir, facts);
        facts.signature.kind() == FileKind::Dir
    }

    /// Returns the names in a directory, sorted by bytes.
    fn names(&mut self, dir: &Path) -> Vec<Vec<u8>> {
        match fs::list_names(dir) {
            Ok(names) => names.unwrap_or_default(),
            Err(error) => {
                self.unreadable.push(error);
                Vec::new()
            }
        }
    }

    /// Adds the files of a directory by their names.
    fn flat(&mut self, dir: &Path, place: impl Fn(&[u8]) -> Option<Place>) {
        if !self.add_dir(dir) {
            return;
        }
        for name in self.names(dir) {
            let path = fs::below(dir, &name);
            match place(&name) {
                Some(place) => self.add(&path, place),
                None => self.strangers.push(path),
            }
        }
    }

    /// Adds files that are spread over directories by the start of their names.
    fn sharded(&mut self, dir: &Path, place: impl Fn(Digest) -> Place) {
        if !self.add_dir(dir) {
            return;
        }
        for shard in self.names(dir) {
            let path = fs::below(dir, &shard);
            let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if shard.len() == 2 && shard.iter().all(is_hex) {
                let place = |name: &[u8]| {
                    let ours = name.starts_with(&shard);
                    digest_of(name).filter(|_| ours).map(&place)
                };
                self.flat(&path, place);
            } else {
                self.strangers.push(path);
            }
        }
    }
}

/// Reads the name of a blob or a key: 64 digits and nothing before them.
fn digest_of(name: &[u8]) -> Option<Digest> {
    let text = std::str::from_utf8(name).ok()?;
    text.parse().ok().filter(|_| text.len() == 64)
}
