//! Results: what keys' files, history and pins name, and whether all that they need is there.
//!
//! A flaw is noted once, where it lies, with the keys whose results it spoils: a damaged blob that
//! three results share is one flaw. A result that cannot be used is [`Broken`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::blobs::{State, States};
use super::book::Book;
use super::{Broken, Checked, Flaw, FlawKind, small};
use crate::digest::{BlobId, Key, TreeId};
use crate::exec;
use crate::store::{
    KeySays, LocalStore, OutputContent, StoredAs, StoredOutput, StoredResult, Unusable,
};
use crate::tree::{Entry, Escaped};

/// What results need, as far as it was looked at.
pub(super) struct Needs<'a> {
    store: &'a LocalStore,
    states: States<'a>,
    book: Book,
    listings: HashMap<TreeId, Listing>,
    labels: BTreeMap<Key, String>,
    /// Results that were looked at, so that history does not ask again.
    seen: HashSet<BlobId>,
    /// What has to be asked again once files of holes are read.
    pub(super) waiting: Vec<Waiting>,
    /// Results among it, so that no other that names one asks meanwhile.
    waits: HashSet<BlobId>,
    broken: Vec<Broken>,
    keys: usize,
    later: usize,
    /// Whether what is looked at is named by history only, which promises nothing.
    in_history: bool,
}

/// What a listing names: blobs with their lengths; `None` where it is no listing.
type Listing = Option<std::rc::Rc<Vec<(BlobId, u64)>>>;

/// What needs a file of holes.
pub(super) enum Waiting {
    Key(Key),
    Run(PathBuf),
    Result {
        key: Key,
        result: BlobId,
        stands: bool,
        in_history: bool,
    },
}

/// Whose result is looked at.
struct Of<'k> {
    key: &'k Key,
    blob: &'k BlobId,
    stands: bool,
    /// What it needs and what is not there, in words.
    missing: Vec<(BlobId, String)>,
    broken: bool,
    /// It needs a file of holes.
    waits: bool,
}

impl<'a> Needs<'a> {
    pub(super) fn new(store: &'a LocalStore, states: States<'a>, book: Book) -> Self {
        Self {
            store,
            states,
            book,
            listings: HashMap::new(),
            labels: BTreeMap::new(),
            seen: HashSet::new(),
            waiting: Vec::new(),
            waits: HashSet::new(),
            broken: Vec::new(),
            keys: 0,
            later: 0,
            in_history: false,
        }
    }

    pub(super) fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    /// Reads the files of holes that something needs, now that every length is known, and asks again
    /// on behalf of whatever waits for that.
    fn settle(&mut self) {
        while !self.waiting.is_empty() {
            self.states.settle(&mut self.book);
            self.waits.clear();
            for waiting in std::mem::take(&mut self.waiting) {
                match waiting {
                    Waiting::Key(key) => self.key_file(&key),
                    Waiting::Run(path) => self.run(&path),
                    Waiting::Result {
                        key,
                        result,
                        stands,
                        in_history,
                    } => {
                        self.in_history = in_history;
                        if stands {
                            self.read_result(&key, &result, stands);
                        } else {
                            self.result(&key, &result);
                        }
                        self.in_history = false;
                    }
                }
            }
        }
    }

    pub(super) fn found_broken(&mut self) -> bool {
        self.settle();
        !self.broken.is_empty()
    }

    /// Checks a key's file and all that its result needs.
    pub(super) fn key(&mut self, key: &Key) {
        self.keys += 1;
        self.key_file(key);
    }

