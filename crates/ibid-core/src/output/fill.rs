//! Filling staged files: content out of the store, by the fewest calls for each.
//!
//! Files of one folder are filled one after the other through one handle of it, and folders by
//! several threads. A small file is read, verified and written in one piece; a file that is to be
//! shared is known by its blob's status; whatever is not right at the first look goes the long
//! way through [`LocalStore::export`](crate::store::LocalStore::export), which finds out why.

use std::cell::RefCell;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::restore::RestoreError;
use super::stage::{File, LinkRefusal, Staging};
use crate::fs::{Dir, IoContext as _, PathError, Signature, below, close_checked, reflink};
use crate::store::{BlobProblem, LinkMode, Outlet};

/// So many files of a folder are one thread's at a time.
const TOGETHER: usize = 64;

/// What a staged file was once it was filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) signature: Signature,
    /// Whether nobody else can have it open for writing: so it may be remembered.
    pub(super) is_own: bool,
}

thread_local! {
    // A fresh one for each of ten thousand small files costs more than their bytes.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Staging<'_> {
    /// Fills all files, and says in their order what they are then.
    pub(super) fn fill_files(&self) -> Result<Vec<Filled>, RestoreError> {
        let outlet = self.store.outlet();
        let folders = self.files.chunk_by(File::is_beside);
        let some: Vec<&[File]> = folders.flat_map(|files| files.chunks(TOGETHER)).collect();
        let fill = |files: &&[File]| self.fill_some(files, &outlet);
        let filled: Vec<Vec<Filled>> = if self.files.len() < crate::scan::PARALLEL_FILES {
            some.iter().map(fill).collect::<Result<_, _>>()?
        } else {
            some.par_iter().map(fill).collect::<Result<_, _>>()?
        };
        Ok(filled.concat())
    }

    /// Returns the permission bits of a file before the umask.
    fn mode(&self, file: &File) -> u32 {
        let all = if file.executable { 0o755 } else { 0o644 };
        match self.link_mode {
            LinkMode::ReadOnly => all & 0o555,
            LinkMode::Copy | LinkMode::Reflink | LinkMode::Hard => all,
        }
    }

    /// Fills files of one folder.
    fn fill_some(&self, files: &[File], outlet: &Outlet<'_>) -> Result<Vec<Filled>, RestoreError> {
        let Some(first) = files.first() else {
            return Ok(Vec::new());
        };
        let unit = &self.units[first.unit];
        let folder = match first.below.parent() {
            Some(parent) => Some(unit.dir.dir(&self.staged(first.unit, &parent))?),
            None => None,
        };
        let dir = folder.as_ref().unwrap_or(&unit.dir);
        let filled = files.iter().map(|file| {
            let staged = file.below.name().or(unit.staged.name());
            self.fill_file(
                file,
                (dir, staged.expect("a staged file has a name")),
                outlet,
            )
        });
        filled.collect()
    }

    fn fill_file(
        &self,
        file: &File,
        (dir, name): (&Dir, &[u8]),
        outlet: &Outlet<'_>,
    ) -> Result<Filled, RestoreError> {
        if self.link_mode == LinkMode::Hard
            && let Some(filled) = self.link(file, (dir, name), outlet)?
        {
            self.meter.add_done(file.size);
            return Ok(filled);
        }
        let created = match self.fill_at_once(file, (dir, name), outlet)? {
            Some(created) => created,
            None => self.export(file, (dir, name))?,
        };
        let signature = Signature::of_open(&created, dir.path())?;
        // Some file systems tell only there that the disk is full (hazard E1).
        close_checked(created).context("close", &below(dir.path(), name))?;
        Ok(Filled {
            signature,
            is_own: true,
        })
    }

    /// Makes and fills a file if its blob is right at the first look.
    fn fill_at_once(
        &self,
        file: &File,
        (dir, name): (&Dir, &[u8]),
        outlet: &Outlet<'_>,
    ) -> Result<Option<std::fs::File>, RestoreError> {
        if self.link_mode != LinkMode::Copy
            && let Some(blob) = outlet.open_shareable(&file.blob, file.size)
        {
            let created = dir.create_here(name, self.mode(file))?;
            if reflink(&blob, &created).is_ok() {
                self.meter.add_done(file.size);
                return Ok(Some(created));
            }
            // The long way finds out whether it is ever possible.
            return self.export_to(file, (dir, name), created).map(Some);
        }
        // Nothing that may wait for another thread happens while the buffer is lent.
        BUFFER.with_borrow_mut(|buffer| {
            let Some(bytes) = outlet.read_small(&file.blob, file.size, buffer) else {
                return Ok(None);
            };
            let mut created = dir.create_here(name, self.mode(file))?;
            created
                .write_all(bytes)
                .context("write", &below(dir.path(), name))
                .map_err(|error| file.destination(error))?;
            self.meter.add_done(file.size);
            Ok(Some(created))
        })
    }

    fn export(
        &self,
        file: &File,
        (dir, name): (&Dir, &[u8]),
    ) -> Result<std::fs::File, RestoreError> {
        let created = dir.create_here(name, self.mode(file))?;
        self.export_to(file, (dir, name), created)
    }

    /// Fills a created file in whatever way the store has.
    fn export_to(
        &self,
        file: &File,
        (dir, name): (&Dir, &[u8]),
        created: std::fs::File,
    ) -> Result<std::fs::File, RestoreError> {
        let on_disk = below(dir.path(), name);
        // What cannot be a hard link may still share its blocks.
        let mode = match self.link_mode {
            LinkMode::Copy => LinkMode::Copy,
            LinkMode::Reflink | LinkMode::Hard | LinkMode::ReadOnly => LinkMode::Reflink,
        };
        let (blob, target) = ((&file.blob, file.size), (&created, on_disk.as_path()));
        self.store
            .export(blob, mode, target, self.meter)
            .map_err(RestoreError::Blob)?;
        Ok(created)
    }

    /// Links a file to its blob. An executable is copied, because blobs are not executable.
    fn link(
        &self,
        file: &File,
        (dir, name): (&Dir, &[u8]),
        outlet: &Outlet<'_>,
    ) -> Result<Option<Filled>, RestoreError> {
        if file.executable || file.size == 0 {
            return Ok(None);
        }
        if crate::fs::is_root() {
            self.refuse(LinkRefusal::Root);
            return Ok(None);
        }
        if let Some(signature) = outlet.link(&file.blob, file.size, dir, name) {
            return Ok(Some(Filled {
                signature,
                is_own: true,
            }));
        }
        let path = Path::new(std::ffi::OsStr::from_bytes(name));
        let linked = self
            .store
            .hard_link(&file.blob, file.size, dir.handle(), path)
            .map_err(RestoreError::Blob)?;
        if !linked {
            self.refuse(LinkRefusal::FileSystem);
            return Ok(None);
        }
        let signature = dir.facts_here(name)?.signature;
        // Users may have the other names of one that has more than these two.
        let is_own = signature.links == 2;
        Ok(Some(Filled { signature, is_own }))
    }
}

impl File {
    fn destination(&self, error: PathError) -> RestoreError {
        let blob = self.blob;
        RestoreError::Blob(BlobProblem::Destination { blob, error })
    }

    /// Says whether another file lies in the same staged folder.
    fn is_beside(&self, other: &Self) -> bool {
        let folder = |file: &Self| {
            let bytes = file.below.as_bytes();
            let end = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            (file.unit, end)
        };
        let (unit, end) = folder(self);
        (unit, end) == folder(other)
            && self.below.as_bytes()[..end] == other.below.as_bytes()[..end]
            && self.below.is_root() == other.below.is_root()
    }
}
