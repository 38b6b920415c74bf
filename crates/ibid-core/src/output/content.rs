//! What stands at an output, as content: digests through the stat cache, entries, trees.
//!
//! One form serves capture, comparison and restore: a map from the path below the output to an
//! entry, in which the output itself has the root path.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::walk::{Standing, Stood};
use crate::digest::{BlobId, Digest, TreeId};
use crate::fs::{
    CachedPages, Dir, FileKind, FileSystem, HashError, IoContext as _, Meter, PathError, Signature,
    Threads, cached_pages, hash_open,
};
use crate::scan::{Origin, PARALLEL_FILES, Started, StatCache};
use crate::store::OutputContent;
use crate::tree::{Entry, RelPath, Tree};

/// From this many bytes on, waiting for a tick of the clock is cheaper than reading again.
const WORTH_A_TICK: u64 = 16 << 20;

/// The longest tick that is waited for, in nanoseconds.
const LONGEST_WAIT: u64 = 20_000_000;

/// The entries of an output, by the path below it.
pub(super) type Entries = BTreeMap<RelPath, Entry>;

/// Tells digests of files: from the stat cache where that can be believed, else by reading.
#[derive(Clone, Copy, Debug)]
pub struct Digests<'a> {
    /// What is known already.
    pub stats: &'a StatCache,
    /// Counts the bytes that are read.
    pub meter: &'a Meter,
}