    fn key_file(&mut self, key: &Key) {
        let path = self.store.key_path(key);
        let blob = match self.store.peek_key(key) {
            Ok(KeySays::Result(blob)) => blob,
            Ok(KeySays::Tombstone) => return,
            Err(unusable) => {
                self.later += usize::from(matches!(unusable, Unusable::Later));
                small::note(&unusable, &path, FlawKind::KeyFile, &mut self.book);
                self.book.spoil(&path, key);
                return;
            }
        };
        let stands = true;
        match self.states.state(&blob, None, &mut self.book) {
            State::Whole(_) => self.read_result(key, &blob, stands),
            State::Flawed(at, kind) => {
                let (key, result) = (*key, blob);
                self.spoiled(
                    &at,
                    kind,
                    Broken {
                        key,
                        result,
                        stands,
                    },
                );
            }
            State::Hollow(..) => self.waiting.push(Waiting::Key(*key)),
            // Somebody may have replaced the key's file while the blob went.
            State::Missing if !self.still_names(key, &blob) => {}
            State::Missing => {
                let reason = format!("it names the result {}, which is not there", blob.short());
                let kind = FlawKind::ResultMissing;
                self.book.spoiling(kind, &path, reason, key);
                self.broken(key, &blob, stands);
            }
        }
    }

    /// Checks an entry of history and the result that it names, if that is still there.
    pub(super) fn run(&mut self, path: &Path) {
        let entry = match self.store.peek_run(path) {
            Ok(entry) => entry,
            Err(unusable) => {
                self.later += usize::from(matches!(unusable, Unusable::Later));
                small::note(&unusable, path, FlawKind::SmallFile, &mut self.book);
                return;
            }
        };
        self.labels.entry(entry.key).or_insert(entry.label);
        match self.states.state(&entry.record, None, &mut self.book) {
            State::Flawed(at, _) => self.book.spoil(&at, &entry.key),
            State::Hollow(..) => self.waiting.push(Waiting::Run(path.to_owned())),
            State::Whole(_) | State::Missing => {}
        }
        if let Some(result) = entry.result {
            self.in_history = true;
            self.named_at(path, &entry.key, &result);
            self.in_history = false;
        }
    }

    /// Checks a pin and the result that it protects.
    pub(super) fn pin(&mut self, path: &Path, key: &Key) {
        match self.store.peek_pin(path, key) {
            Ok(Some(result)) => self.named_at(path, key, &result),
            Ok(None) => {}
            Err(unusable) => {
                self.later += usize::from(matches!(unusable, Unusable::Later));
                small::note(&unusable, path, FlawKind::SmallFile, &mut self.book);
            }
        }
    }

    /// A small file names a result. One that is gone was evicted, which is no flaw.
    fn named_at(&mut self, path: &Path, key: &Key, result: &BlobId) {
        if self.is_asked(result) {
            return;
        }
        let reason = match self.store.peek_result(result) {
            Ok(found) if found.key == *key => return self.result(key, result),
            Ok(found) => format!("it names the result of another key, {}", found.key.short()),
            Err(Unusable::Damaged(reason))
                if matches!(
                    self.states.state(result, None, &mut self.book),
                    State::Whole(_)
                ) =>
            {
                format!("what it names is no result: {reason}")
            }
            Err(_) => return self.result(key, result),
        };
        self.book.add(FlawKind::SmallFile, path, reason);
    }

    /// Checks a result that may not stand for its key.
    pub(super) fn result(&mut self, key: &Key, blob: &BlobId) {
        // One that lies in the trash was evicted, and nothing of it has to be there.
        if self.is_asked(blob) || !self.store.seems_present(blob, None) {
            return;
        }
        match self.states.state(blob, None, &mut self.book) {
            State::Whole(_) => self.read_result(key, blob, false),
            State::Flawed(at, kind) => {
                let (key, result, stands) = (*key, *blob, false);
                self.spoiled(
                    &at,
                    kind,
                    Broken {
                        key,
                        result,
                        stands,
                    },
                );
            }
            State::Hollow(..) => self.wait_for(key, blob, false),
            State::Missing => {}
        }
    }

    /// Says whether a result was looked at, or is to be once files of holes are read.
    fn is_asked(&self, result: &BlobId) -> bool {
        self.seen.contains(result) || self.waits.contains(result)
    }

    fn wait_for(&mut self, key: &Key, result: &BlobId, stands: bool) {
        self.waits.insert(*result);
        self.waiting.push(Waiting::Result {
            key: *key,
            result: *result,
            stands,
            in_history: self.in_history,
        });
    }

