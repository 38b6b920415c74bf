//! Stores of many results, written directly: what a look-up and a listing are measured in.
//!
//! Every file is what the store itself would have written, by its own encoders, under the name that
//! it would have: a key's file, the result, the key record, an output that four results share, and
//! an entry of history for each. Stamps are spread over the last 180 days. No file goes through
//! `tmp/`, which is what makes a million of results a matter of minutes.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ibid_core::action::{Component, ComponentKind, ComponentName, KeyRecord, Trigger};
use ibid_core::digest::encoding::Value;
use ibid_core::digest::{BlobId, Digest};
use ibid_core::store::{
    LocalStore, Outcome as Given, OutputContent, Replace, RunEntry, RunInfo, RunOutcome,
    StoreOptions, StoredAs, StoredOutput, StoredResult,
};

use super::make_dir;
use crate::shell::Outcome;

/// So many results have the same output.
const SHARED: usize = 4;

/// So many labels there are, as of the steps of a project.
const LABELS: usize = 100;

/// The oldest stamp is so old.
const DAYS: u64 = 180;

const THREADS: usize = 2;

/// Makes the store `dir` with so many results.
pub(super) fn fill(dir: &Path, results: usize) -> Outcome {
    let writer = Writer::begin(dir)?;
    std::thread::scope(|scope| {
        let part = |thread: usize| {
            let writer = &writer;
            move || {
                (thread..results)
                    .step_by(THREADS)
                    .try_for_each(|it| writer.write(it))
            }
        };
        let others: Vec<_> = (1..THREADS).map(|it| scope.spawn(part(it))).collect();
        part(0)()?;
        others
            .into_iter()
            .try_for_each(|other| other.join().expect("no writer panics"))
    })
}

/// What one result is made of.
struct Made {
    record: Vec<u8>,
    output: Vec<u8>,
    result: StoredResult,
}

struct Writer {
    v1: PathBuf,
    now: SystemTime,
    /// The file of a key, but for the digest at its end.
    key_file: Vec<u8>,
}

impl Writer {
    /// Lets the store make itself, and learns from one result what a key's file looks like.
    fn begin(dir: &Path) -> Outcome<Self> {
        let failed = |error: &dyn std::error::Error| format!("{}: {error}", dir.display());
        let store = LocalStore::open(dir, StoreOptions::default()).map_err(|it| failed(&it))?;
        let now = SystemTime::now();
        let first = made(usize::MAX, nanos(now));
        let blobs = [&first.record, &first.output].map(|bytes| store.put_bytes(bytes));
        let blobs = blobs.into_iter().collect::<Result<Vec<_>, _>>();
        let blobs = blobs.map_err(|it| failed(&it))?;
        let recorded = store.record(&first.result, &blobs, Replace::No);
        recorded.map_err(|it| failed(&it))?;
        let v1 = dir.join("v1");
        let key = first.result.key.hex();
        let file = fs::read(v1.join(sharded("keys", &key))).map_err(|it| failed(&it))?;
        let digest = BlobId::of(&first.result.encode());
        let key_file = file.strip_suffix(digest.digest().as_bytes().as_slice());
        let key_file = key_file
            .ok_or("a key's file does not end with its result")?
            .to_vec();
        make_dir(&v1.join("runs"))?;
        for shard in 0..=255_u8 {
            make_dir(&v1.join(format!("blobs/{shard:02x}")))?;
            make_dir(&v1.join(format!("keys/{shard:02x}")))?;
        }
        Ok(Self { v1, now, key_file })
    }

    /// Writes all files of one result.
    fn write(&self, number: usize) -> Outcome {
        let hours = (number as u64).wrapping_mul(2_654_435_761) % (DAYS * 24);
        let when = self.now - Duration::from_secs(3600 * (hours + 1));
        let Made {
            record,
            output,
            result,
        } = made(number, nanos(when));
        let encoded = result.encode();
        if number.is_multiple_of(SHARED) {
            self.blob(&output, when)?;
        }
        self.blob(&record, when)?;
        let blob = self.blob(&encoded, when)?;
        let file = [&*self.key_file, blob.digest().as_bytes()].concat();
        self.file(&sharded("keys", &result.key.hex()), &file, 0o644, when)?;
        let run = run_of(&result, blob, nanos(when));
        let label = Digest::of(run.label.as_bytes()).hex();
        let name = format!("runs/{:020}-{}-{number:016x}", run.time, &label[..8]);
        self.file(&name, &run.encode(), 0o644, when)
    }

    fn blob(&self, bytes: &[u8], when: SystemTime) -> Outcome<BlobId> {
        let blob = BlobId::of(bytes);
        self.file(&sharded("blobs", &blob.hex()), bytes, 0o444, when)?;
        Ok(blob)
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32, when: SystemTime) -> Outcome {
        let path = self.v1.join(name);
        let write = || {
            let mut file: File = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&path)?;
            file.write_all(bytes)?;
            file.set_modified(when)
        };
        write().map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// What a result of this number is made of; the same for the same number.
fn made(number: usize, started: u64) -> Made {
    let component = |kind, name: &str, value| Component {
        kind,
        name: ComponentName::Text(name.to_owned()),
        value,
    };
    let record = KeyRecord::new(vec![
        component(ComponentKind::Param, "number", Value::from(number as u64)),
        component(
            ComponentKind::Param,
            "words",
            Value::Text("of a usual length ".repeat(12)),
        ),
        component(ComponentKind::Salt, "", Value::Text("growth".to_owned())),
    ]);
    let output = format!("output {}\n", number / SHARED).into_bytes();
    let bytes = record.encode();
    let result = StoredResult {
        key: record.key(),
        outcome: Given {
            exit_code: 0,
            outputs: vec![StoredOutput {
                name: b"out.txt".to_vec(),
                at: None,
                content: OutputContent::File {
                    executable: false,
                    size: output.len() as u64,
                    blob: BlobId::of(&output),
                },
                stored_as: StoredAs::Content,
            }],
        },
        run: RunInfo {
            record: BlobId::of(&bytes),
            log: None,
            started,
            duration: 1_000_000 * (1 + number as u64 % 10_000),
            host: "host".to_owned(),
            user: None,
            version: "0.1.0".to_owned(),
            label: format!("project/step-{}", number % LABELS),
        },
    };
    Made {
        record: bytes,
        output,
        result,
    }
}

fn run_of(result: &StoredResult, blob: BlobId, time: u64) -> RunEntry {
    RunEntry {
        time,
        label: result.run.label.clone(),
        key: result.key,
        record: result.run.record,
        result: Some(blob),
        outcome: RunOutcome::Ran,
        triggers: vec![Trigger::New],
        reason: String::new(),
        changed: Vec::new(),
        compared_to: None,
        exit_code: Some(0),
        signal: None,
        duration: result.run.duration,
        saved: 0,
        root: "project".to_owned(),
        host: "host".to_owned(),
    }
}

fn sharded(folder: &str, hex: &str) -> String {
    format!("{folder}/{}/{hex}", &hex[..2])
}

fn nanos(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
