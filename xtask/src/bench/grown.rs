//! A store of so many results, without running so many commands.
//!
//! One result is made by ibid itself. All others are that one under other keys: a result holds its
//! key and is a blob of its own, while record, streams and output are shared. Only names and places
//! of a store are known here; its records are copied, not understood.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Bench, make_dir, tree, write};
use crate::shell::Outcome;

/// The bytes of a key's file and of the result that it names, with the ids that differ.
struct Sample {
    key_file: Vec<u8>,
    result: Vec<u8>,
    key: [u8; 32],
    result_id: [u8; 32],
    version: PathBuf,
}

/// Makes `home` with a store of `count` results in its folder `cache`.
pub(super) fn fill(bench: &Bench, home: &Path, count: usize) -> Outcome {
    let work = home.join("work");
    make_dir(&work)?;
    write(&work.join("in.txt"), b"input")?;
    let words = [
        "exec", "-q", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
    ];
    let status = Command::new(&bench.ibid)
        .args(words)
        .current_dir(&work)
        .env("HOME", home)
        .env("IBID_CACHE_DIR", home.join("cache"))
        .env("IBID_LOCAL_DIR", home.join("local"))
        .status()
        .map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("ibid exec: {status}"));
    }
    let sample = sample(&home.join("cache/v1"))?;
    for kind in ["keys", "blobs"] {
        for byte in 0..=255_u8 {
            make_dir(&sample.version.join(format!("{kind}/{byte:02x}")))?;
        }
    }
    let (next, first_error) = (AtomicUsize::new(0), std::sync::Mutex::new(Ok(())));
    let share = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let made = sample.another(number);
            if made.is_err() {
                if let Ok(mut first) = first_error.lock() {
                    *first = made;
                }
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(share);
        share();
    });
    first_error.into_inner().unwrap_or(Ok(()))
}

impl Sample {
    /// Adds the result number `number`.
    fn another(&self, number: usize) -> Outcome {
        let mut key = [0; 32];
        for (place, part) in key.chunks_mut(8).enumerate() {
            let seed = number as u64 * 4 + place as u64;
            part.copy_from_slice(&tree::mix(seed).to_le_bytes());
        }
        let result = replaced(&self.result, &self.key, &key)?;
        let id = *blake3::hash(&result).as_bytes();
        let key_file = replaced(&self.key_file, &self.result_id, &id)?;
        for (kind, name, bytes) in [("blobs", id, result), ("keys", key, key_file)] {
            let name = blake3::Hash::from_bytes(name).to_hex();
            write(
                &self.version.join(kind).join(&name[..2]).join(name.as_str()),
                &bytes,
            )?;
        }
        Ok(())
    }
}

/// Finds the one key of a store and its result.
fn sample(version: &Path) -> Outcome<Sample> {
    let key_path = only_file(&version.join("keys"))?;
    let name = key_path.file_name().unwrap_or_default().to_string_lossy();
    let read = |path: &Path| std::fs::read(path).map_err(|error| error.to_string());
    let key_file = read(&key_path)?;
    let named = |id: &[u8; 32]| key_file.windows(32).any(|window| window == id);
    for path in files(&version.join("blobs"))? {
        let result = read(&path)?;
        let result_id = *blake3::hash(&result).as_bytes();
        if named(&result_id) {
            let key = blake3::Hash::from_hex(name.as_bytes());
            let key = *key.map_err(|error| format!("{name}: {error}"))?.as_bytes();
            let version = version.to_owned();
            return Ok(Sample {
                key_file,
                result,
                key,
                result_id,
                version,
            });
        }
    }
    Err("the key's file names no blob".to_owned())
}

fn only_file(dir: &Path) -> Outcome<PathBuf> {
    let found = files(dir)?.into_iter().next();
    found.ok_or_else(|| format!("{}: nothing was stored", dir.display()))
}

/// The files two levels below.
fn files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let listed = |dir: &Path| {
        let entries = std::fs::read_dir(dir).map_err(|error| error.to_string())?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())
    };
    let mut found = Vec::new();
    for folder in listed(dir)? {
        found.extend(listed(&folder)?);
    }
    Ok(found)
}

/// Replaces 32 bytes wherever they stand; they have to stand somewhere.
fn replaced(bytes: &[u8], old: &[u8; 32], new: &[u8; 32]) -> Outcome<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let mut places = bytes.windows(32).enumerate();
    let place = places.find_map(|(place, window)| (window == old).then_some(place));
    let place = place.ok_or("a record does not hold what it is about")?;
    bytes[place..place + 32].copy_from_slice(new);
    Ok(bytes)
}
