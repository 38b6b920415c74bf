//! The stat cache's decoder, as fuzzing calls it.

use super::record::{RECORD, Record};
use crate::digest::Digest;
use crate::fs::Timestamp;

const SALT: &[u8] = b"a machine";

/// Decodes a record and encodes it again.
pub(crate) fn record(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes: &[u8; RECORD] = bytes.try_into().ok()?;
    let salt = Digest::of(SALT);
    Some(Record::decode(bytes, &salt)?.encode(&salt).to_vec())
}

pub(crate) fn records() -> Vec<Vec<u8>> {
    let stamp = Timestamp {
        seconds: 1,
        nanos: 2,
    };
    let record = Record {
        name: [3; 24],
        size: 4,
        mtime: stamp,
        ctime: stamp,
        mode: 0o100_644,
        flags: 1,
        digest: Digest::of(b""),
        started: stamp,
        boot: 5,
    };
    vec![record.encode(&Digest::of(SALT)).to_vec()]
}
