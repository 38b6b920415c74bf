//! Listing: one pass over the files of a store, each with its status.
//!
//! Owns which names the layout has; names that it does not have are passed over, because they name
//! nothing. Reads and changes nothing: unlike a look-up it leaves what is damaged where it is.
//! Everything is reached through handles of open directories, so no link is followed and no other
//! file system entered. Costs one `readdir` and one `statx` a file, and three calls more where the
//! file is read, which those of keys and of history are that no earlier listing read as they are.
//! Two threads go through the directories; what is kept of each file is the caller's.
//!
//! Invariant: what may name a blob and could not be read is among [`Walk::problems`], so that
//! nobody takes what it names for garbage.

use rustix::io::Errno;

use super::blobs::HASHED_FIRST;
use super::format::{KeyFile, Tombstone};
use super::history::{self, RunEntry};
use super::local::LocalStore;
use super::recalled::{Recalled, RunSays};
use super::results::KEY_FILE_LIMIT;
use super::run_index::RunName;
use super::sharing_out::share_out;
use crate::digest::encoding::Decoder;
use crate::digest::{BlobId, Digest, Key};
use crate::fs::{
    Dir, Facts, FileKind, IfPresent as _, Meter, PathError, Threads, hash_open, is_hollow,
    read_limited,
};
use crate::tree::{Escaped, RelPath};

/// Larger blobs are no results, records or listings.
const VALUE_LIMIT: u64 = 1 << 30;

/// From so many shards on, two threads go through them.
const MANY: usize = 64;

/// So many entries of history are read by one thread before it takes more.
const PIECE: usize = 64;

/// Digits of the random end of a name.
const RANDOM: usize = 32;

/// What a key's file says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The blob of its result.
    Result(BlobId),
    /// The key is invalidated.
    Tombstone(Tombstone),
    /// It is whole and of a kind that this version does not know.
    Unknown(String),
    /// It is no key's file: a look-up puts it aside.
    Damaged(String),
    /// It cannot be read at present; it may be whole.
    Unreadable(String),
}

/// What an entry of history says, or why it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState<'a> {
    /// What it names.
    Entry(RunSays<'a>),
    /// It is whole and of a later format.
    Unknown,
    /// It is no entry, and everybody passes it over.
    Damaged(String),
    /// It cannot be read at present; it may be whole.
    Unreadable(String),
}

/// What was found under a blob's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The bytes that its name promises.
    Whole(Vec<u8>),
    /// Nothing.
    Absent,
    /// Other bytes, twice, or no file: whoever needs the blob does without it.
    Damaged,
    /// It cannot be read at present; it may be whole.
    Unreadable(String),
}

/// A file, or a tree with all that is in it, which no name of a result or a blob leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path below the version's directory.
    pub path: String,
    /// Its own status.
    pub facts: Facts,
    /// The bytes of disk that it takes, all together.
    pub disk: u64,
}

/// A pass over a store.
#[derive(Debug)]
pub struct Walk {
    root: Dir,
    /// The version's directory.
    top: Dir,
    device: u64,
    noted: Noted,
}

/// What is noted on the way.
#[derive(Debug, Default)]
struct Noted {
    /// The bytes of disk that directories take.
    directories: u64,
    problems: Vec<String>,
}

impl LocalStore {
    /// Begins a pass over the store's files; `None` where there is no store yet.
    pub fn walk(&self) -> Result<Option<Walk>, PathError> {
        let Some(root) = Dir::open(self.dir()).if_present()? else {
            return Ok(None);
        };
        let Some(top) = root.dir(&relative("v1")).if_present()? else {
            return Ok(None);
        };
        let facts = top.own_facts()?;
        let noted = Noted {
            directories: root.own_facts()?.disk + facts.disk,
            problems: Vec::new(),
        };
        Ok(Some(Walk {
            device: facts.signature.device,
            root,
            top,
            noted,
        }))
    }
}

