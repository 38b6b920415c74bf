//! The chain of causes: a run, what changed for it, the run that made the change, and so on up to
//! what no step makes.
//!
//! Reads history, key records and results; writes nothing. It says only what the bytes bear out:
//! the run that is named for a changed path is one whose result holds the changed content.
//! Bounded by `DEEPEST`, `MOST_RUNS` and the entries that are read of a label.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Change, ComponentKind, ComponentName, diff};
use crate::digest::encoding::Value;
use crate::digest::{Digest, TreeId};
use crate::store::{LocalStore, OutputContent, RunEntry, StoredResult};
use crate::tree::{Content, Entry, Place, RelPath, Tree};

/// So many steps a chain is followed upward.
const DEEPEST: usize = 64;

/// So many runs one chain tells of.
const MOST_RUNS: usize = 256;

/// So many entries of a label are looked through for the run that made a content.
const LOOKED_THROUGH: usize = 256;

/// So many files of a changed folder are asked who writes them.
const FILES_ASKED: usize = 64;

/// A run, and what changed for it since an earlier one.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The run, or the use of its result.
    pub run: RunEntry,
    /// The earlier run of the same step that it is compared with, if one is known.
    pub earlier: Option<RunEntry>,
    /// What differs between the two; empty where nothing is known to.
    pub changes: Vec<Change>,
    /// Those changes that another step made.
    pub upstream: Vec<Upstream>,
}

/// Changed paths that one step writes.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The paths, as far as they changed.
    pub paths: Vec<RelPath>,
    /// The label of the step.
    pub label: String,
    /// What is known of the run that made them so.
    pub by: Maker,
}

/// The run that made a changed content.
#[derive(Clone, Debug)]
pub enum Maker {
    /// This one.
    Run(Box<Cause>),
    /// This one, of which the chain told before.
    Told(Box<RunEntry>),
    /// This one, of which nothing is told: the chain grew too long.
    Further(Box<RunEntry>),
    /// No known run of the step gave these bytes: somebody else wrote them, or history is gone.
    Unknown,
}

/// Answers which step, by its label, writes a path.
pub type Writers<'a> = &'a dyn Fn(&RelPath) -> Option<String>;

/// Follows what made `run` run. A first run, or one of which history lost the other, has no changes.
pub fn follow(store: &LocalStore, run: &RunEntry, writers: Writers<'_>) -> Cause {
    let earlier = run.compared_to.and_then(|key| {
        let entries = store.entries_of(&run.label, usize::MAX).ok()?;
        let mut before = entries.into_iter().filter(|entry| entry.time < run.time);
        before.find(|entry| entry.key == key)
    });
    let mut follower = Follower {
        store,
        writers,
        told: BTreeSet::new(),
    };
    follower.cause(run.clone(), earlier, 0)
}

/// Returns who wrote what in the workspace that history calls `root`, by the results of its last
/// runs: for folders without a file of steps.
pub fn writers_in_history(store: &LocalStore, root: &str) -> BTreeMap<RelPath, String> {
    let entries = store.entries(LOOKED_THROUGH).unwrap_or_default();
    let mut writers = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.root == root) {
        let Some(result) = entry.result.filter(|result| seen.insert(*result)) else {
            continue;
        };
        let Ok(result) = store.read_result(&result) else {
            continue;
        };
        for (path, _) in outputs(&result) {
            writers.entry(path).or_insert_with(|| entry.label.clone());
        }
    }
    writers
}

/// What was told so far of one chain.
struct Follower<'a> {
    store: &'a LocalStore,
    writers: Writers<'a>,
    told: BTreeSet<Run>,
}

/// A run by its label and time.
type Run = (String, u64);

/// A path that changed, with its content before and after.
struct Changed {
    path: RelPath,
    old: Option<Wanted>,
    new: Option<Wanted>,
}

/// A content that some run made.
#[derive(Clone, Copy)]
enum Wanted {
    /// A file of these bytes.
    File(Digest),
    /// A folder with this listing, if that is known.
    Folder(Option<Digest>),
}

