//! Content on its way out of the store: written beside its place under a random name, then
//! renamed.
//!
//! A unit is one file, one link, or a whole directory. Units are filled in private files and
//! directories that nobody else knows, get their modes last, and are renamed only where nothing
//! stands. What is not published is removed on drop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::content::{Begun, Digests, Entries};
use super::fill::Filled;
use super::restore::RestoreError;
use super::strays;
use crate::digest::BlobId;
use crate::fs::{Dir, Meter, PathError, Signature, umask};
use crate::store::{LinkMode, LocalStore};
use crate::tree::{Entry, RelPath};

/// Why files were copied although hard links were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// Root may write what is read-only, and so would edit the store.
    #[error("root may write read-only files, and so could edit the store")]
    Root,
    /// The file system does not allow it, or the store lies on another one.
    #[error("the store and the outputs do not lie on one file system that can link")]
    FileSystem,
}

/// One thing that gets its name by one rename.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) dir: Arc<Dir>,
    name: RelPath,
    pub(super) staged: RelPath,
    published: bool,
    is_link: bool,
}

/// One file of a unit.
#[derive(Debug)]
pub(super) struct File {
    pub(super) unit: usize,
    /// Below the unit; the root path if the unit is the file.
    pub(super) below: RelPath,
    pub(super) executable: bool,
    pub(super) size: u64,
    pub(super) blob: BlobId,
}

/// Everything that one restore stages.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    pub(super) store: &'a LocalStore,
    pub(super) link_mode: LinkMode,
    pub(super) meter: &'a Meter,
    pub(super) units: Vec<Unit>,
    pub(super) files: Vec<File>,
    links: Vec<(usize, RelPath, Vec<u8>)>,
    dirs: Vec<(usize, RelPath)>,
    /// What each file was when it was filled, in the order of `files`.
    filled: Vec<Filled>,
    refusal: Mutex<Option<LinkRefusal>>,
}

impl<'a> Staging<'a> {
    pub(super) fn new(store: &'a LocalStore, link_mode: LinkMode, meter: &'a Meter) -> Self {
        Self {
            store,
            link_mode,
            meter,
            units: Vec::new(),
            files: Vec::new(),
            links: Vec::new(),
            dirs: Vec::new(),
            filled: Vec::new(),
            refusal: Mutex::new(None),
        }
    }

