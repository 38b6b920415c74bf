//! Outputs into the store, after the process has ended.
//!
//! ```text
//! find ──▶ Found ──▶ capture ──▶ Stored | Unstable
//!  every declared output is there,   bytes hashed as they are copied;
//!  and of its kind                   everything looked at again afterwards
//! ```
//!
//! Trees are taken whole: no ignore list, links as links, empty directories too. A file whose
//! status changed between the listing and the end makes the result unusable for storing (hazard
//! A8): its bytes may be of two moments. The command's own inode never becomes a blob.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Mutex;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::aside::{Aside, SpotKind};
use super::content::{Begun, Digests, entries_by, files, into_content};
use super::target::Target;
use super::walk::{Standing, Stood, walk};
use crate::action::Storing;
use crate::digest::{BlobId, Digest};
use crate::fs::{FileKind, PathError, Signature, Threads, Timestamp};
use crate::store::{Intake, LocalStore, OutputContent, StoreError, Stored, StoredAs, StoredOutput};
use crate::tree::{Escaped, RelPath};

/// What is wrong with an output after a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputProblem {
    /// The command did not make it.
    #[error("output `{}` is missing", Escaped(.0))]
    Missing(Vec<u8>),
    /// Nothing matches its pattern.
    #[error("no file matches the output pattern `{}`", Escaped(.0))]
    NoMatch(Vec<u8>),
    /// It was declared as a directory and is none.
    #[error("output `{}` is not a folder", Escaped(.0))]
    NotADirectory(Vec<u8>),
    /// A FIFO, socket or device stands at or below it.
    #[error("`{}` is neither a file, a folder nor a link", Escaped::path(.0))]
    Special(PathBuf),
}