impl Walk {
    /// Goes through all blobs, and returns what is made of each, in the order of their names;
    /// nothing is verified.
    pub fn blobs<T: Send>(&mut self, make: impl Fn(BlobId, Facts) -> T + Sync) -> Vec<T> {
        self.sharded("blobs", |_, name, facts| {
            let is_file = facts.signature.kind() == FileKind::File;
            is_file.then(|| make(BlobId::new(name), facts))
        })
    }

    /// Goes through the files of all keys, reads those that are not known, and returns what is
    /// made of them, in the order of the keys.
    pub fn keys<T: Send>(
        &mut self,
        recalled: &Recalled,
        make: impl Fn(Key, Facts, KeyState) -> T + Sync,
    ) -> Vec<T> {
        self.sharded("keys", |shard, name, facts| {
            let key = Key::new(name);
            if let Some(result) = recalled.key(&key, &facts.signature) {
                return Some(make(key, facts, KeyState::Result(result)));
            }
            let state = key_state(shard, &name, &facts)?;
            if let KeyState::Result(result) = &state {
                recalled.learn_key(&key, &facts.signature, result);
            }
            Some(make(key, facts, state))
        })
    }

    /// Does the same for what is remembered of invalidations.
    pub fn tombstones<T: Send>(
        &mut self,
        make: impl Fn(Key, Facts, KeyState) -> T + Sync,
    ) -> Vec<T> {
        self.sharded("tombstones", |shard, name, facts| {
            let state = key_state(shard, &name, &facts)?;
            Some(make(Key::new(name), facts, state))
        })
    }

