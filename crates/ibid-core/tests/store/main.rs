//! The laws of the store, through its public interface: nothing false is served whatever happens
//! to the files, what is damaged heals by being stored again, and the first of concurrent results
//! stays.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests damage files behind the back of the library, and fail by panicking"
)]

mod concurrent;
mod damage;
mod layout;
mod model;
mod read_only;
mod walk;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ibid_core::action::Trigger;
use ibid_core::digest::{BlobId, Key};
use ibid_core::fs::{Meter, open_file};
use ibid_core::store::{
    LocalStore, Outcome, OutputContent, Recorded, Replace, RunEntry, RunInfo, RunOutcome,
    StoreOptions, Stored, StoredAs, StoredOutput, StoredResult,
};
use ibid_testkit::TempDir;

/// Opens a store with no memory of what was verified: as after a restart of the machine.
fn open(dir: &TempDir) -> LocalStore {
    LocalStore::open(&dir.join("store"), StoreOptions::default()).unwrap()
}

fn key(name: &str) -> Key {
    Key::derive(name.as_bytes())
}

/// A result of one output file, whose blobs are stored.
fn commit(store: &LocalStore, key: Key, content: &[u8], replace: Replace) -> Recorded {
    let (result, stored) = prepare(store, key, content);
    store.record(&result, &stored, replace).unwrap()
}

fn prepare(store: &LocalStore, key: Key, content: &[u8]) -> (StoredResult, Vec<Stored>) {
    let record = store.put_bytes(b"record").unwrap();
    let output = store.put_bytes(content).unwrap();
    (result_of(key, content), vec![record, output])
}

fn result_of(key: Key, content: &[u8]) -> StoredResult {
    StoredResult {
        key,
        outcome: Outcome {
            exit_code: 0,
            outputs: vec![StoredOutput {
                name: b"out".to_vec(),
                at: None,
                content: OutputContent::File {
                    executable: false,
                    size: content.len() as u64,
                    blob: BlobId::of(content),
                },
                stored_as: StoredAs::Content,
            }],
        },
        run: RunInfo {
            record: BlobId::of(b"record"),
            log: None,
            started: 1,
            duration: 2,
            host: "h".to_owned(),
            user: None,
            version: "0".to_owned(),
            label: "p/s".to_owned(),
        },
    }
}

fn entry(time: u64, label: &str, key: Key) -> RunEntry {
    RunEntry {
        time,
        label: label.to_owned(),
        key,
        record: BlobId::of(b"record"),
        result: None,
        outcome: RunOutcome::Ran,
        triggers: vec![Trigger::New],
        reason: String::new(),
        changed: Vec::new(),
        compared_to: None,
        exit_code: Some(0),
        signal: None,
        duration: 0,
        saved: 0,
        root: "r".to_owned(),
        host: "h".to_owned(),
    }
}

/// Puts the content of a file that is made for it.
fn put_file(store: &LocalStore, dir: &TempDir, content: &[u8]) -> Stored {
    let path = dir.join("source");
    std::fs::write(&path, content).unwrap();
    let source = open_file(&path).unwrap();
    store.put_file(&source, &path, &Meter::new()).unwrap()
}

/// Copies a blob out, or says why not.
fn copy_out(
    store: &LocalStore,
    dir: &TempDir,
    blob: &BlobId,
    size: usize,
) -> Result<Vec<u8>, String> {
    let path = dir.join("restored");
    let target = std::fs::File::create(&path).unwrap();
    store
        .copy_out(blob, size as u64, (&target, &path), &Meter::new())
        .map_err(|error| error.to_string())?;
    Ok(std::fs::read(&path).unwrap())
}

/// Every file and directory below `dir` with what a change would change.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                pending.push(path.clone());
            }
            let stamp = (meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec());
            found.insert(path, stamp);
        }
    }
    found
}

/// The regular files below one directory of the store.
fn files(dir: &TempDir, below: &str) -> Vec<PathBuf> {
    let below = dir.join("store/v1").join(below);
    let all = snapshot(&below).into_keys();
    all.filter(|path| path.is_file()).collect()
}