/// Why outputs could not be captured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The run did not make what was declared: it counts as failed.
    #[error("{}", first_of(.0))]
    Outputs(Vec<OutputProblem>),
    /// The outputs could not be read.
    #[error("cannot read the outputs")]
    Path(#[source] PathError),
    /// The store did not take them; the run itself is good.
    #[error("cannot store the outputs")]
    Store(#[source] StoreError),
}

fn first_of(problems: &[OutputProblem]) -> String {
    match problems {
        [] => "no output problem".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

impl From<PathError> for CaptureError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

/// All declared outputs, as they stand after a run: each there, and of its kind.
#[derive(Debug)]
pub struct Found(Vec<Item>);

/// One output that stands.
#[derive(Debug)]
struct Item {
    name: Vec<u8>,
    at: Option<RelPath>,
    target: Target,
    standing: Standing,
    keep: bool,
}

/// A file as it was listed, and its content.
type Read = (Signature, Stored);

/// What an output is to a result, and the listing of a folder.
type Described = (OutputContent, Option<Vec<u8>>);

/// What capturing came to.
#[derive(Debug)]
pub enum Captured {
    /// Nothing changed while it was read.
    Whole(Capture),
    /// These changed: the outputs are to be used, not to be stored.
    Unstable(Vec<PathBuf>),
}

/// Outputs with their digests; in the store, if one was given.
#[derive(Debug)]
pub struct Capture {
    /// The outputs, in the order of declaration; matches of one pattern by bytes.
    pub outputs: Vec<StoredOutput>,
    /// The blobs that were stored, listings included: a commit looks again at reused ones.
    pub blobs: Vec<Stored>,
    found: Vec<(Item, Vec<(Signature, Digest)>)>,
    begun: HashMap<u64, Option<Begun>>,
}

/// Looks at the declared outputs after a run. Every one that is missing or of the wrong kind is
/// named. Reads no file.
pub fn find(aside: &Aside<'_>) -> Result<Found, CaptureError> {
    let mut items: Vec<Item> = Vec::new();
    let mut problems = Vec::new();
    for spot in aside.spots() {
        let standing = spot.standing(aside.root())?;
        let name = match &spot.kind {
            SpotKind::Place { place, .. } => place.key_name().to_vec(),
            SpotKind::Glob(text, _) => text.clone().into_bytes(),
        };
        let is_glob = matches!(spot.kind, SpotKind::Glob(..));
        if standing.is_empty() && !spot.optional {
            problems.push(if is_glob {
                OutputProblem::NoMatch(name.clone())
            } else {
                OutputProblem::Missing(name.clone())
            });
        }
        for (target, path) in standing {
            let at = is_glob.then_some(path);
            // A path that two patterns match is captured once.
            if at.is_some() && items.iter().any(|item| item.at == at) {
                continue;
            }
            let standing = walk(&target.dir, &target.name)?;
            let dir_only = matches!(spot.kind, SpotKind::Place { dir_only: true, .. });
            let kind = standing.get(&RelPath::ROOT).map(Stood::kind);
            if dir_only && kind.is_some_and(|kind| kind != FileKind::Dir) {
                problems.push(OutputProblem::NotADirectory(name.clone()));
            }
            let special = standing
                .iter()
                .filter(|(_, x)| x.kind() == FileKind::Special);
            problems.extend(special.map(|(path, _)| {
                OutputProblem::Special(target.dir.path_of(&target.name.join(path)))
            }));
            items.push(Item {
                name: name.clone(),
                at,
                target,
                standing,
                keep: spot.keep,
            });
        }
    }
    if problems.is_empty() {
        Ok(Found(items))
    } else {
        Err(CaptureError::Outputs(problems))
    }
}

impl Found {
    /// Hashes all outputs, and puts those into `store` whose content is wanted there. `aside` is
    /// what [`find`] was given: everything is looked at again at the end.
    pub fn capture(
        self,
        aside: &Aside<'_>,
        (store, storing): (&LocalStore, Storing),
        digests: &Digests<'_>,
    ) -> Result<Captured, CaptureError> {
        let files_found: Vec<_> = self
            .0
            .iter()
            .enumerate()
            .flat_map(|(index, item)| files(&item.standing).map(move |file| (index, file)))
            .collect();
        let size = files_found
            .iter()
            .map(|(_, (_, signature))| signature.size)
            .sum();
        digests.meter.add_total(size);
        let begun = self.begin(digests);
        let unstable = Mutex::new(Vec::new());
        let many = files_found.len() >= crate::scan::PARALLEL_FILES;
        let intake = many.then(|| store.intake());
        let one = |(index, (path, seen)): &(usize, (&RelPath, &Signature))| {
            let item = &self.0[*index];
            let wanted = item.is_wanted(storing);
            let store = wanted.then_some((store, intake.as_ref()));
            let read = item.read(path, seen, store, digests)?;
            if read.is_none() {
                let path = self.0[*index].path_of(path);
                unstable.lock().expect("no holder panics").push(path);
            }
            Ok(read)
        };
        let read: Vec<Option<Stored>> = if many {
            let read = files_found.par_iter().map(one);
            read.collect::<Result<_, CaptureError>>()?
        } else {
            let read = files_found.iter().map(one);
            read.collect::<Result<_, CaptureError>>()?
        };
        let mut unstable = unstable.into_inner().expect("no holder panics");
        let mut contents = vec![Vec::new(); self.0.len()];
        for ((index, (_, signature)), stored) in files_found.iter().zip(&read) {
            // One that is not there is among what is unstable.
            contents[*index].extend(stored.map(|stored| (**signature, stored)));
        }
        drop(files_found);
        let is_read = unstable.is_empty();
        let described = || is_read.then(|| self.described(&contents));
        let (changed, described) = if many {
            rayon::join(|| self.changed(aside), described)
        } else {
            (self.changed(aside), described())
        };
        unstable.extend(changed);
        // Nothing that can be described stands where an output went or turned meanwhile.
        let torn = described.iter().flatten().zip(&self.0);
        let torn = torn.filter(|(described, _)| described.is_none());
        unstable.extend(torn.map(|(_, item)| item.path_of(&RelPath::ROOT)));
        let described = described.and_then(|all| all.into_iter().collect::<Option<_>>());
        let Some(described) = described.filter(|_| unstable.is_empty()) else {
            unstable.sort();
            unstable.dedup();
            return Ok(Captured::Unstable(unstable));
        };
        let capture = self.finish(contents, described, (store, storing))?;
        Ok(Captured::Whole(Capture { begun, ..capture }))
    }

    /// Notes on each file system when reading begins. Waits for its clock to move on where much
    /// was written in its present tick.
    fn begin(&self, digests: &Digests<'_>) -> HashMap<u64, Option<Begun>> {
        let mut begun = HashMap::new();
        let unsettled = |device: u64, begun: &Begun| {
            let files = self.0.iter().flat_map(|item| files(&item.standing));
            files
                .filter(|(_, seen)| seen.device == device && !digests.settles(begun, seen))
                .map(|(_, seen)| seen.size)
                .fold(0, u64::saturating_add)
        };
        for item in &self.0 {
            for (_, signature) in files(&item.standing) {
                let device = signature.device;
                begun.entry(device).or_insert_with(|| {
                    let unsettled = |begun: &Begun| unsettled(device, begun);
                    digests.begin_once(&item.target.dir, device, &unsettled)
                });
            }
        }
        begun
    }

    /// Says what each output is to a result, and the listing of each folder.
    fn described(&self, contents: &[Vec<Read>]) -> Vec<Option<Described>> {
        let pairs = self.0.iter().zip(contents);
        let one = |(item, contents): (&Item, &Vec<Read>)| {
            let mut digests = contents.iter().map(|(_, stored)| *stored.blob.digest());
            let entries = entries_by(&item.standing, |_| digests.next());
            let entries = entries.expect("every file was read and nothing is special");
            into_content(entries)
        };
        pairs.map(one).collect()
    }

    /// Makes the outputs of a result, and stores the listings.
    fn finish(
        self,
        contents: Vec<Vec<Read>>,
        described: Vec<Described>,
        (store, storing): (&LocalStore, Storing),
    ) -> Result<Capture, CaptureError> {
        let mut capture = Capture {
            outputs: Vec::new(),
            blobs: Vec::new(),
            found: Vec::new(),
            begun: HashMap::new(),
        };
        let items = self.0.into_iter().zip(contents).zip(described);
        for ((item, contents), (content, listing)) in items {
            let digest = |stored: &Stored| *stored.blob.digest();
            let is_wanted = item.is_wanted(storing);
            if let Some(listing) = listing.filter(|_| is_wanted) {
                let listing = store.put_bytes(&listing);
                capture.blobs.push(listing.map_err(CaptureError::Store)?);
            }
            capture.outputs.push(StoredOutput {
                name: item.name.clone(),
                at: item.at.clone(),
                content,
                stored_as: item.stored_as(storing),
            });
            let seen = contents
                .iter()
                .map(|(seen, stored)| (*seen, digest(stored)));
            let seen = seen.collect();
            if is_wanted {
                capture
                    .blobs
                    .extend(contents.into_iter().map(|(.., stored)| stored));
            }
            capture.found.push((item, seen));
        }
        Ok(capture)
    }

    /// Lists everything again and names what is not as it was.
    fn changed(&self, aside: &Aside<'_>) -> Vec<PathBuf> {
        let Ok(Self(again)) = find(aside) else {
            return self
                .0
                .iter()
                .map(|item| item.path_of(&RelPath::ROOT))
                .collect();
        };
        let mut changed = Vec::new();
        let same_outputs = again.len() == self.0.len()
            && again
                .iter()
                .zip(&self.0)
                .all(|(a, b)| (&a.name, &a.at) == (&b.name, &b.at));
        if !same_outputs {
            let path = |item: &Item| item.path_of(&RelPath::ROOT);
            let (before, after): (Vec<_>, Vec<_>) = (
                self.0.iter().map(path).collect(),
                again.iter().map(path).collect(),
            );
            changed.extend(before.iter().filter(|path| !after.contains(path)).cloned());
            changed.extend(after.iter().filter(|path| !before.contains(path)).cloned());
            return changed;
        }
        for (before, after) in self.0.iter().zip(&again) {
            for (path, stood) in &before.standing {
                if after.standing.get(path) != Some(stood) {
                    changed.push(before.path_of(path));
                }
            }
            let new = after
                .standing
                .keys()
                .filter(|path| !before.standing.contains_key(path));
            changed.extend(new.map(|path| before.path_of(path)));
        }
        changed
    }
}

impl Found {
    /// Returns of each output on which device it lies and when it was written last: the earlier of
    /// the two stamps of a file, because the one of its content can be set to any time.
    pub fn written(&self) -> impl Iterator<Item = (u64, Timestamp)> {
        self.0.iter().filter_map(|item| {
            let stamps = item.standing.values().map(|stood| {
                let Signature {
                    mtime,
                    ctime,
                    device,
                    ..
                } = stood.signature;
                (mtime.min(ctime), device)
            });
            stamps.max().map(|(written, device)| (device, written))
        })
    }
}

impl Item {
    fn stored_as(&self, storing: Storing) -> StoredAs {
        match (self.keep, storing) {
            (true, _) => StoredAs::Keep,
            (false, Storing::Digest) => StoredAs::Digest,
            (false, Storing::Content) => StoredAs::Content,
        }
    }

    fn is_wanted(&self, storing: Storing) -> bool {
        self.stored_as(storing) == StoredAs::Content
    }

    fn path_of(&self, path: &RelPath) -> PathBuf {
        self.target.dir.path_of(&self.target.name.join(path))
    }

    /// Reads one file whole; `None` if it is not the one that was listed, or changed meanwhile.
    fn read(
        &self,
        path: &RelPath,
        seen: &Signature,
        store: Option<(&LocalStore, Option<&Intake<'_>>)>,
        digests: &Digests<'_>,
    ) -> Result<Option<Stored>, CaptureError> {
        let below = self.target.name.join(path);
        let Some((store, intake)) = store else {
            // An output that changes while it is hashed is told from one that cannot be read by
            // looking again.
            return match digests.of(&self.target.dir, &below, seen, Threads::Many) {
                Ok(digest) => Ok(Some(Stored {
                    blob: BlobId::new(digest),
                    size: seen.size,
                    reused: false,
                    modified: seen.mtime,
                })),
                Err(error) => self.unstable_or(&below, seen, error),
            };
        };
        let on_disk = self.target.dir.path_of(&below);
        let (file, before) = match self.target.dir.open_file(&below) {
            Ok(opened) => opened,
            Err(error) => return self.unstable_or(&below, seen, error),
        };
        if before != *seen {
            return Ok(None);
        }
        let stored = store
            .put_file_of((&file, &on_disk), (seen.size, intake), digests.meter)
            .map_err(CaptureError::Store)?;
        // Whether it changed meanwhile the look at everything shows that follows.
        Ok((stored.size == seen.size).then_some(stored))
    }

    fn unstable_or<T>(
        &self,
        below: &RelPath,
        seen: &Signature,
        error: PathError,
    ) -> Result<Option<T>, CaptureError> {
        match self.target.dir.status(below) {
            Ok(now) if now == *seen => Err(error.into()),
            _ => Ok(None),
        }
    }
}

impl Capture {
    /// Returns the digests of all that stands at outputs whose content was not stored: files, and
    /// listings of folders.
    pub fn not_stored(&self) -> BTreeSet<Digest> {
        let outputs = self.outputs.iter().zip(&self.found);
        let marked = outputs.filter(|(output, _)| output.stored_as != StoredAs::Content);
        marked
            .flat_map(|(output, (_, seen))| {
                let listing = match &output.content {
                    OutputContent::Tree(tree) => Some(*tree.digest()),
                    OutputContent::File { .. } | OutputContent::Link(_) => None,
                };
                seen.iter().map(|(_, digest)| *digest).chain(listing)
            })
            .collect()
    }

    /// Remembers the outputs in place, so that the next look at them need not read them. To be
    /// called once the result is recorded.
    pub fn remember(&self, digests: &Digests<'_>) {
        for (_, seen) in &self.found {
            for file in seen {
                let begun = self.begun.get(&file.0.device).and_then(Option::as_ref);
                digests.remember_own(begun, std::slice::from_ref(file));
            }
        }
    }
}

/// Returns the text of each output that is a link, by name: what a later run must not take for a
/// link of the user's.
pub fn made_links(outputs: &[StoredOutput]) -> super::MadeLinks {
    let links = outputs.iter().filter_map(|output| match &output.content {
        OutputContent::Link(text) => Some((output.name.clone(), text.clone())),
        _ => None,
    });
    links.collect()
}
