//! Looking through a tree again along what the stat cache keeps of it.
//!
//! A folder that has the status which it had when it was listed has the same names; each of them is
//! looked at, in the order in which they are kept, and a file that has its status has its digest.
//! Whatever differs takes the way of what nobody knows: a file alone, a folder where a name went or
//! is something else. Nothing is kept that the stat cache does not believe at that moment.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};

use super::seen::Proof;
use super::stat_cache::{Entry, Folders, Kept, Named, Remembered};
use super::survey::{Files, Link, Member, Past, Row, Survey, Surveyed};
use super::walk::PARALLEL_ENTRIES;
use super::{Filter, ScanError, Scanner};
use crate::digest::{Digest, TreeId};
use crate::fs::{FileKind, FileSystem, Folder, Signature};
use crate::tree::RelPath;

/// Trees with fewer entries are not kept: they cost less than opening a file for them.
const LEAST_ENTRIES: usize = 200;

/// Trees with more have no room in a file.
const MOST_ENTRIES: usize = 300_000;

/// What is known of a tree is written again when one in so many of its entries was not.
const WORTH_WRITING: usize = 64;

/// What is remembered of a tree.
#[derive(Debug)]
pub(super) struct Memory {
    /// Which tree, seen through which filter.
    tree: Digest,
    known: Option<Folders>,
}

/// A folder that is looked through along what is remembered of it.
struct Again<'a> {
    scanner: &'a Scanner<'a>,
    files: Files,
    folder: &'a Folder<'a>,
    system: &'a FileSystem,
    remembered: &'a Remembered<'a>,
}

/// One of its entries, and whether it is as it was.
type Met = (Row, bool);

impl Scanner<'_> {
    /// Returns what is remembered of a tree, where such can be believed.
    pub(super) fn memory_of(&self, dir: &Path, filter: &Filter) -> Option<Memory> {
        if self.layer.is_some() {
            return None;
        }
        // The filter may ask where something lies. What stands at the path is told by its status.
        let from_root = dir.strip_prefix(self.root).ok();
        let mut name = vec![u8::from(from_root.is_some())];
        for path in [Some(dir), from_root] {
            let path = path.map_or(&b""[..], |path| path.as_os_str().as_bytes());
            name.extend((path.len() as u64).to_le_bytes());
            name.extend(path);
        }
        name.extend(filter.identity());
        let tree = Digest::of(&name);
        Some(Memory {
            known: self.stats.folders(&tree),
            tree,
        })
    }

    /// Keeps a tree with the digest of its listing, if that is worth it by now.
    pub(super) fn keep(&self, survey: &Survey, id: TreeId) {
        let Some(memory) = &survey.memory else { return };
        let entries = survey.len();
        let recalled: usize = survey.dirs.iter().map(|dir| dir.past.recalled).sum();
        let enough = |new: usize| new > 0 && new * WORTH_WRITING >= entries;
        let fits = (LEAST_ENTRIES..=MOST_ENTRIES).contains(&entries);
        let is_settled = |dir: &Surveyed| dir.past.settled.is_some();
        if !fits || !enough(entries - recalled) || !survey.dirs.iter().any(is_settled) {
            return;
        }
        if !self.stats.keeps_folders() {
            return;
        }
        let kept = |dir| self.kept(dir);
        let kept: Vec<Option<Kept<'_>>> = survey.dirs.par_iter().map(kept).collect();
        let folders: Vec<Kept<'_>> = kept.into_iter().flatten().collect();
        let is_known =
            |named: &&Named<'_>| named.signature.kind() == FileKind::Dir || named.digest.is_some();
        let names = || folders.iter().flat_map(|folder| &folder.names);
        let known = names().filter(is_known).count();
        if !enough(known.saturating_sub(recalled)) {
            return;
        }
        let all = folders.len() == survey.dirs.len() && known == entries;
        let whole = all && survey.links().all(|link| link.target.is_none());
        (self.stats).keep_folders(&memory.tree, &folders, whole.then_some(id));
    }

    /// Returns a folder as it is to be kept, with all that is believed of it.
    fn kept<'a>(&self, dir: &'a Surveyed) -> Option<Kept<'a>> {
        let (signature, system) = dir.past.settled?;
        let named = |row: &Row| Named {
            name: dir.name(row),
            signature: row.signature,
            digest: match &row.member {
                Member::File(digest, _) => {
                    let known = dir.past.whole || {
                        self.stats.known(&row.signature, &system) == Some(*digest)
                    };
                    known.then_some(*digest)
                }
                Member::Link(link) => Some(Digest::of(&link.text)),
                Member::Dir | Member::Unread => None,
            },
        };
        Some(Kept {
            path: &dir.path,
            system: system.id,
            signature,
            names: dir.rows.iter().map(named).collect(),
        })
    }
}