impl Digests<'_> {
    pub(super) fn file_system(&self, dir: &Dir, signature: &Signature) -> Option<FileSystem> {
        self.stats.file_system(dir.path(), signature.device)
    }

    /// Returns the digest of a file below `dir` if it can be told without reading.
    pub(super) fn known(&self, dir: &Dir, signature: &Signature) -> Option<Digest> {
        let fs = self.file_system(dir, signature)?;
        self.stats.known(signature, &fs)
    }

    /// The same of a file at this very path.
    pub(super) fn known_at(&self, path: &Path, signature: &Signature) -> Option<Digest> {
        let fs = self.stats.file_system(path, signature.device)?;
        self.stats.known(signature, &fs)
    }

    /// Returns the digest of the file `path`, which had the status `seen` when it was listed. A
    /// file that is another by now, or changes meanwhile, is an error.
    pub(super) fn of(
        &self,
        dir: &Dir,
        path: &RelPath,
        seen: &Signature,
        threads: Threads,
    ) -> Result<Digest, PathError> {
        if let Some(digest) = self.known(dir, seen) {
            return Ok(digest);
        }
        let on_disk = dir.path_of(path);
        let (file, before) = dir.open_file(path)?;
        let fs = self.file_system(dir, &before);
        let started = fs.map(|fs| self.stats.started(&before, &fs));
        let clean = fs.is_some() && cached_pages(&file).is_some_and(CachedPages::are_clean);
        let digest =
            hash_open(&file, &on_disk, before.size, threads, self.meter).map_err(|error| {
                match error {
                    HashError::Io(error) => error,
                    _ => changed(&on_disk),
                }
            })?;
        if before != *seen || Signature::of_open(&file, &on_disk)? != before {
            return Err(changed(&on_disk));
        }
        if let (Some(fs), Some(started)) = (fs, started) {
            let origin = Origin::Hashed { started, clean };
            self.stats.remember(&before, &fs, digest, origin);
        }
        Ok(digest)
    }

    /// Returns the digests of all files of an output that stands at `name` in `dir`.
    pub(super) fn of_all(
        &self,
        dir: &Dir,
        name: &RelPath,
        standing: &Standing,
    ) -> Result<BTreeMap<RelPath, Digest>, PathError> {
        let is_file = |(_, stood): &(&RelPath, &Stood)| stood.kind() == FileKind::File;
        let files: Vec<_> = standing.iter().filter(is_file).collect();
        let one = |threads: Threads| {
            move |&(path, stood): &(&RelPath, &Stood)| {
                let read = || self.of(dir, &name.join(path), &stood.signature, threads);
                let digest = stood.digest.map_or_else(read, Ok)?;
                Ok((path.clone(), digest))
            }
        };
        if files.len() < PARALLEL_FILES {
            return files.iter().map(one(Threads::Many)).collect();
        }
        // With everything known no pool is started.
        let mut digests = BTreeMap::new();
        let mut unknown = Vec::new();
        for (path, stood) in files {
            let known = || self.known(dir, &stood.signature);
            match stood.digest.or_else(known) {
                Some(digest) => drop(digests.insert(path.clone(), digest)),
                None => unknown.push((path, stood)),
            }
        }
        if unknown.len() < PARALLEL_FILES {
            for file in &unknown {
                digests.extend([one(Threads::Many)(file)?]);
            }
        } else {
            let hashed: Result<Vec<_>, _> = unknown.par_iter().map(one(Threads::One)).collect();
            digests.extend(hashed?);
        }
        Ok(digests)
    }

    /// Takes the time of the file system of `dir`: what is read from then on may be remembered.
    /// Stamps of one tick look alike, so where `bytes` are dear to read again it waits for the
    /// next tick first (hazard B1).
    pub(super) fn begin(&self, dir: &Dir, device: u64, bytes: u64) -> Option<Begun> {
        let fs = self.stats.file_system(dir.path(), device)?;
        if !self.stats.believes(&fs) {
            return None;
        }
        if bytes >= WORTH_A_TICK && fs.granularity <= LONGEST_WAIT {
            // Both stamps are cut to a tick, so one granularity apart is not always enough.
            std::thread::sleep(Duration::from_nanos(2 * fs.granularity));
        }
        let started = self.stats.started_anew(&fs);
        Some(Begun { fs, started })
    }

    /// The same for files that are written already: it waits only if `unsettled` says of the first
    /// look at the clock that much of them was written in its present tick.
    pub(super) fn begin_once(
        &self,
        dir: &Dir,
        device: u64,
        unsettled: &dyn Fn(&Begun) -> u64,
    ) -> Option<Begun> {
        self.begin_settled(dir, device, unsettled, |_| None)
    }

    /// The same for private files of ibid's own in `dir`, which nobody else can have open for writing:
    /// rather than wait it moves the clock on where it can.
    pub(super) fn begin_own(
        &self,
        dir: &Dir,
        device: u64,
        unsettled: &dyn Fn(&Begun) -> u64,
    ) -> Option<Begun> {
        self.begin_settled(dir, device, unsettled, |begun| {
            let started = self.stats.started_nudged(&begun.fs, dir)?;
            Some(Begun { started, ..begun })
        })
    }

    /// Begins at the first look at the clock if `unsettled` says of it that all is settled; else, where
    /// much is not, `sooner` than the next tick if that settles all.
    fn begin_settled(
        &self,
        dir: &Dir,
        device: u64,
        unsettled: &dyn Fn(&Begun) -> u64,
        sooner: impl FnOnce(Begun) -> Option<Begun>,
    ) -> Option<Begun> {
        let begun = self.begin(dir, device, 0)?;
        let bytes = unsettled(&begun);
        if bytes == 0 {
            return Some(begun);
        }
        let sooner = (bytes >= WORTH_A_TICK).then(|| sooner(begun)).flatten();
        let sooner = sooner.filter(|begun| unsettled(begun) == 0);
        sooner.or_else(|| self.begin(dir, device, bytes))
    }

    /// Says whether whatever changes a file after `begun` changes its status, too.
    pub(super) fn settles(&self, begun: &Begun, signature: &Signature) -> bool {
        self.stats.settles(signature, &begun.fs, begun.started)
    }

    /// Remembers what ibid itself captured or put in place, so that the next look need not read
    /// it. Nobody may have had the files open for writing since `begun`.
    pub(super) fn remember_own(&self, begun: Option<&Begun>, files: &[(Signature, Digest)]) {
        let Some(Begun { fs, started }) = begun else {
            return;
        };
        for (signature, digest) in files {
            let origin = Origin::Captured { started: *started };
            self.stats.remember(signature, fs, *digest, origin);
        }
    }
}

/// A moment on one file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) fs: FileSystem,
    started: Started,
}

fn changed(path: &std::path::Path) -> PathError {
    let result: Result<(), _> = Err(std::io::Error::other("it changed while it was read"));
    result.context("hash", path).expect_err("it is an error")
}