impl Follower<'_> {
    fn cause(&mut self, run: RunEntry, earlier: Option<RunEntry>, depth: usize) -> Cause {
        self.told.insert((run.label.clone(), run.time));
        let changes = earlier
            .as_ref()
            .and_then(|earlier| self.changes(earlier, &run))
            .unwrap_or_default();
        let upstream = self.upstream(&run, &changes, depth);
        Cause {
            run,
            earlier,
            changes,
            upstream,
        }
    }

    fn changes(&self, old: &RunEntry, new: &RunEntry) -> Option<Vec<Change>> {
        let old = self.store.key_record(&old.key, &old.record)?;
        let new = self.store.key_record(&new.key, &new.record)?;
        Some(diff(&old, &new))
    }

    /// Finds the runs of other steps that made the changes.
    fn upstream(&mut self, run: &RunEntry, changes: &[Change], depth: usize) -> Vec<Upstream> {
        let mut found: Vec<(Upstream, Option<RunEntry>)> = Vec::new();
        for changed in changes.iter().flat_map(|change| self.paths(change)) {
            let Some(label) = (self.writers)(&changed.path).filter(|label| *label != run.label)
            else {
                continue;
            };
            let maker = self.maker(&label, &changed, run.time);
            let of = |maker: &Option<(RunEntry, _)>| maker.as_ref().map(|(run, _)| run.time);
            let same = found.iter_mut().find(|(upstream, _)| {
                let told = match &upstream.by {
                    Maker::Told(run) => Some(run.time),
                    _ => None,
                };
                upstream.label == label && told == of(&maker)
            });
            if let Some((same, _)) = same {
                same.paths.push(changed.path);
                continue;
            }
            let (by, earlier) = match maker {
                Some((run, earlier)) => (Maker::Told(Box::new(run)), earlier),
                None => (Maker::Unknown, None),
            };
            let paths = vec![changed.path];
            found.push((Upstream { paths, label, by }, earlier));
        }
        let told = found.into_iter();
        told.map(|(upstream, earlier)| self.tell(upstream, earlier, depth))
            .collect()
    }

    /// Follows a run further, unless it was followed already or the chain grows too long.
    fn tell(&mut self, upstream: Upstream, earlier: Option<RunEntry>, depth: usize) -> Upstream {
        let Upstream { paths, label, by } = upstream;
        let is_told = |run: &RunEntry| self.told.contains(&(run.label.clone(), run.time));
        let is_long = depth >= DEEPEST || self.told.len() >= MOST_RUNS;
        let by = match by {
            Maker::Told(run) if is_told(&run) => Maker::Told(run),
            Maker::Told(run) if is_long => Maker::Further(run),
            Maker::Told(run) => Maker::Run(Box::new(self.cause(*run, earlier, depth + 1))),
            by => by,
        };
        Upstream { paths, label, by }
    }

    /// Returns the paths that a change is about: of a folder that no step writes whole, the files
    /// in it that changed.
    fn paths(&self, change: &Change) -> Vec<Changed> {
        let Some(path) = path_of(change) else {
            return Vec::new();
        };
        let wanted = |value: &Option<Value>| wanted(change.kind, value.as_ref()?);
        let (old, new) = (wanted(&change.old), wanted(&change.new));
        let folders = [&old, &new]
            .into_iter()
            .all(|side| matches!(side, Some(Wanted::Folder(_))));
        if !folders || (self.writers)(&path).is_some() {
            return vec![Changed { path, old, new }];
        }
        let listing = |value: &Option<Value>| listing(self.store, change.kind, value.as_ref()?);
        let (Some(old), Some(new)) = (listing(&change.old), listing(&change.new)) else {
            return Vec::new();
        };
        changed_files(&path, &old, &new)
    }

    /// Finds the run of `label` before `time` with which the new content came, and the newest one
    /// before that which made the old one.
    fn maker(
        &self,
        label: &str,
        changed: &Changed,
        time: u64,
    ) -> Option<(RunEntry, Option<RunEntry>)> {
        let entries = self.store.entries_of(label, usize::MAX).ok()?;
        let before = entries
            .into_iter()
            .filter(|entry| entry.time < time && entry.result.is_some());
        let before: Vec<RunEntry> = before.take(LOOKED_THROUGH).collect();
        let made_new = |entry: &&RunEntry| self.made(entry, &changed.path, changed.new);
        let (newest, row) = match before.iter().position(|entry| made_new(&entry)) {
            // Later runs and uses that gave the same again changed nothing.
            Some(at) => (at, before[at..].iter().take_while(made_new).count()),
            None if self.made_more(before.first()?, changed) => (0, 1),
            None => return None,
        };
        let (run, older) = before.get(newest + row - 1..)?.split_first()?;
        let made_old = |entry: &&RunEntry| self.made(entry, &changed.path, changed.old);
        let compared = |entry: &&RunEntry| Some(entry.key) == run.compared_to;
        let earlier = changed.old.and_then(|_| older.iter().find(made_old));
        let earlier = earlier.or_else(|| older.iter().find(compared));
        Some((run.clone(), earlier.cloned()))
    }

    /// Says whether a run made a folder of which a reader, whose own rules leave files out, got
    /// the rest.
    fn made_more(&self, entry: &RunEntry, changed: &Changed) -> bool {
        let result = entry.result.and_then(|it| self.store.read_result(&it).ok());
        let made = result.and_then(|it| content_at(self.store, &it, &changed.path));
        let listing = |wanted| match wanted {
            Some(Wanted::Folder(Some(digest))) => self.store.listing(&TreeId::new(digest)).ok(),
            _ => None,
        };
        let (Some(made), Some(got)) = (listing(made), listing(changed.new)) else {
            return false;
        };
        let mut all = got.iter();
        all.all(|(path, entry)| made.get(path) == Some(entry))
    }

    /// Says whether a run made a content, as far as that is known.
    fn made(&self, entry: &RunEntry, path: &RelPath, wanted: Option<Wanted>) -> bool {
        let Some(result) = entry.result else {
            return false;
        };
        let Ok(result) = self.store.read_result(&result) else {
            return false;
        };
        let there = content_at(self.store, &result, path);
        match (wanted, there) {
            (Some(Wanted::File(digest)), Some(Wanted::File(made)))
            | (Some(Wanted::Folder(Some(digest))), Some(Wanted::Folder(Some(made)))) => {
                made == digest
            }
            (None, None) => true,
            _ => false,
        }
    }
}

