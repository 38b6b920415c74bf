//! History: one small file per run, never changed.
//!
//! A file's name holds the time and a hash of the label, so that the newest runs of one step are
//! found without opening those of the others. A damaged entry is skipped: history explains, it
//! decides nothing.

use super::error::StoreError;
use super::format::optional;
use super::layout::{FILE_MODE, list_or_empty};
use super::local::LocalStore;
use super::run_index::{LabelHash, RunIndex, RunName};
use crate::action::Trigger;
use crate::digest::encoding::{DecodeError, Decoder, Encoder};
use crate::digest::{BlobId, Digest, Key};
use crate::fs::{self, FileKind, PathError, Published, Staged};

pub(super) const FORMAT: u64 = 1;

/// Longer entries are neither written nor read.
pub(super) const LIMIT: u64 = 1 << 20;

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// The command ran and its result counts.
    Ran,
    /// A stored result was used.
    Hit,
    /// The command failed.
    Failed,
    /// The command ran although a result was stored.
    Refreshed,
    /// The command ran and its result could not be stored.
    Uncacheable,
}

impl RunOutcome {
    const ALL: [Self; 5] = [
        Self::Ran,
        Self::Hit,
        Self::Failed,
        Self::Refreshed,
        Self::Uncacheable,
    ];

    /// Returns the word that messages and JSON use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Hit => "hit",
            Self::Failed => "failed",
            Self::Refreshed => "refreshed",
            Self::Uncacheable => "uncacheable",
        }
    }
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// When it ended, in nanoseconds since 1970.
    pub time: u64,
    /// What history calls the step.
    pub label: String,
    /// The key.
    pub key: Key,
    /// The blob of the encoded key record.
    pub record: BlobId,
    /// The blob of the result that was stored or used.
    pub result: Option<BlobId>,
    /// What became of it.
    pub outcome: RunOutcome,
    /// Why the command ran.
    pub triggers: Vec<Trigger>,
    /// What the look-up found, in words: empty where components alone are the reason.
    pub reason: String,
    /// Titles of the components that changed against `compared_to`.
    pub changed: Vec<String>,
    /// The earlier key that this one was compared with.
    pub compared_to: Option<Key>,
    /// The exit code of the command, unless a signal ended it.
    pub exit_code: Option<u8>,
    /// The signal that ended the command.
    pub signal: Option<u8>,
    /// How long the command ran, or the hit took, in nanoseconds.
    pub duration: u64,
    /// How much longer the run took that the hit saved, in nanoseconds.
    pub saved: u64,
    /// The name of the root's directory: not its path, which is nobody else's business.
    pub root: String,
    /// The name of the host.
    pub host: String,
}

impl RunEntry {
    /// Returns the canonical encoding: an array of the fields in their order.
    pub fn encode(&self) -> Vec<u8> {
        let Self {
            time,
            label,
            key,
            record,
            result,
            outcome,
            triggers,
            reason,
            changed,
            compared_to,
            exit_code,
            signal,
            duration,
            saved,
            root,
            host,
        } = self;
        let mut encoder = Encoder::new();
        let e = encoder.array(17).uint(FORMAT).uint(*time).text(label);
        e.bytes(key.digest().as_bytes());
        e.bytes(record.digest().as_bytes());
        optional_digest(e, result.as_ref().map(BlobId::digest));
        e.text(outcome.word()).array(triggers.len());
        for trigger in triggers {
            e.text(trigger.word());
        }
        e.text(reason).array(changed.len());
        for title in changed {
            e.text(title);
        }
        optional_digest(e, compared_to.as_ref().map(Key::digest));
        for small in [exit_code, signal] {
            match small {
                Some(small) => e.uint(u64::from(*small)),
                None => e.null(),
            };
        }
        e.uint(*duration).uint(*saved).text(root).text(host);
        encoder.finish()
    }

    /// Decodes an entry.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let d = &mut decoder;
        d.array_of(17)?;
        if d.uint()? != FORMAT {
            return d.fail("history entry of an unknown format");
        }
        let entry = Self {
            time: d.uint()?,
            label: d.text()?.to_owned(),
            key: Key::new(d.digest()?),
            record: BlobId::new(d.digest()?),
            result: optional(d, Decoder::digest)?.map(BlobId::new),
            outcome: word(d, |word| {
                RunOutcome::ALL.into_iter().find(|o| o.word() == word)
            })?,
            triggers: list(d, |d| word(d, Trigger::from_word))?,
            reason: d.text()?.to_owned(),
            changed: list(d, |d| Ok(d.text()?.to_owned()))?,
            compared_to: optional(d, Decoder::digest)?.map(Key::new),
            exit_code: optional(d, small)?,
            signal: optional(d, small)?,
            duration: d.uint()?,
            saved: d.uint()?,
            root: d.text()?.to_owned(),
            host: d.text()?.to_owned(),
        };
        decoder.finish()?;
        Ok(entry)
    }
}