    fn broken(&mut self, key: &Key, result: &BlobId, stands: bool) {
        self.broken.push(Broken {
            key: *key,
            result: *result,
            stands,
        });
    }

    /// The blob of a result is flawed.
    fn spoiled(&mut self, at: &Path, kind: FlawKind, broken: Broken) {
        self.seen.insert(broken.result);
        self.book.spoil(at, &broken.key);
        if kind != FlawKind::Unreadable {
            self.broken.push(broken);
        }
    }

    fn still_names(&self, key: &Key, blob: &BlobId) -> bool {
        matches!(self.store.peek_key(key), Ok(KeySays::Result(now)) if now == *blob)
    }

    /// Reads a result whose bytes are right.
    fn read_result(&mut self, key: &Key, blob: &BlobId, stands: bool) {
        self.seen.insert(*blob);
        let at = if stands {
            self.store.key_path(key)
        } else {
            self.store.blob_path(blob)
        };
        let (kind, reason) = match self.store.peek_result(blob) {
            Ok(result) if result.key == *key => return self.needs_of(key, blob, stands, &result),
            Ok(result) => {
                let whose = result.key.short();
                let reason = format!("it names the result of another key, {whose}");
                (FlawKind::ForeignKey, reason)
            }
            Err(Unusable::Damaged(reason)) => {
                let reason = format!("it names {}, which is no result: {reason}", blob.short());
                (FlawKind::Result, reason)
            }
            Err(unusable) => {
                self.later += usize::from(matches!(unusable, Unusable::Later));
                return;
            }
        };
        self.book.spoiling(kind, &at, reason, key);
        self.broken(key, blob, stands);
    }

    /// Looks at all that a result needs.
    fn needs_of(&mut self, key: &Key, blob: &BlobId, stands: bool, result: &StoredResult) {
        let label = result.run.label.clone();
        self.labels.entry(*key).or_insert(label);
        let direct: Vec<_> = result.blobs().collect();
        self.states.look_at(&direct, &mut self.book);
        let mut of = Of {
            key,
            blob,
            stands,
            missing: Vec::new(),
            broken: false,
            waits: false,
        };
        let record = result.run.record;
        if self.need(&mut of, &record, None, || "the key record".to_owned())
            && let Err(Unusable::Damaged(reason)) = self.store.peek_record(key, &record)
        {
            self.wrong(&mut of, format!("its key record is none: {reason}"));
        }
        if let Some(log) = &result.run.log
            && self.need(&mut of, &log.blob, Some(log.size), || {
                "what the command printed".to_owned()
            })
        {
            self.log(&mut of, &log.blob);
        }
        for output in &result.outcome.outputs {
            if output.stored_as == StoredAs::Content {
                self.output(&mut of, output);
            }
        }
        self.close(&of);
    }

    fn log(&mut self, of: &mut Of<'_>, log: &BlobId) {
        if let Ok((file, _)) = self.store.peek_at_blob(log)
            && let Err(error @ exec::LogError::Malformed { .. }) =
                exec::replay(BufReader::new(file), |_, _| {})
        {
            self.wrong(of, format!("what the command printed: {error}"));
        }
    }

    fn output(&mut self, of: &mut Of<'_>, output: &StoredOutput) {
        let name = || format!("the output `{}`", Escaped(&output.name));
        match &output.content {
            OutputContent::File { blob, size, .. } => {
                self.need(of, blob, Some(*size), name);
            }
            OutputContent::Tree(tree) => {
                if self.need(of, &tree.listing(), None, || {
                    format!("the listing of {}", name())
                }) {
                    self.tree(of, tree, &name);
                }
            }
            OutputContent::Link(_) => {}
        }
    }

    fn tree(&mut self, of: &mut Of<'_>, tree: &TreeId, name: &dyn Fn() -> String) {
        let files = match self.listings.get(tree) {
            Some(known) => known.clone(),
            None => self.listing(tree),
        };
        let Some(files) = files else {
            let path = self.store.blob_path(&tree.listing());
            self.book.spoil(&path, of.key);
            of.broken = true;
            return;
        };
        for (blob, size) in &*files {
            self.need(of, blob, Some(*size), || format!("a file in {}", name()));
        }
    }