    /// Goes through the files of history, reads those that are not known, and returns what is made
    /// of them: two lists one after the other, each in the order of the names.
    pub fn runs<T: Send>(
        &mut self,
        recalled: &Recalled,
        make: impl Fn(RunName, Facts, RunState<'_>) -> T + Sync,
    ) -> Vec<T> {
        let Some(dir) = self.dir("runs") else {
            return Vec::new();
        };
        let mut names = Vec::new();
        let listed = dir.each_name(|name| names.extend(RunName::parse(name)));
        if let Err(error) = listed {
            self.problem(&error);
        }
        // In order of time, as what is known of them is, and as they were written.
        in_order(&mut names);
        let parts = share_out(names.len(), PIECE, |numbers| {
            let (mut found, mut noted) = (Vec::new(), Noted::default());
            let mut place = 0;
            for name in numbers.map(|at| names[at]) {
                if let Some(known) = recalled.run(&name, &mut place)
                    && let Ok(facts) = dir.facts_here(&name.bytes())
                    && let Some(says) = known.with(&facts.signature)
                {
                    found.push(make(name, facts, RunState::Entry(says)));
                    continue;
                }
                match run_file(&dir, &name.to_string()) {
                    Ok(Some((facts, file))) => {
                        let state = RunState::of(&file);
                        if let RunState::Entry(says) = &state {
                            recalled.learn_run(&name, &facts.signature, says);
                        }
                        found.push(make(name, facts, state));
                    }
                    Ok(None) => {}
                    Err(error) => noted.problem(&error),
                }
            }
            (found, noted)
        });
        self.together(parts)
    }

    /// Reads what history calls the step of one of its entries.
    pub fn label_of(&self, name: &RunName) -> Option<String> {
        let dir = self.top.dir(&relative("runs")).ok()?;
        match run_file(&dir, &name.to_string()).ok()??.1 {
            RunFile::Decoded(entry) => Some(entry.label),
            RunFile::Other(_) => None,
        }
    }

    /// Goes through the files that never got their name, or not yet.
    pub fn staged(&mut self, visit: impl FnMut(ListedFile)) {
        self.flat("tmp", visit, |name, kind| {
            kind == FileKind::File && is_hex(name, RANDOM)
        });
    }

    /// Goes through the leases, whether they are held or not.
    pub fn leases(&mut self, visit: impl FnMut(ListedFile)) {
        self.flat("leases", visit, |name, kind| {
            let digits = name.strip_prefix("o-").unwrap_or(name);
            kind == FileKind::File && is_hex(digits, 64)
        });
    }

    /// Goes through the restored trees for callers that wanted a path.
    pub fn views(&mut self, visit: impl FnMut(ListedFile)) {
        self.flat("views", visit, |_, _| true);
    }

    /// Goes through the trash: discarded blobs, evicted keys' files, and what was put aside.
    pub fn trash(&mut self, mut visit: impl FnMut(ListedFile)) {
        self.flat("trash", &mut visit, |name, _| {
            let parts = name.rsplit_once('-');
            parts.is_some_and(|(_, random)| is_hex(random, RANDOM))
        });
        // What cannot be listed of it names nothing, so it is no problem.
        let before = self.noted.problems.len();
        for below in ["trash/blobs", "trash/keys"] {
            let found = self.sharded(below, |_, name, facts| {
                let (is_file, name) = (facts.signature.kind() == FileKind::File, name.hex());
                is_file.then(|| ListedFile {
                    path: format!("{below}/{}/{name}", &name[..2]),
                    facts,
                    disk: facts.disk,
                })
            });
            found.into_iter().for_each(&mut visit);
        }
        self.noted.problems.truncate(before);
    }

    /// Returns the bytes of disk that pins, the store's description and the like take.
    pub fn small_files(&mut self) -> u64 {
        let mut disk = 0;
        let before = self.noted.problems.len();
        if let Some(pins) = self.dir("pins") {
            self.each(&pins, |name, facts| {
                let is_pin = std::str::from_utf8(name).is_ok_and(|name| is_hex(name, 64));
                disk += if is_pin { facts.disk } else { 0 };
            });
        }
        self.noted.problems.truncate(before);
        let known = [
            (&self.root, "CACHEDIR.TAG"),
            (&self.root, "store.json"),
            (&self.top, "generation"),
            (&self.top, "collected"),
        ];
        for (dir, name) in known {
            let facts = Facts::of_link(&dir.path().join(name));
            disk += facts.map_or(0, |facts| facts.disk);
        }
        disk
    }

    /// Returns the bytes of disk that the directories take which were gone through so far.
    pub fn directories(&self) -> u64 {
        self.noted.directories
    }

    /// Reads the blob of a result, a record or a listing and compares it with its name, twice if
    /// that is needed: on a network file system a replaced file can look cut (hazard B5).
    pub fn read(&self, blob: &BlobId) -> Found {
        self.read_in("blobs", blob)
    }

    /// The same for a blob in the trash, from where whoever needs it takes it back.
    pub fn read_discarded(&self, blob: &BlobId) -> Found {
        self.read_in("trash/blobs", blob)
    }

    /// Returns in words what could not be looked at although it may name something.
    pub fn problems(self) -> Vec<String> {
        self.noted.problems
    }

    fn read_in(&self, place: &str, blob: &BlobId) -> Found {
        let hex = blob.hex();
        let path = relative(&format!("{place}/{}/{hex}", &hex[..2]));
        for _ in 0..2 {
            if is_large_and_wrong(&self.top, &path, blob) {
                continue;
            }
            match read_file(&self.top, &path, VALUE_LIMIT) {
                Ok(Some(bytes)) if BlobId::of(&bytes) == *blob => return Found::Whole(bytes),
                Ok(Some(_)) => {}
                Ok(None) => return Found::Absent,
                Err(Flaw::NotAFile) => return Found::Damaged,
                Err(Flaw::TooLarge(reason) | Flaw::Unreadable(reason)) => {
                    return Found::Unreadable(reason);
                }
            }
        }
        Found::Damaged
    }

    /// Opens the directory of the blobs whose names begin with this byte.
    pub(super) fn shard_of_blobs(&self, shard: u8) -> Option<Dir> {
        self.top.dir(&relative(&format!("blobs/{shard:02x}"))).ok()
    }

    /// Opens a directory of the store, which need not be there.
    fn dir(&mut self, below: &str) -> Option<Dir> {
        self.noted.open(&self.top, below, self.device)
    }

    fn problem(&mut self, error: &PathError) {
        self.noted.problem(error);
    }

    fn each(&mut self, dir: &Dir, visit: impl FnMut(&[u8], Facts)) {
        self.noted.each(dir, visit);
    }

    /// Goes through what lies in the shards of a directory under a name that belongs there, and
    /// returns what is made of it, in the order of the names: each shard is brought into order by
    /// the thread that lists it.
    fn sharded<T: Send>(
        &mut self,
        below: &str,
        make: impl Fn(&Dir, Digest, Facts) -> Option<T> + Sync,
    ) -> Vec<T> {
        let Some(dir) = self.dir(below) else {
            return Vec::new();
        };
        let mut shards = Vec::new();
        let listed = dir.each_name(|name| {
            let name = std::str::from_utf8(name).unwrap_or_default();
            if is_hex(name, 2) {
                shards.push(name.to_owned());
            }
        });
        if let Err(error) = listed {
            self.problem(&error);
        }
        in_order(&mut shards);
        let device = self.device;
        // A small store is gone through sooner than a thread starts.
        let piece = if shards.len() < MANY { MANY } else { 1 };
        let parts = share_out(shards.len(), piece, |numbers| {
            let (mut parts, mut noted, mut names) = (Vec::new(), Noted::default(), Vec::new());
            for at in numbers {
                let Some(opened) = noted.open(&dir, &shards[at], device) else {
                    continue;
                };
                noted.names(&opened, shards[at].as_bytes(), &mut names);
                let mut found = Vec::with_capacity(names.len());
                for name in &names {
                    match opened.facts_here(&name.digits()) {
                        Ok(facts) => found.extend(make(&opened, *name, facts)),
                        Err(error) if error.is_absent() => {}
                        Err(error) => {
                            noted.problem(&error);
                            break;
                        }
                    }
                }
                parts.push((at, found));
            }
            (parts, noted)
        });
        let mut parts = self.together(parts);
        parts.sort_unstable_by_key(|(at, _)| *at);
        let mut all = Vec::with_capacity(parts.iter().map(|(_, found)| found.len()).sum());
        for (_, mut found) in parts {
            all.append(&mut found);
        }
        all
    }

    /// Joins what threads made, and what they noted.
    fn together<T>(&mut self, parts: Vec<(Vec<T>, Noted)>) -> Vec<T> {
        let mut all = Vec::new();
        for (mut made, noted) in parts {
            self.noted.directories += noted.directories;
            self.noted.problems.extend(noted.problems);
            if all.is_empty() {
                all = made;
            } else {
                all.append(&mut made);
            }
        }
        all
    }

    /// Goes through what lies in a directory of things that name nothing. What cannot be looked
    /// at is left out: it can be deleted no more than listed.
    fn flat(
        &mut self,
        below: &str,
        mut visit: impl FnMut(ListedFile),
        belongs: impl Fn(&str, FileKind) -> bool,
    ) {
        let before = self.noted.problems.len();
        let device = self.device;
        if let Some(dir) = self.dir(below) {
            self.each(&dir, |name, facts| {
                let kind = facts.signature.kind();
                let Some(name) = std::str::from_utf8(name)
                    .ok()
                    .filter(|it| belongs(it, kind))
                else {
                    return;
                };
                let within = match kind {
                    FileKind::Dir => disk_below(&dir, &relative(name), device),
                    FileKind::File | FileKind::Link | FileKind::Special => 0,
                };
                if facts.signature.device == device {
                    visit(ListedFile {
                        path: format!("{below}/{name}"),
                        facts,
                        disk: facts.disk + within,
                    });
                }
            });
        }
        self.noted.problems.truncate(before);
    }
}

impl Noted {
    /// Opens a directory of the store, which need not be there.
    fn open(&mut self, above: &Dir, below: &str, device: u64) -> Option<Dir> {
        let opened = above.dir(&relative(below));
        let found = opened.and_then(|dir| dir.own_facts().map(|facts| (dir, facts)));
        match found {
            Ok((dir, facts)) if facts.signature.device == device => {
                self.directories += facts.disk;
                Some(dir)
            }
            Ok((dir, _)) => {
                let path = Escaped::path(dir.path());
                self.problems
                    .push(format!("`{path}` lies on another file system"));
                None
            }
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                self.problem(&error);
                None
            }
        }
    }

