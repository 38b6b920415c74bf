//! `Scanner`: digests of single files, by the stat cache or by reading them.

use std::ffi::CStr;
use std::fs::File;
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::seen::{FileDigest, Proof};
use super::stat_cache::{Origin, Recalled, StatCache};
use super::survey::{Files, Member};
use super::{Layer, ScanError};
use crate::digest::Digest;
use crate::fs::{self, FileKind, FileSystem, Folder, Links, Meter, PathError, Signature, Threads};

/// From this many files on, a pool of threads is worth its start.
pub const PARALLEL_FILES: usize = 300;

/// How often a file that changes meanwhile is read.
const ATTEMPTS: usize = 3;

/// What happens to links inside a tree that lead out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SymlinkPolicy {
    /// The content at their end counts.
    #[default]
    Follow,
    /// Their text counts, and nothing else.
    Keep,
}

/// Does the same to each of many things that read files, on several threads where that pays.
/// The answers come in the order of the things.
pub fn each<T: Sync, A: Send>(things: &[T], answer: impl Fn(&T) -> A + Send + Sync) -> Vec<A> {
    if things.len() > PARALLEL_FILES {
        things.par_iter().map(answer).collect()
    } else {
        things.iter().map(answer).collect()
    }
}

/// Finds the content of declared paths.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    pub(super) root: &'a Path,
    pub(super) stats: &'a StatCache,
    pub(super) meter: &'a Meter,
    pub(super) symlinks: SymlinkPolicy,
    /// What is looked at over the disk, if anything is.
    pub(super) layer: Option<&'a Layer>,
}

impl<'a> Scanner<'a> {
    /// Makes a scanner of paths below (and beside) `root`, an absolute path. The meter counts
    /// the bytes that are read, not those that need not be.
    pub fn new(root: &'a Path, stats: &'a StatCache, meter: &'a Meter) -> Self {
        Self {
            root,
            stats,
            meter,
            symlinks: SymlinkPolicy::default(),
            layer: None,
        }
    }

    /// Returns a scanner that treats links in trees so.
    #[must_use]
    pub fn with_symlinks(self, symlinks: SymlinkPolicy) -> Self {
        Self { symlinks, ..self }
    }

    /// Returns a scanner that takes what `layer` holds as if it stood already. What such a scanner
    /// saw cannot be rechecked.
    #[must_use]
    pub fn over(self, layer: &'a Layer) -> Self {
        let layer = (!layer.is_empty()).then_some(layer);
        Self { layer, ..self }
    }

    /// Looks at a path; nothing there is `None`.
    pub(super) fn look(&self, path: &Path, links: Links) -> Result<Option<Signature>, ScanError> {
        match self.layer {
            None => Ok(fs::look(path, links)?),
            Some(layer) => layer.look(path, links),
        }
    }

    /// Lists a directory: names sorted by bytes, and the signatures of the entries themselves.
    pub(super) fn list(&self, dir: &Path) -> Result<Vec<(Vec<u8>, Signature)>, ScanError> {
        match self.layer {
            None => Ok(fs::list_signatures(dir)?),
            Some(layer) => layer.list(dir),
        }
    }

    /// Returns what stands at a path, a link not followed; a text that can name nothing names
    /// nothing.
    pub fn kind(&self, path: &Path) -> Result<Option<FileKind>, ScanError> {
        match self.layer {
            Some(layer) if layer.concerns(path) => {
                Ok(layer.look(path, Links::Keep)?.map(|found| found.kind()))
            }
            _ => Ok(fs::kind_at(path)?),
        }
    }

    /// Returns the digest of a regular file, links followed. A directory or special file, and a
    /// file that cannot be read or never holds still, is an error that names it.
    pub fn file_digest(&self, path: &Path) -> Result<FileDigest, ScanError> {
        let Some(signature) = self.look(path, Links::Follow)? else {
            return Err(ScanError::Missing(path.to_owned()));
        };
        self.examine(path, signature)
    }

    /// Returns the digest of the regular file that was found to have this signature.
    pub fn examine(&self, path: &Path, signature: Signature) -> Result<FileDigest, ScanError> {
        match self.known(path, signature)? {
            Some(known) => Ok(known),
            None => self.read(path),
        }
    }

