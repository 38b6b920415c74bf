//! The store's own decoders, as fuzzing calls them: bytes in, the same bytes or nothing out.

use super::format::{KeyFile, Tombstone};
use super::history::{RunEntry, RunOutcome};
use super::leases::Holder;
use crate::action::Trigger;
use crate::digest::{BlobId, Digest, Key};

/// Decodes a key's file and encodes it again, unless it is of a later version.
pub(crate) fn key_file(bytes: &[u8]) -> Option<Vec<u8>> {
    match KeyFile::decode(bytes).ok()? {
        KeyFile::Unknown(_) => None,
        file => Some(file.encode()),
    }
}

pub(crate) fn key_files() -> Vec<Vec<u8>> {
    let result = KeyFile::Result(BlobId::new(Digest::from_bytes([1; 32])));
    let tombstone = KeyFile::Tombstone(Tombstone {
        when: 1,
        why: "by hand".to_owned(),
    });
    vec![result.encode(), tombstone.encode()]
}

/// Decodes the holder of a lease and encodes it again.
pub(crate) fn holder(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Holder::decode(bytes).ok()?.encode())
}

pub(crate) fn holders() -> Vec<Vec<u8>> {
    vec![Holder::example().encode()]
}

pub(crate) fn entries() -> Vec<Vec<u8>> {
    let entry = RunEntry {
        time: 1,
        label: "p/s".to_owned(),
        key: Key::new(Digest::from_bytes([1; 32])),
        record: BlobId::new(Digest::from_bytes([2; 32])),
        result: Some(BlobId::new(Digest::from_bytes([3; 32]))),
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
    };
    vec![entry.encode()]
}