impl Memory {
    /// Leaves the open file behind: whoever keeps what was seen has many of these.
    pub(super) fn without_folders(self) -> Self {
        Self {
            known: None,
            ..self
        }
    }

    /// Returns the digest of the listing of a tree, if all of it is as it was kept.
    pub(super) fn id_of(&self, dirs: &[Surveyed]) -> Option<TreeId> {
        let known = self.known.as_ref()?;
        let same = known.len() == dirs.len() && dirs.iter().all(|dir| dir.past.whole);
        known.id().filter(|_| same)
    }

    /// Looks through an open folder that has this status along what is remembered of it; `None`
    /// where it has to be listed.
    pub(super) fn look_through(
        &self,
        (scanner, files): (&Scanner<'_>, Files),
        path: &RelPath,
        (folder, signature, system): (&Folder<'_>, &Signature, &FileSystem),
    ) -> Option<Result<Surveyed, ScanError>> {
        let known = self.known.as_ref()?;
        if system.device != signature.device {
            return None;
        }
        known.with(path, (&system.id, signature), |remembered| {
            folder.not_listed_again();
            let again = Again {
                scanner,
                files,
                folder,
                system,
                remembered,
            };
            let (rows, recalled) = match again.met() {
                Err(error) => return Some(Err(error)),
                Ok(met) => met?,
            };
            let past = Past {
                settled: Some((*signature, *system)),
                recalled,
                whole: recalled == rows.len(),
            };
            let names = remembered.names().to_vec();
            Some(Ok(Surveyed::new(path, names, rows, past)))
        })
    }
}

impl Again<'_> {
    /// Looks at every name, and counts those that are as they were; `None` if one went or is
    /// something else.
    fn met(&self) -> Result<Option<(Vec<Row>, usize)>, ScanError> {
        let count = self.remembered.len();
        if count >= PARALLEL_ENTRIES {
            let indexes = (0..count).into_par_iter();
            let indexes = indexes.with_min_len(PARALLEL_ENTRIES / 8);
            let met: Result<Vec<Option<Met>>, _> = indexes.map(|index| self.meet(index)).collect();
            let met: Option<Vec<Met>> = met?.into_iter().collect();
            return Ok(met.map(|met| {
                let recalled = met.iter().filter(|(_, same)| *same).count();
                (met.into_iter().map(|(row, _)| row).collect(), recalled)
            }));
        }
        let (mut rows, mut recalled) = (Vec::with_capacity(count), 0);
        for index in 0..count {
            let Some((row, same)) = self.meet(index)? else {
                return Ok(None);
            };
            rows.push(row);
            recalled += usize::from(same);
        }
        Ok(Some((rows, recalled)))
    }

    fn meet(&self, index: usize) -> Result<Option<Met>, ScanError> {
        let Some(entry) = self.remembered.entry(index) else {
            return Ok(None);
        };
        // What cannot be looked at is listed, and that says why.
        let Ok(Some(signature)) = self.folder.look(entry.name) else {
            return Ok(None);
        };
        // What the filter said, it said of this kind of thing.
        if !entry.is_kind_of(&signature) {
            return Ok(None);
        }
        let (signature, member, same) = match signature.kind() {
            FileKind::File => {
                let known = self.known(&entry, &signature);
                let (signature, member) = if let Some(digest) = known {
                    (signature, Member::File(digest, Proof::Known))
                } else {
                    let (of, system) = ((self.folder, entry.name), (Some(self.system), None));
                    (self.scanner).file_in(of, signature, system, self.files)?
                };
                (signature, member, known.is_some())
            }
            FileKind::Dir => (signature, Member::Dir, true),
            FileKind::Link => {
                let Ok(text) = self.folder.read_link(entry.name) else {
                    return Ok(None);
                };
                let same = entry.has_text(&text);
                let link = Link { text, target: None };
                (signature, Member::Link(Box::new(link)), same)
            }
            FileKind::Special => return Ok(None),
        };
        let row = Row {
            start: entry.start,
            length: u16::try_from(entry.name.to_bytes().len()).expect("it is kept in 16 bits"),
            signature,
            member,
        };
        Ok(Some((row, same)))
    }

    /// Returns the digest of a file that is as it was, on the file system of the folder.
    fn known(&self, entry: &Entry<'_>, signature: &Signature) -> Option<Digest> {
        let here = signature.device == self.system.device;
        here.then(|| entry.digest_of(signature)).flatten()
    }
}