/// Iterates over the regular files of an output.
pub(super) fn files(standing: &Standing) -> impl Iterator<Item = (&RelPath, &Signature)> {
    standing
        .iter()
        .filter(|(_, stood)| stood.kind() == FileKind::File)
        .map(|(path, stood)| (path, &stood.signature))
}

/// Makes entries of what stands; `None` if a digest is missing or something is special.
pub(super) fn entries(standing: &Standing, digests: &BTreeMap<RelPath, Digest>) -> Option<Entries> {
    entries_by(standing, |path| digests.get(path).copied())
}

/// The same with a digest for each file in the order of their paths.
pub(super) fn entries_by(
    standing: &Standing,
    mut digest: impl FnMut(&RelPath) -> Option<Digest>,
) -> Option<Entries> {
    let entry = |(path, stood): (&RelPath, &Stood)| {
        let entry = match stood.kind() {
            FileKind::File => Entry::File {
                executable: stood.signature.is_executable(),
                size: stood.signature.size,
                blob: BlobId::new(digest(path)?),
            },
            FileKind::Dir => Entry::Dir,
            FileKind::Link => Entry::Link(stood.link.clone()?),
            FileKind::Special => return None,
        };
        Some((path.clone(), entry))
    };
    standing.iter().map(entry).collect()
}

/// Makes the tree of an output that is a directory. What was listed is none where a name stood for
/// a folder first and for something else then: it changed meanwhile, or its file system lists it
/// twice.
pub(super) fn tree(entries: &Entries) -> Option<Tree> {
    (entries.get(&RelPath::ROOT) == Some(&Entry::Dir)).then(|| {
        let below = entries.iter().filter(|(path, _)| !path.is_root());
        Tree::from_entries(below.map(|(path, entry)| (path.clone(), entry.clone()))).ok()
    })?
}

/// Returns what an output is to a result, and the listing of a folder, from entries that are needed
/// no more; `None` where [`content`] has none.
pub(super) fn into_content(mut entries: Entries) -> Option<(OutputContent, Option<Vec<u8>>)> {
    if entries.get(&RelPath::ROOT) != Some(&Entry::Dir) {
        return Some((content(&entries)?, None));
    }
    entries.remove(&RelPath::ROOT);
    let listing = Tree::from_entries(entries).ok()?.encode();
    let tree = TreeId::new(Digest::of(&listing));
    Some((OutputContent::Tree(tree), Some(listing)))
}

/// Returns what an output is to a result; `None` if there is nothing, or what was listed is no tree.
pub(super) fn content(entries: &Entries) -> Option<OutputContent> {
    Some(match entries.get(&RelPath::ROOT)? {
        Entry::File {
            executable,
            size,
            blob,
        } => OutputContent::File {
            executable: *executable,
            size: *size,
            blob: *blob,
        },
        Entry::Link(text) | Entry::LinkOut { text, .. } => OutputContent::Link(text.clone()),
        Entry::Dir => OutputContent::Tree(tree(entries)?.id()),
    })
}