    fn problem(&mut self, error: &PathError) {
        self.problems.push(format!("{error}: {}", error.source));
    }

    fn each(&mut self, dir: &Dir, visit: impl FnMut(&[u8], Facts)) {
        if let Err(error) = dir.each_facts(visit) {
            self.problem(&error);
        }
    }

    /// Lists the names in a shard that are digests and begin as it is called, in ascending order.
    fn names(&mut self, shard: &Dir, begin: &[u8], names: &mut Vec<Digest>) {
        names.clear();
        let listed = shard.each_name(|name| {
            if name.len() == 64 && name.starts_with(begin) {
                let name = std::str::from_utf8(name).ok();
                names.extend(name.and_then(|name| name.parse::<Digest>().ok()));
            }
        });
        if let Err(error) = listed {
            self.problem(&error);
        }
        in_order(names);
    }
}

/// Brings listed names into order, each once: one may come twice in a listing that goes on while
/// names change. Whoever joins lists by their order counts on that: of a blob that is in one twice,
/// the second would be named by nothing.
fn in_order<T: Ord>(names: &mut Vec<T>) {
    names.sort_unstable();
    names.dedup();
}

/// Returns the bytes of disk of what lies in a directory at any depth, as far as it can be seen.
fn disk_below(dir: &Dir, name: &RelPath, device: u64) -> u64 {
    let mut disk = 0;
    let mut pending = vec![name.clone()];
    while let Some(path) = pending.pop() {
        let Ok(opened) = dir.dir(&path) else { continue };
        // What was counted before an error stands: the sum is for people and for budgets.
        let _ = opened.each_facts(|name, facts| {
            if facts.signature.device != device {
                return;
            }
            disk += facts.disk;
            if facts.signature.kind() == FileKind::Dir
                && let Ok(below) = path.child(name)
            {
                pending.push(below);
            }
        });
    }
    disk
}

