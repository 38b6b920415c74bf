//! What must be true of a result, as far as its askers can know.
//!
//! Every operation has a number; a command writes the number of the operation that started it. A
//! number counts as a completed run of a key once the command has noted it as its last act. An
//! invalidation rules out what had ended before it began, for whoever asks after it has ended.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What the processes of a round were told so far.
pub(super) struct Model {
    /// Where commands note their completed runs: one file a key.
    notes: PathBuf,
    next: AtomicU64,
    keys: Vec<Mutex<Key>>,
    ended: Mutex<HashMap<u64, Instant>>,
}

#[derive(Default)]
struct Key {
    /// Completed runs, and how far their notes were read.
    completed: HashSet<u64>,
    read: u64,
    /// Invalidations: when they began and had ended.
    invalid: Vec<(Instant, Instant)>,
}

impl Model {
    pub(super) fn new(notes: PathBuf, keys: usize) -> Self {
        Self {
            notes,
            next: AtomicU64::new(1),
            keys: (0..keys).map(|_| Mutex::default()).collect(),
            ended: Mutex::default(),
        }
    }

    /// Returns the number of an operation that begins now.
    pub(super) fn begin(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that an operation has ended, however it did.
    pub(super) fn end(&self, operation: u64) {
        let mut ended = self.ended.lock().expect("no holder panics");
        ended.insert(operation, Instant::now());
    }

    /// Notes that a key was invalidated.
    pub(super) fn invalidated(&self, key: usize, began: Instant) {
        let mut key = self.keys[key].lock().expect("no holder panics");
        key.invalid.push((began, Instant::now()));
    }

    /// Says what is wrong with the answer `run` for a key that was asked for at `asked`.
    pub(super) fn judge(&self, key: usize, run: u64, asked: Instant) -> Option<String> {
        let mut known = self.keys[key].lock().expect("no holder panics");
        if !known.completed.contains(&run) {
            known.read_on(&self.notes.join(key.to_string()));
        }
        if !known.completed.contains(&run) {
            return Some(format!("{run} is no completed run of key {key}"));
        }
        let ended = self
            .ended
            .lock()
            .expect("no holder panics")
            .get(&run)
            .copied()?;
        let is_ruled_out = |(began, over): &(Instant, Instant)| ended < *began && *over < asked;
        let ruled_out = known.invalid.iter().any(is_ruled_out);
        ruled_out.then(|| format!("run {run} of key {key} had been invalidated"))
    }
}

impl Key {
    fn read_on(&mut self, notes: &std::path::Path) {
        let Ok(mut file) = fs::File::open(notes) else {
            return;
        };
        let mut text = String::new();
        let read = file
            .seek(SeekFrom::Start(self.read))
            .and_then(|_| file.read_to_string(&mut text));
        read.expect("notes are text");
        // The last line may still be on its way.
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        self.read += whole as u64;
        let numbers = text[..whole]
            .lines()
            .filter_map(|line| line.parse::<u64>().ok());
        self.completed.extend(numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TempDir;

    #[test]
    fn only_a_noted_run_that_was_not_invalidated_is_an_answer() {
        let dir = TempDir::new();
        let model = Model::new(dir.path().to_owned(), 1);
        let run = model.begin();
        assert!(model.judge(0, run, Instant::now()).is_some());
        fs::write(dir.join("0"), format!("{run}\n")).unwrap();
        model.end(run);
        assert_eq!(model.judge(0, run, Instant::now()), None);
        let before = Instant::now();
        model.invalidated(0, Instant::now());
        assert_eq!(model.judge(0, run, before), None, "asked for before");
        assert!(model.judge(0, run, Instant::now()).is_some());
    }
}