    /// Adds what `wanted` has at `path`, with everything below it, to be put at `name` in `dir`.
    /// Nothing is written yet.
    pub(super) fn add(&mut self, dir: Arc<Dir>, name: RelPath, path: &RelPath, wanted: &Entries) {
        let unit = self.units.len();
        let staged = strays::name();
        self.units.push(Unit {
            dir,
            name,
            staged: RelPath::new(staged).expect("one component"),
            published: false,
            is_link: matches!(
                wanted.get(path),
                Some(Entry::Link(_) | Entry::LinkOut { .. })
            ),
        });
        for (entry_path, entry) in wanted.range(path.clone()..) {
            let Some(below) = entry_path.strip_prefix(path) else {
                // `a-b` lies between `a` and `a/b`.
                if entry_path.as_bytes().starts_with(path.as_bytes()) {
                    continue;
                }
                break;
            };
            match entry {
                Entry::File {
                    executable,
                    size,
                    blob,
                } => self.files.push(File {
                    unit,
                    below,
                    executable: *executable,
                    size: *size,
                    blob: *blob,
                }),
                Entry::Link(text) | Entry::LinkOut { text, .. } => {
                    self.links.push((unit, below, text.clone()));
                }
                Entry::Dir => self.dirs.push((unit, below)),
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Returns how many files and links were staged, or folders where there is nothing else.
    pub(super) fn files(&self) -> usize {
        match self.files.len() + self.links.len() {
            0 => self.units.len(),
            files => files,
        }
    }

    /// Returns the bytes of the files, as far as numbers reach: a listing may claim anything.
    pub(super) fn bytes(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// Says why files were copied that were to be linked.
    pub(super) fn refusal(&self) -> Option<LinkRefusal> {
        *self.refusal.lock().expect("no holder panics")
    }

    /// Writes everything under its random name: directories, files, links, then the directories'
    /// modes.
    pub(super) fn fill(&mut self) -> Result<(), RestoreError> {
        self.meter.add_total(self.bytes());
        for (unit, below) in &self.dirs {
            self.units[*unit]
                .dir
                .create_private_dir(&self.staged(*unit, below))?;
        }
        self.filled = self.fill_files()?;
        for (unit, below, text) in &self.links {
            self.units[*unit]
                .dir
                .create_link(&self.staged(*unit, below), text)?;
        }
        for (unit, below) in self.dirs.iter().rev() {
            let dir = self.units[*unit].dir.dir(&self.staged(*unit, below))?;
            dir.set_mode(0o777 & !umask())?;
        }
        Ok(())
    }

    pub(super) fn staged(&self, unit: usize, below: &RelPath) -> RelPath {
        self.units[unit].staged.join(below)
    }

    pub(super) fn refuse(&self, why: LinkRefusal) {
        *self.refusal.lock().expect("no holder panics") = Some(why);
    }

    /// Renames every unit to its name, where nothing may stand; links last.
    pub(super) fn publish(&mut self) -> Result<(), PathError> {
        self.units
            .iter_mut()
            .filter(|unit| !unit.is_link)
            .try_for_each(Unit::publish)?;
        self.units
            .iter_mut()
            .filter(|unit| unit.is_link)
            .try_for_each(Unit::publish)
    }

    /// Takes what was published back to its random name, to be removed on drop.
    pub(super) fn withdraw(&mut self) {
        for unit in self.units.iter_mut().filter(|unit| unit.published).rev() {
            let back = unit.dir.rename_new(&unit.name, &unit.dir, &unit.staged);
            unit.published = back.is_err();
        }
    }

    /// Removes what killed processes left in the directories that this one stages in.
    pub(super) fn sweep(&self) {
        let mut seen = std::collections::BTreeSet::new();
        for unit in &self.units {
            if seen.insert(unit.dir.path().to_owned()) {
                strays::sweep(&unit.dir, &|| self.store.takes_longer());
            }
        }
    }

    /// Notes the time on each file system that files were filled on, before they get their names.
    /// Waits for the clock to move on where much was filled in its present tick.
    pub(super) fn begin(&self, digests: &Digests<'_>) -> HashMap<u64, Begun> {
        let mut begun = HashMap::new();
        for (file, filled) in self.files.iter().zip(&self.filled) {
            let device = filled.signature.device;
            let unsettled = |begun: &Begun| self.unsettled(device, begun, digests);
            let dir = &self.units[file.unit].dir;
            begun
                .entry(device)
                .or_insert_with(|| digests.begin_own(dir, device, &unsettled));
        }
        let known = begun.into_iter();
        known
            .filter_map(|(device, it)| Some((device, it?)))
            .collect()
    }

    /// Returns the bytes of the files on a device that an edit could still change unseen.
    fn unsettled(&self, device: u64, begun: &Begun, digests: &Digests<'_>) -> u64 {
        let files = self.files.iter().zip(&self.filled);
        files
            .filter(|(_, filled)| filled.signature.device == device)
            .filter(|(_, filled)| !digests.settles(begun, &filled.signature))
            .map(|(file, _)| file.size)
            .fold(0, u64::saturating_add)
    }

    /// Remembers the files in place. One that was filled in the tick in which it got its name is
    /// left out: an edit in that tick could not be told. Renaming a folder leaves the status of
    /// what lies in it as it is, so `begun`, taken between filling and naming, is enough there.
    pub(super) fn remember(&self, begun: &HashMap<u64, Begun>, digests: &Digests<'_>) {
        let mut alone = Vec::new();
        for (file, filled) in self.files.iter().zip(&self.filled) {
            let Some(begun) = begun.get(&filled.signature.device) else {
                continue;
            };
            if !filled.is_own || !digests.settles(begun, &filled.signature) {
                continue;
            }
            if file.below.is_root() {
                alone.push((file, filled.signature, begun));
            } else {
                let known = (filled.signature, *file.blob.digest());
                digests.remember_own(Some(begun), &[known]);
            }
        }
        self.remember_alone(&alone, digests);
    }

    /// Remembers files that were renamed themselves, which moved their ctime. One that is not the
    /// file that was filled is left out.
    fn remember_alone(&self, alone: &[(&File, Signature, &Begun)], digests: &Digests<'_>) {
        let mut named = Vec::new();
        for (file, filled, _) in alone {
            let unit = &self.units[file.unit];
            let Ok(now) = unit.dir.status(&unit.name) else {
                continue;
            };
            // A further link to a blob changes the number of links.
            let expected = Signature {
                ctime: now.ctime,
                links: now.links,
                ..*filled
            };
            if now == expected {
                named.push((file, now));
            }
        }
        let mut begun = HashMap::new();
        for (file, now) in &named {
            let unsettled = |begun: &Begun| {
                let open = named.iter().filter(|(_, it)| it.device == now.device);
                open.filter(|(_, it)| !digests.settles(begun, it))
                    .map(|(file, _)| file.size)
                    .fold(0, u64::saturating_add)
            };
            let dir = &self.units[file.unit].dir;
            let begun = begun
                .entry(now.device)
                .or_insert_with(|| digests.begin_own(dir, now.device, &unsettled));
            digests.remember_own(begun.as_ref(), &[(*now, *file.blob.digest())]);
        }
    }
}

impl Unit {
    fn publish(&mut self) -> Result<(), PathError> {
        self.dir.rename_new(&self.staged, &self.dir, &self.name)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        for unit in self.units.iter().filter(|unit| !unit.published) {
            // What cannot be removed has a name that says whose it is.
            let _ = unit.dir.remove_all(&unit.staged);
        }
    }
}