    /// Returns what the regular file is that was found to have this signature in an open
    /// directory, and the signature that it had before it was read. `system` is that of the
    /// directory, with what was recalled of the file there.
    pub(super) fn file_in(
        &self,
        (folder, name): (&Folder<'_>, &CStr),
        looked: Signature,
        known: (Option<&FileSystem>, Option<&Recalled>),
        files: Files,
    ) -> Result<(Signature, Member), ScanError> {
        if files == Files::Look {
            return Ok((looked, Member::Unread));
        }
        if let Some(digest) = self.known_in((folder, name), &looked, known) {
            return Ok((looked, Member::File(digest, Proof::Known)));
        }
        if files == Files::Know {
            return Ok((looked, Member::Unread));
        }
        let path = folder.below(name);
        self.read_by(&path, || folder.open_any(name))
            .map(|file| (file.signature, Member::File(file.digest, file.proof)))
    }

    fn known_in(
        &self,
        (folder, name): (&Folder<'_>, &CStr),
        looked: &Signature,
        (system, recalled): (Option<&FileSystem>, Option<&Recalled>),
    ) -> Option<Digest> {
        if let (Some(system), Some(recalled)) = (system, recalled)
            && let Some(digest) = self.stats.bears_out(recalled, looked, system)
        {
            return Some(digest);
        }
        let of_folder = system.filter(|system| system.device == looked.device);
        let elsewhere = || self.stats.file_system(&folder.below(name), looked.device);
        match of_folder {
            Some(system) => self.stats.known(looked, system),
            None => self.stats.known(looked, &elsewhere()?),
        }
    }

    /// Returns the same of what a directory calls a file, without a look at it first: the stat
    /// cache recalls nothing of its inode, so it has to be read whatever its status is. `None`
    /// where it is no file that can be read.
    pub(super) fn examine_unseen(
        &self,
        (folder, name): (&Folder<'_>, &CStr),
    ) -> Result<Option<(Signature, Member)>, ScanError> {
        let Ok((file, signature)) = folder.open_any(name) else {
            return Ok(None);
        };
        if signature.kind() != FileKind::File {
            return Ok(None);
        }
        self.meter.add_total(signature.size);
        let read = self.read_once(&folder.below(name), &file, &signature)?;
        Ok(read.map(|file| (file.signature, Member::File(file.digest, file.proof))))
    }

    fn known(&self, path: &Path, signature: Signature) -> Result<Option<FileDigest>, ScanError> {
        match signature.kind() {
            FileKind::File => {}
            FileKind::Dir => return Err(ScanError::IsDirectory(path.to_owned())),
            FileKind::Link | FileKind::Special => {
                return Err(ScanError::Special(path.to_owned()));
            }
        }
        let ahead = self.layer.and_then(|layer| layer.digest(path, &signature));
        let digest = ahead.or_else(|| {
            let fs = self.stats.file_system(path, signature.device)?;
            self.stats.known(&signature, &fs)
        });
        Ok(digest.map(|digest| FileDigest::known(path, signature, digest)))
    }

    /// Returns the digest of the regular file that was found to have this signature, if that is
    /// known without opening it, and also that it has no `#!` line.
    pub fn known_no_script(&self, path: &Path, signature: &Signature) -> Option<FileDigest> {
        if self.layer.is_some() || !signature.is_executable() {
            return None;
        }
        let fs = self.stats.file_system(path, signature.device)?;
        let digest = self.stats.known_no_script(signature, &fs)?;
        Some(FileDigest::known(path, *signature, digest))
    }

    /// Reads a file, links followed.
    fn read(&self, path: &Path) -> Result<FileDigest, ScanError> {
        self.read_by(path, || fs::open_any(path))
    }

    /// Reads what `open` opens, again if it changed meanwhile.
    fn read_by(
        &self,
        path: &Path,
        open: impl Fn() -> Result<(File, Signature), PathError>,
    ) -> Result<FileDigest, ScanError> {
        for attempt in 0..ATTEMPTS {
            let (file, signature) = open()?;
            if attempt == 0 {
                self.meter.add_total(signature.size);
            }
            if signature.kind() != FileKind::File {
                return Err(ScanError::Special(path.to_owned()));
            }
            if let Some(digest) = self.read_once(path, &file, &signature)? {
                return Ok(digest);
            }
        }
        Err(ScanError::Changing(path.to_owned()))
    }

    /// Reads an open file; `None` if it changed meanwhile.
    fn read_once(
        &self,
        path: &Path,
        file: &File,
        signature: &Signature,
    ) -> Result<Option<FileDigest>, ScanError> {
        let system = self.stats.file_system(path, signature.device);
        let started = system.map(|system| self.stats.started(signature, &system));
        // Asked before the first byte is read: a page that is dirtied later moves mtime. A file at
        // rest needs no such witness.
        let rests = started.is_some_and(|started| started.finds_at_rest(signature));
        let clean = !rests
            && system.is_some_and(|system| system.kind.tells_dirty_pages())
            && fs::cached_pages(file).is_some_and(fs::CachedPages::are_clean);
        let hashed = fs::hash_open(file, path, signature.size, Threads::Many, self.meter);
        let digest: Digest = match hashed {
            Err(fs::HashError::SizeChanged(_)) => return Ok(None),
            hashed => hashed?,
        };
        let no_script = signature.is_executable() && has_no_script_line(file, path);
        if Signature::of_open(file, path)? != *signature {
            return Ok(None);
        }
        if let (Some(system), Some(started)) = (system, started) {
            let origin = Origin::Hashed { started, clean };
            if no_script {
                let found = (signature, &system);
                self.stats.remember_no_script(found, digest, origin);
            } else {
                self.stats.remember(signature, &system, digest, origin);
            }
        }
        Ok(Some(FileDigest {
            path: path.to_owned(),
            signature: *signature,
            digest,
            proof: Proof::Read { started, clean },
        }))
    }
}

/// Says whether an open file does not begin like a script. One that cannot be read may be one.
fn has_no_script_line(file: &File, path: &Path) -> bool {
    let mut start = [0; 2];
    fs::read_at_most(file, path, &mut start).is_ok() && start != *b"#!"
}