/// Why a file that has a name of the store gives no bytes.
enum Flaw {
    NotAFile,
    TooLarge(String),
    Unreadable(String),
}

/// Reads a small file below an open directory; `None` where nothing is.
fn read_file(dir: &Dir, path: &RelPath, limit: u64) -> Result<Option<Vec<u8>>, Flaw> {
    let unreadable = |error: &PathError| Flaw::Unreadable(format!("{error}: {}", error.source));
    let (file, signature) = match dir.open_file(path) {
        Ok(opened) => opened,
        Err(error) => {
            let is_link = Errno::from_io_error(&error.source) == Some(Errno::LOOP);
            // A directory or a FIFO opens and is refused after that.
            let is_other = error.operation == "open as a regular file";
            return match error.is_absent() {
                true => Ok(None),
                false if is_link || is_other => Err(Flaw::NotAFile),
                false => Err(unreadable(&error)),
            };
        }
    };
    let path = dir.path_of(path);
    match read_limited((&file, &path), signature.size, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) if error.source.kind() == std::io::ErrorKind::FileTooLarge => {
            Err(Flaw::TooLarge(error.source.to_string()))
        }
        Err(error) => Err(unreadable(&error)),
    }
}

/// Hashes a large file before it is taken into memory: it may be one of holes (hazard G5). One that
/// is too large for any value, and all holes, is wrong without that.
fn is_large_and_wrong(dir: &Dir, path: &RelPath, blob: &BlobId) -> bool {
    let Ok((file, signature)) = dir.open_file(path) else {
        return false;
    };
    if signature.size < HASHED_FIRST {
        return false;
    }
    let path = dir.path_of(path);
    if signature.size >= VALUE_LIMIT {
        return Facts::of_open(&file, &path).is_ok_and(|facts| is_hollow(&file, &facts));
    }
    let hashed = hash_open(&file, &path, signature.size, Threads::Many, &Meter::new());
    hashed.is_ok_and(|digest| digest != *blob.digest())
}