    /// Reads a listing whose bytes are right, and looks at what it names.
    fn listing(&mut self, tree: &TreeId) -> Listing {
        let read = match self.store.peek_listing(tree) {
            Ok(read) => {
                let files = read.iter().filter_map(|(_, entry)| match entry {
                    Entry::File { blob, size, .. } => Some((*blob, *size)),
                    Entry::Link(_) | Entry::LinkOut { .. } | Entry::Dir => None,
                });
                let files: Vec<_> = files.collect();
                let sized = files.iter().map(|(blob, size)| (*blob, Some(*size)));
                let sized: Vec<_> = sized.collect();
                self.states.look_at(&sized, &mut self.book);
                Some(std::rc::Rc::new(files))
            }
            Err(Unusable::Damaged(reason)) => {
                let path = self.store.blob_path(&tree.listing());
                self.book.add(FlawKind::Listing, &path, reason);
                None
            }
            Err(_) => Some(std::rc::Rc::default()),
        };
        self.listings.insert(*tree, read.clone());
        read
    }

    /// Looks at one blob that a result needs, and says whether it is whole.
    fn need(
        &mut self,
        of: &mut Of<'_>,
        blob: &BlobId,
        size: Option<u64>,
        what: impl FnOnce() -> String,
    ) -> bool {
        match self.states.state(blob, size, &mut self.book) {
            State::Whole(found) if size.is_none_or(|size| size == found) => return true,
            State::Whole(found) => {
                let size = size.unwrap_or_default();
                let reason = format!("{} has {found} bytes and it says {size}", what());
                self.wrong(of, reason);
            }
            State::Flawed(at, kind) => {
                self.book.spoil(&at, of.key);
                of.broken |= kind != FlawKind::Unreadable;
            }
            State::Hollow(..) => of.waits = true,
            State::Missing => of.missing.push((*blob, what())),
        }
        false
    }

    /// The result itself says what cannot be.
    fn wrong(&mut self, of: &mut Of<'_>, reason: String) {
        let path = self.store.blob_path(of.blob);
        self.book.spoiling(FlawKind::Result, &path, reason, of.key);
        of.broken = true;
    }

    /// Notes what is missing, unless the result was evicted meanwhile and needs nothing more. Of one
    /// that only history names, a collection that was killed may have left a part.
    fn close(&mut self, of: &Of<'_>) {
        if of.waits {
            self.seen.remove(of.blob);
            return self.wait_for(of.key, of.blob, of.stands);
        }
        let lost = !of.missing.is_empty() && !self.in_history && self.still_counts(of);
        if lost {
            for (blob, what) in &of.missing {
                let path = self.store.blob_path(blob);
                let reason = format!("it is not there: {what}");
                let kind = FlawKind::BlobMissing;
                self.book.spoiling(kind, &path, reason, of.key);
            }
        }
        if of.broken || lost {
            self.broken(of.key, of.blob, of.stands);
        }
    }

    fn still_counts(&self, of: &Of<'_>) -> bool {
        if of.stands {
            return self.still_names(of.key, of.blob);
        }
        self.store.seems_present(of.blob, None) && self.store.peek_result(of.blob).is_ok()
    }

    pub(super) fn finish(mut self) -> Checked {
        self.settle();
        self.states.tell_unread(&mut self.book);
        let flaws = self.book.into_flaws();
        let spoiled: HashSet<&Key> = flaws.iter().flat_map(|flaw: &Flaw| &flaw.spoils).collect();
        let mut labels = self.labels;
        labels.retain(|key, _| spoiled.contains(key));
        let (blobs, bytes) = self.states.read();
        Checked {
            keys: self.keys,
            results: self.seen.len(),
            blobs,
            bytes,
            later: self.later,
            flaws,
            labels,
            broken: self.broken,
            ..Checked::default()
        }
    }
}
