//! Content on its way out of the store: written beside its place under a random name, then
//! renamed.
//!
//! A unit is one file, one link, or a whole directory. Units are filled in private files and
//! directories that nobody else knows, get their modes last, and are renamed only where nothing
//! stands. What is not published is removed on drop.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::content::{Begun, Digests, Entries};
use super::restore::RestoreError;
use super::strays;
use crate::digest::BlobId;
use crate::fs::{Dir, IoContext as _, Meter, PathError, Signature, close_checked, set_mode, umask};
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
struct Unit {
    dir: Arc<Dir>,
    name: RelPath,
    staged: RelPath,
    published: bool,
    is_link: bool,
}

/// One file of a unit.
#[derive(Debug)]
struct File {
    unit: usize,
    /// Below the unit; the root path if the unit is the file.
    below: RelPath,
    executable: bool,
    size: u64,
    blob: BlobId,
}

/// Everything that one restore stages.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    store: &'a LocalStore,
    link_mode: LinkMode,
    meter: &'a Meter,
    units: Vec<Unit>,
    files: Vec<File>,
    links: Vec<(usize, RelPath, Vec<u8>)>,
    dirs: Vec<(usize, RelPath)>,
    /// The status of each file when it was filled, in the order of `files`.
    filled: Vec<Signature>,
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
        self.filled = if self.files.len() < crate::scan::PARALLEL_FILES {
            let filled = self.files.iter().map(|file| self.fill_file(file));
            filled.collect::<Result<_, _>>()?
        } else {
            let filled = self.files.par_iter().map(|file| self.fill_file(file));
            filled.collect::<Result<_, _>>()?
        };
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

    fn staged(&self, unit: usize, below: &RelPath) -> RelPath {
        self.units[unit].staged.join(below)
    }

    fn fill_file(&self, file: &File) -> Result<Signature, RestoreError> {
        let dir = &self.units[file.unit].dir;
        let path = self.staged(file.unit, &file.below);
        if self.link_mode == LinkMode::Hard && self.link(file, dir, &path)? {
            self.meter.add_done(file.size);
            return Ok(dir.status(&path)?);
        }
        let on_disk = dir.path_of(&path);
        let created = dir.create_file(&path)?;
        let target = (&created, on_disk.as_path());
        // What cannot be a hard link may still share its blocks.
        let mode = match self.link_mode {
            LinkMode::Copy => LinkMode::Copy,
            LinkMode::Reflink | LinkMode::Hard => LinkMode::Reflink,
        };
        self.store
            .export((&file.blob, file.size), mode, target, self.meter)
            .map_err(RestoreError::Blob)?;
        let mode = if file.executable { 0o755 } else { 0o644 };
        set_mode(&created, mode & !umask(), &on_disk)?;
        let signature = Signature::of_open(&created, &on_disk)?;
        // Some file systems tell only there that the disk is full (hazard E1).
        close_checked(created).context("close", &on_disk)?;
        Ok(signature)
    }

    /// Links a file to its blob. An executable is copied, because blobs are not executable.
    fn link(&self, file: &File, dir: &Dir, path: &RelPath) -> Result<bool, RestoreError> {
        if file.executable || file.size == 0 {
            return Ok(false);
        }
        if rustix::process::geteuid().is_root() {
            self.refuse(LinkRefusal::Root);
            return Ok(false);
        }
        let parent = dir.dir(&path.parent().unwrap_or_default())?;
        let name = path.name().expect("a staged path has a name");
        let name = Path::new(std::ffi::OsStr::from_bytes(name));
        let linked = self
            .store
            .hard_link(&file.blob, file.size, parent.handle(), name)
            .map_err(RestoreError::Blob)?;
        if !linked {
            self.refuse(LinkRefusal::FileSystem);
        }
        Ok(linked)
    }

    fn refuse(&self, why: LinkRefusal) {
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
                strays::sweep(&unit.dir);
            }
        }
    }

    /// Notes the time on each file system that units lie on, once the clock has moved on.
    pub(super) fn begin(&self, digests: &Digests<'_>) -> HashMap<u64, Begun> {
        let mut begun = HashMap::new();
        let bytes = self.bytes();
        for (file, filled) in self.files.iter().zip(&self.filled) {
            let device = filled.device;
            let dir = &self.units[file.unit].dir;
            begun
                .entry(device)
                .or_insert_with(|| digests.begin(dir, device, bytes));
        }
        let known = begun.into_iter();
        known
            .filter_map(|(device, it)| Some((device, it?)))
            .collect()
    }

    /// Remembers the files in place. One that is not the file that was filled is left out, and so
    /// is one that was filled in the tick in which it got its name: an edit in that tick could
    /// not be told.
    pub(super) fn remember(&self, digests: &Digests<'_>) {
        let begun = self.begin(digests);
        for (file, filled) in self.files.iter().zip(&self.filled) {
            let Some(begun) = begun.get(&filled.device) else {
                continue;
            };
            let unit = &self.units[file.unit];
            let Ok(now) = unit.dir.status(&unit.name.join(&file.below)) else {
                continue;
            };
            // The rename changes ctime, a further link to a blob the number of links.
            let expected = Signature {
                ctime: now.ctime,
                links: now.links,
                ..*filled
            };
            let tick = i128::from(begun.fs.granularity);
            let named_later = filled.mtime.as_nanos() + tick < now.ctime.as_nanos();
            if now == expected && named_later {
                digests.remember_own(Some(begun), &[(now, *file.blob.digest())]);
            }
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