/// Returns the path below the root that a component is about.
fn path_of(change: &Change) -> Option<RelPath> {
    use ComponentKind::{Code, Implied, Input, Tool};
    let ComponentName::Bytes(name) = &change.name else {
        return None;
    };
    match change.kind {
        Code | Implied | Input => RelPath::new(name.as_slice()).ok(),
        // A program is keyed by the word that names it; one without a slash is found elsewhere.
        Tool if name.contains(&b'/') && !name.starts_with(b"/") => {
            match Place::resolve(name, &RelPath::ROOT, std::path::Path::new("/")) {
                Place::Inside(path) if !name.starts_with(b"../") => Some(path),
                _ => None,
            }
        }
        _ => None,
    }
}

fn wanted(kind: ComponentKind, value: &Value) -> Option<Wanted> {
    if let (ComponentKind::Tool, Value::Bytes(bytes)) = (kind, value) {
        return Some(Wanted::File(Digest::try_from(bytes.as_slice()).ok()?));
    }
    match kind.content(value)?.resolved() {
        Content::File { blob, .. } => Some(Wanted::File(*blob.digest())),
        Content::Tree(tree) => Some(Wanted::Folder(Some(*tree.digest()))),
        Content::Link { .. } => None,
    }
}

fn listing(store: &LocalStore, kind: ComponentKind, value: &Value) -> Option<Tree> {
    match kind.content(value)?.resolved() {
        Content::Tree(tree) => store.listing(tree).ok(),
        _ => None,
    }
}

fn changed_files(folder: &RelPath, old: &Tree, new: &Tree) -> Vec<Changed> {
    let file = |entry: Option<&Entry>| match entry {
        Some(Entry::File { blob, .. }) => Some(Wanted::File(*blob.digest())),
        _ => None,
    };
    let paths: BTreeSet<_> = old.iter().chain(new.iter()).map(|(path, _)| path).collect();
    let differ = paths
        .into_iter()
        .filter(|path| old.get(path) != new.get(path));
    let changed = differ.map(|path| Changed {
        path: folder.join(path),
        old: file(old.get(path)),
        new: file(new.get(path)),
    });
    changed.take(FILES_ASKED).collect()
}

/// Returns the outputs of a result that lie below the root, by path.
fn outputs(result: &StoredResult) -> impl Iterator<Item = (RelPath, &OutputContent)> {
    result.outcome.outputs.iter().filter_map(|output| {
        let path = match &output.at {
            Some(path) => path.clone(),
            None => RelPath::new(output.name.as_slice()).ok()?,
        };
        Some((path, &output.content))
    })
}

/// Returns what a result has at a path.
fn content_at(store: &LocalStore, result: &StoredResult, path: &RelPath) -> Option<Wanted> {
    let found = outputs(result).find_map(|(at, content)| {
        let below = path.strip_prefix(&at)?;
        Some((below, content))
    });
    match found? {
        (below, OutputContent::File { blob, .. }) if below.is_root() => {
            Some(Wanted::File(*blob.digest()))
        }
        (below, OutputContent::Tree(tree)) if below.is_root() => {
            Some(Wanted::Folder(Some(*tree.digest())))
        }
        (below, OutputContent::Tree(tree)) => match store.listing(tree).ok()?.get(&below)? {
            Entry::File { blob, .. } => Some(Wanted::File(*blob.digest())),
            Entry::Dir => Some(Wanted::Folder(None)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