fn optional_digest(encoder: &mut Encoder, digest: Option<&Digest>) {
    match digest {
        Some(digest) => encoder.bytes(digest.as_bytes()),
        None => encoder.null(),
    };
}

fn list<'a, T>(
    decoder: &mut Decoder<'a>,
    mut item: impl FnMut(&mut Decoder<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    (0..decoder.array()?).map(|_| item(decoder)).collect()
}

fn word<T>(
    decoder: &mut Decoder<'_>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DecodeError> {
    let text = decoder.text()?;
    parse(text).map_or_else(|| decoder.fail("unknown word"), Ok)
}

fn small(decoder: &mut Decoder<'_>) -> Result<u8, DecodeError> {
    u8::try_from(decoder.uint()?).or_else(|_| decoder.fail("number above 255"))
}

pub(super) fn label_hash(label: &str) -> LabelHash {
    let [a, b, c, d, ..] = *Digest::of(label.as_bytes()).as_bytes();
    LabelHash(u32::from_be_bytes([a, b, c, d]))
}

impl LocalStore {
    /// Appends one entry. The name is random beside time and label, so no two writers meet.
    pub fn append(&self, entry: &RunEntry) -> Result<(), StoreError> {
        let bytes = entry.encode();
        if bytes.len() as u64 > LIMIT {
            let (what, limit) = ("the history entry", LIMIT);
            return Err(StoreError::TooLarge { what, limit });
        }
        let mut staged = self.stage_entry(&bytes)?;
        loop {
            let name = RunName {
                time: entry.time,
                label: label_hash(&entry.label),
                random: u64::from_be_bytes(fs::random_bytes()),
            };
            let path = self.layout.dir("runs").join(name.to_string());
            let published = self.layout.publish_new(&mut staged, &path);
            if published.map_err(|error| self.write_failed(error))? == Published::New {
                self.added.count(bytes.len() as u64);
                if let Some(index) = &mut *self.runs.lock().expect("no holder panics") {
                    index.add(name);
                }
                return Ok(());
            }
        }
    }

    /// Stages an entry, in the file of a lease that has made way for it if there is one.
    fn stage_entry(&self, bytes: &[u8]) -> Result<Staged, StoreError> {
        self.prepare_write()?;
        if let Some((file, length)) = self.heart.give_away() {
            let mode = self.layout.file_mode(FILE_MODE);
            // One that cannot be filled is gone, and the error comes again if it is the disk's.
            if let Ok(staged) = Staged::refill(file, (length, mode), bytes) {
                return Ok(staged);
            }
        }
        self.stage_bytes(bytes, FILE_MODE)
    }

    /// Returns the newest `count` entries, the newest first.
    pub fn entries(&self, count: usize) -> Result<Vec<RunEntry>, PathError> {
        self.newest(count, |_| true)
    }

    /// Returns the newest `count` entries of one label, the newest first; those of other labels
    /// are not opened. What other processes append is seen after a while.
    pub fn entries_of(&self, label: &str, count: usize) -> Result<Vec<RunEntry>, PathError> {
        let names = self.names_of(label_hash(label))?;
        Ok(self.read_entries(names, count, |entry| entry.label == label))
    }

    /// Returns the newest `count` entries of one key, the newest first. Every entry is opened
    /// until they are found.
    pub fn entries_of_key(&self, key: &Key, count: usize) -> Result<Vec<RunEntry>, PathError> {
        self.newest(count, |entry| entry.key == *key)
    }

    fn newest(
        &self,
        count: usize,
        matches: impl Fn(&RunEntry) -> bool,
    ) -> Result<Vec<RunEntry>, PathError> {
        let mut names = self.list_runs()?;
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(self.read_entries(names, count, matches))
    }