/// Returns the entries of an output of a result; `listing` reads the tree of a directory.
pub(super) fn wanted<E>(
    content: &OutputContent,
    listing: impl FnOnce(TreeId) -> Result<Tree, E>,
) -> Result<Entries, E> {
    let (top, below) = match content {
        OutputContent::File {
            executable,
            size,
            blob,
        } => {
            let file = Entry::File {
                executable: *executable,
                size: *size,
                blob: *blob,
            };
            (file, None)
        }
        OutputContent::Link(text) => (Entry::Link(text.clone()), None),
        OutputContent::Tree(id) => (Entry::Dir, Some(listing(*id)?)),
    };
    // The listing of a large folder becomes what it holds, without a copy of each entry.
    let mut entries = below.map(Tree::into_entries).unwrap_or_default();
    entries.insert(RelPath::ROOT, top);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use ibid_testkit::TempDir;

    use super::*;
    use crate::fs::{Host, Staged, Timestamp};
    use crate::scan::{StatCacheOptions, StatPolicy, StatWrites};

    fn entries_of(listed: &[(&str, Entry)]) -> Entries {
        let path = |text: &str| match text {
            "" => RelPath::ROOT,
            text => RelPath::new(text).unwrap(),
        };
        let listed = listed.iter();
        listed
            .map(|(text, entry)| (path(text), entry.clone()))
            .collect()
    }

    fn file() -> Entry {
        Entry::File {
            executable: false,
            size: 1,
            blob: BlobId::of(b"x"),
        }
    }

    fn cache_in(temp: &TempDir) -> StatCache {
        StatCache::open(StatCacheOptions {
            dir: Some(temp.join("stats")),
            probe_dirs: vec![temp.path().to_owned()],
            policy: StatPolicy::Safe,
            writes: StatWrites::Allowed,
            host: Host::this(),
            clock: Timestamp::default,
        })
    }

    /// Nothing is remembered of files in memory, and nobody waits where stamps are coarse, as those of
    /// layers are taken to be.
    fn is_told(begun: &Begun) -> bool {
        begun.fs.granularity <= LONGEST_WAIT
    }

    #[test]
    fn where_much_was_written_in_this_tick_reading_begins_when_that_is_told_from_what_follows() {
        let temp = TempDir::new();
        let stats = cache_in(&temp);
        let meter = Meter::new();
        let digests = Digests {
            stats: &stats,
            meter: &meter,
        };
        let dir = Dir::open(temp.path()).unwrap();
        let mut staged = Staged::create(temp.path()).unwrap();
        staged.publish_over(&temp.join("file")).unwrap();
        let seen = Signature::of_link(&temp.join("file")).unwrap();
        let begun = |bytes: u64| {
            let unsettled = |begun: &Begun| {
                let is_settled = digests.settles(begun, &seen);
                if is_settled { 0 } else { bytes }
            };
            digests.begin_once(&dir, seen.device, &unsettled)
        };
        let Some(begun) = begun(WORTH_A_TICK).filter(is_told) else {
            return;
        };
        assert!(digests.settles(&begun, &seen));
    }

    #[test]
    fn an_own_file_is_known_as_soon_as_it_is_filled_and_no_more_once_it_was_edited() {
        use std::os::unix::fs::FileExt as _;
        let temp = TempDir::new();
        let (stats, meter) = (cache_in(&temp), Meter::new());
        let digests = Digests {
            stats: &stats,
            meter: &meter,
        };
        let dir = Dir::open(temp.path()).unwrap();
        for byte in 0..50 {
            let staged = Staged::create(temp.path()).unwrap();
            staged.file().write_all_at(&[byte], 0).unwrap();
            let look = || Signature::of_open(staged.file(), staged.path()).unwrap();
            let filled = look();
            let unsettled = |begun: &Begun| {
                let is_settled = digests.settles(begun, &filled);
                if is_settled { 0 } else { WORTH_A_TICK }
            };
            let begun = digests.begin_own(&dir, filled.device, &unsettled);
            let Some(begun) = begun.filter(is_told) else {
                return;
            };
            let digest = Digest::of(&[byte]);
            digests.remember_own(Some(&begun), &[(filled, digest)]);
            assert_eq!(digests.known(&dir, &look()), Some(digest));
            staged.file().write_all_at(&[byte + 1], 0).unwrap();
            assert_eq!(digests.known(&dir, &look()), None);
        }
    }

    #[test]
    fn what_stands_is_the_same_content_whether_its_entries_are_kept_or_not() {
        let folder = [("", Entry::Dir), ("a", Entry::Dir), ("a/x", file())];
        let link = [("", Entry::Link(b"to".to_vec()))];
        for listed in [&folder[..], &link[..], &[("", file())][..]] {
            let entries = entries_of(listed);
            let kept = content(&entries).unwrap();
            let listing = tree(&entries).map(|tree| tree.encode());
            assert_eq!(into_content(entries), Some((kept, listing)));
        }
    }

    #[test]
    fn a_name_that_was_listed_as_a_folder_and_as_a_file_makes_no_content() {
        let torn = entries_of(&[("", Entry::Dir), ("a", file()), ("a/x", file())]);
        for entries in [torn, Entries::new()] {
            assert_eq!(tree(&entries), None);
            assert_eq!(content(&entries), None);
            assert_eq!(into_content(entries), None);
        }
    }
}