/// Reads a key's file that was listed; one that seems damaged once more, and with care. `None` if
/// it is gone by now.
fn key_state(shard: &Dir, name: &Digest, listed: &Facts) -> Option<KeyState> {
    let size = listed.signature.size;
    if listed.signature.kind() == FileKind::File
        && size <= KEY_FILE_LIMIT
        && let Some(bytes) = shard.read_listed(&name.digits(), size)
        && let Ok(file) = KeyFile::decode(&bytes)
    {
        return Some(file.into());
    }
    let mut damage = String::new();
    for _ in 0..2 {
        match read_file(shard, &relative(&name.hex()), KEY_FILE_LIMIT) {
            Ok(None) => return None,
            Ok(Some(bytes)) => match KeyFile::decode(&bytes) {
                Ok(file) => return Some(file.into()),
                Err(error) => damage = error.to_string(),
            },
            Err(Flaw::NotAFile) => "not a regular file".clone_into(&mut damage),
            Err(Flaw::TooLarge(reason)) => damage = reason,
            Err(Flaw::Unreadable(reason)) => return Some(KeyState::Unreadable(reason)),
        }
    }
    Some(KeyState::Damaged(damage))
}

impl From<KeyFile> for KeyState {
    fn from(file: KeyFile) -> Self {
        match file {
            KeyFile::Result(blob) => Self::Result(blob),
            KeyFile::Tombstone(tombstone) => Self::Tombstone(tombstone),
            KeyFile::Unknown(what) => Self::Unknown(what),
        }
    }
}

/// What reading an entry of history came to.
enum RunFile {
    Decoded(Box<RunEntry>),
    Other(RunState<'static>),
}

/// Reads an entry of history; `None` if it is gone by now, or never was a file.
fn run_file(dir: &Dir, name: &str) -> Result<Option<(Facts, RunFile)>, PathError> {
    if let Some((bytes, facts)) = dir.read_looked_at(name.as_bytes(), history::LIMIT) {
        return Ok(Some((facts, RunFile::of(&bytes))));
    }
    let name = relative(name);
    let facts = dir.facts_if_any(&name)?;
    let Some(facts) = facts.filter(|it| it.signature.kind() == FileKind::File) else {
        return Ok(None);
    };
    let file = match read_file(dir, &name, history::LIMIT) {
        Ok(None) => return Ok(None),
        Ok(Some(bytes)) => RunFile::of(&bytes),
        Err(Flaw::NotAFile) => RunFile::damaged("not a regular file".to_owned()),
        Err(Flaw::TooLarge(reason)) => RunFile::damaged(reason),
        Err(Flaw::Unreadable(reason)) => RunFile::Other(RunState::Unreadable(reason)),
    };
    Ok(Some((facts, file)))
}

impl RunFile {
    fn of(bytes: &[u8]) -> Self {
        match RunEntry::decode(bytes) {
            Ok(entry) => Self::Decoded(Box::new(entry)),
            Err(_) if is_of_later_format(bytes) => Self::Other(RunState::Unknown),
            Err(error) => Self::damaged(error.to_string()),
        }
    }

    fn damaged(reason: String) -> Self {
        Self::Other(RunState::Damaged(reason))
    }
}

impl<'a> RunState<'a> {
    fn of(file: &'a RunFile) -> Self {
        match file {
            RunFile::Decoded(entry) => Self::Entry(RunSays {
                key: entry.key,
                record: entry.record,
                result: entry.result,
                label: &entry.label,
            }),
            RunFile::Other(state) => state.clone(),
        }
    }
}

/// Says whether bytes are whole and begin as an entry of a later format.
fn is_of_later_format(bytes: &[u8]) -> bool {
    let mut decoder = Decoder::new(bytes);
    let mut read = || {
        let len = decoder.array().ok()?;
        let format = decoder.uint().ok()?;
        (1..len).try_for_each(|_| decoder.value().ok().map(drop))?;
        (format > history::FORMAT).then_some(())
    };
    read().is_some() && decoder.is_empty()
}

/// A path of the store's own names.
fn relative(path: &str) -> RelPath {
    RelPath::new(path).expect("names of the store do not climb")
}

fn is_hex(text: &str, len: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == len && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_listed_twice_is_gone_through_once() {
        let mut shards = ["b1", "0a", "b1", "ff", "0a"].map(str::to_owned).to_vec();
        in_order(&mut shards);
        assert_eq!(shards, ["0a", "b1", "ff"]);
    }
}