    fn read_entries(
        &self,
        names: Vec<RunName>,
        count: usize,
        matches: impl Fn(&RunEntry) -> bool,
    ) -> Vec<RunEntry> {
        let dir = self.layout.dir("runs");
        let read = |name: RunName| {
            let path = dir.join(name.to_string());
            let (file, facts) = fs::open_with_facts(&path).ok()?;
            // What a stranger says was run explains nothing (hazard U2).
            let trusted = self.trusts(facts.owner);
            let bytes = fs::read_limited((&file, &path), facts.signature.size, LIMIT).ok()?;
            RunEntry::decode(&bytes).ok().filter(|_| trusted)
        };
        let found = names.into_iter().filter_map(read).filter(|e| matches(e));
        found.take(count).collect()
    }

    /// Returns the names of a label's entries, the newest first, by the index if it may answer.
    fn names_of(&self, label: LabelHash) -> Result<Vec<RunName>, PathError> {
        let mut runs = self.runs.lock().expect("no holder panics");
        if let Some(names) = runs.as_mut().and_then(|index| index.look(label)) {
            return Ok(names);
        }
        let index = runs.insert(RunIndex::new(self.list_runs()?));
        Ok(index.look(label).unwrap_or_default())
    }

    fn list_runs(&self) -> Result<Vec<RunName>, PathError> {
        let listed = list_or_empty(&self.layout.dir("runs"))?.into_iter();
        let files = listed.filter(|(_, kind)| *kind == FileKind::File);
        Ok(files
            .filter_map(|(name, _)| RunName::parse(&name))
            .collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ibid_testkit::TempDir;

    use super::*;
    use crate::store::StoreOptions;

    pub(in crate::store) fn entry() -> RunEntry {
        RunEntry {
            time: 1,
            label: "p/s".to_owned(),
            key: Key::new(Digest::from_bytes([1; 32])),
            record: BlobId::new(Digest::from_bytes([2; 32])),
            result: None,
            outcome: RunOutcome::Ran,
            triggers: vec![Trigger::Inputs],
            reason: "no result".to_owned(),
            changed: vec!["input/a".to_owned()],
            compared_to: None,
            exit_code: Some(0),
            signal: None,
            duration: 5,
            saved: 0,
            root: "r".to_owned(),
            host: "h".to_owned(),
        }
    }

    #[test]
    fn the_bytes_of_an_entry_do_not_change() {
        let digest = |byte| [[0x58, 0x20].as_slice(), &[byte; 32]].concat();
        let expected = [
            b"\x91\x01\x01\x63p/s".as_slice(),
            &digest(1),
            &digest(2),
            b"\xf6\x63ran\x81\x66inputs\x69no result\x81\x67input/a\xf6\x00\xf6\x05\x00\x61r\x61h",
        ]
        .concat();
        assert_eq!(entry().encode(), expected);
        assert_eq!(RunEntry::decode(&expected), Ok(entry()));
    }

    #[test]
    fn a_process_lists_history_once_for_many_looks_and_knows_what_it_appends() {
        let dir = TempDir::new();
        let options = || StoreOptions {
            created: "2026-01-01T00:00:00Z".to_owned(),
            ..StoreOptions::default()
        };
        let [ours, theirs] =
            [(), ()].map(|()| LocalStore::open(&dir.join("store"), options()).unwrap());
        let at = |time| RunEntry { time, ..entry() };
        let seen = || -> Vec<u64> {
            let entries = ours.entries_of("p/s", 9).unwrap();
            entries.iter().map(|entry| entry.time).collect()
        };
        theirs.append(&at(1)).unwrap();
        assert_eq!(seen(), [1]);
        theirs.append(&at(2)).unwrap();
        ours.append(&at(3)).unwrap();
        assert_eq!(seen(), [3, 1], "the folder was listed again");
        let looks = (0..1000).take_while(|_| seen().len() == 2).count();
        assert!((10..100).contains(&looks), "{looks}");
        assert_eq!(seen(), [3, 2, 1]);
    }

    #[test]
    fn nothing_is_written_through_a_link_inside_of_a_store() {
        let dir = TempDir::new();
        let open = || LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap();
        open().append(&entry()).unwrap();
        let runs = dir.join("store/v1/runs");
        fs::rename(&runs, &dir.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(dir.join("elsewhere"), &runs).unwrap();
        assert!(open().append(&entry()).is_err());
        assert_eq!(fs::list_dir(&dir.join("elsewhere")).unwrap().len(), 1);

        fs::remove_file(&runs).unwrap();
        std::os::unix::fs::symlink("nowhere", &runs).unwrap();
        open().append(&entry()).unwrap();
        assert!(runs.is_dir(), "a link that leads nowhere is out of the way");
    }
}
