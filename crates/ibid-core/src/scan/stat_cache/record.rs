//! `Record`: one entry of the stat cache, 128 bytes with its own checksum.
//!
//! The checksum is salted with the machine's id, so that a copied cache is as good as none
//! (hazard B6). A torn, cut or flipped record is no record.

use crate::digest::Digest;
use crate::fs::{FileSystemId, Signature, Timestamp};

/// Length of a record in bytes.
pub(super) const RECORD: usize = 128;

const CHECKED: usize = 116;

/// Length of the part that names the file: file system and inode.
pub(super) const NAME: usize = 24;

/// The file system and the inode.
pub(super) type Name = [u8; NAME];

/// Makes the name of a file.
pub(super) fn name_of(fs: &FileSystemId, inode: u64) -> Name {
    let mut name = [0; NAME];
    name[..16].copy_from_slice(fs.as_bytes());
    name[16..].copy_from_slice(&inode.to_le_bytes());
    name
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: Name,
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    pub(super) mode: u32,
    pub(super) flags: u32,
    pub(super) digest: Digest,
    pub(super) started: Timestamp,
    pub(super) boot: u64,
}

/// The bits of a record's flags.
pub(super) mod flag {
    pub(in super::super) const BY_WALL_CLOCK: u32 = 1;
    pub(in super::super) const CLEAN: u32 = 2;
    pub(in super::super) const CAPTURED: u32 = 4;
    pub(in super::super) const PRIVATE: u32 = 8;
    pub(in super::super) const NO_SCRIPT: u32 = 16;
    pub(in super::super) const NUDGED: u32 = 32;
}

impl Record {
    /// Says whether the record was made of this very signature.
    pub(super) fn matches(&self, signature: &Signature) -> bool {
        self.size == signature.size
            && self.mtime == signature.mtime
            && self.ctime == signature.ctime
            && self.mode == signature.mode
    }

    /// Says whether any of the bits is set.
    pub(super) fn has(&self, bits: u32) -> bool {
        self.flags & bits != 0
    }

    /// Takes over what an earlier record of the same state knew for as long as this boot lasts:
    /// hashing an output again does not bring its writer back.
    pub(super) fn merged_over(mut self, earlier: &Self) -> Self {
        let same_state = Self {
            started: self.started,
            flags: self.flags,
            ..*earlier
        } == self;
        if same_state {
            self.flags |= earlier.flags & (flag::CAPTURED | flag::PRIVATE);
        }
        self
    }

    /// Returns the bytes.
    pub(super) fn encode(&self, salt: &Digest) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let mut rest = bytes.as_mut_slice();
        let mut put = |part: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(part.len());
            head.copy_from_slice(part);
            rest = tail;
        };
        put(&self.name);
        put(&self.size.to_le_bytes());
        for stamp in [self.mtime, self.ctime] {
            put(&stamp.seconds.to_le_bytes());
            put(&stamp.nanos.to_le_bytes());
        }
        put(&self.mode.to_le_bytes());
        put(&self.flags.to_le_bytes());
        put(self.digest.as_bytes());
        put(&self.started.seconds.to_le_bytes());
        put(&self.started.nanos.to_le_bytes());
        put(&self.boot.to_le_bytes());
        let sum = checksum(&bytes, salt);
        bytes[CHECKED..].copy_from_slice(&sum);
        bytes
    }

    /// Reads a record, or returns `None` for bytes that are none.
    pub(super) fn decode(bytes: &[u8; RECORD], salt: &Digest) -> Option<Self> {
        if bytes[..NAME] == [0; NAME] || checksum(bytes, salt) != bytes[CHECKED..] {
            return None;
        }
        let mut rest = bytes.as_slice();
        Some(Self {
            name: take(&mut rest),
            size: u64::from_le_bytes(take(&mut rest)),
            mtime: stamp(&mut rest),
            ctime: stamp(&mut rest),
            mode: u32::from_le_bytes(take(&mut rest)),
            flags: u32::from_le_bytes(take(&mut rest)),
            digest: Digest::from_bytes(take(&mut rest)),
            started: stamp(&mut rest),
            boot: u64::from_le_bytes(take(&mut rest)),
        })
    }
}

/// Two chains of multiplications whose key is the salt. They find out accidents: of two different
/// records, one in 2^64 pairs has one sum. They are no defence against somebody who means to
/// forge one, and need not be: that takes the right to write the file, which suffices to write
/// whole records with their true sums.
fn checksum(bytes: &[u8; RECORD], salt: &Digest) -> [u8; RECORD - CHECKED] {
    let mut key = salt.as_bytes().as_slice();
    let [first, second, third, fourth]: [u64; 4] =
        std::array::from_fn(|_| u64::from_le_bytes(take(&mut key)));
    let mut words: [u64; RECORD / 8] = std::array::from_fn(|i| {
        let word = bytes[i * 8..]
            .first_chunk()
            .expect("a record is whole words");
        u64::from_le_bytes(*word)
    });
    // The sum itself, which begins within a word, counts as zero.
    words[CHECKED / 8] &= u64::from(u32::MAX);
    words[CHECKED / 8 + 1] = 0;
    let (mut one, mut other) = (first, second);
    for pair in words.chunks_exact(2) {
        one = folded(pair[0] ^ third, pair[1] ^ one);
        other = folded(pair[0] ^ other, pair[1] ^ fourth);
    }
    let (one, other) = (folded(one ^ second, third), folded(other ^ first, fourth));
    let mut sum = [0; RECORD - CHECKED];
    sum[..8].copy_from_slice(&one.to_le_bytes());
    sum[8..].copy_from_slice(&other.to_le_bytes()[..RECORD - CHECKED - 8]);
    sum
}

/// Multiplies, and lays the upper half of the product over the lower.
pub(super) fn folded(one: u64, other: u64) -> u64 {
    let product = (u128::from(one) * u128::from(other)).to_le_bytes();
    let mut halves = product.as_slice();
    u64::from_le_bytes(take(&mut halves)) ^ u64::from_le_bytes(take(&mut halves))
}

#[inline]
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest
        .split_first_chunk::<N>()
        .expect("the fields fit in a record");
    *rest = tail;
    *head
}

fn stamp(rest: &mut &[u8]) -> Timestamp {
    Timestamp {
        seconds: i64::from_le_bytes(take(rest)),
        nanos: u32::from_le_bytes(take(rest)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn sample(inode: u64) -> Record {
        Record {
            name: name_of(&FileSystemId::of(&[b"test"]), inode),
            size: 11 + inode,
            mtime: Timestamp {
                seconds: -5,
                nanos: 999_999_999,
            },
            ctime: Timestamp {
                seconds: 1 << 40,
                nanos: 7,
            },
            mode: 0o100_755,
            flags: flag::CLEAN,
            digest: Digest::of(&inode.to_le_bytes()),
            started: Timestamp {
                seconds: 9,
                nanos: 8,
            },
            boot: 0xdead_beef,
        }
    }

    #[test]
    fn a_record_comes_back_and_no_flipped_bit_does() {
        let salt = Digest::of(b"machine");
        let record = sample(77);
        let bytes = record.encode(&salt);
        assert_eq!(Record::decode(&bytes, &salt), Some(record));
        for bit in 0..RECORD * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&flipped, &salt), None, "bit {bit}");
        }
        assert_eq!(Record::decode(&bytes, &Digest::of(b"other machine")), None);
        assert_eq!(Record::decode(&[0; RECORD], &salt), None);
    }

    #[test]
    fn no_record_that_is_torn_between_two_others_comes_back() {
        let salt = Digest::of(b"machine");
        let records: Vec<_> = (1..=40).map(|n| sample(n).encode(&salt)).collect();
        for (one, other) in records
            .iter()
            .flat_map(|one| records.iter().map(move |it| (one, it)))
        {
            for cut in 1..RECORD {
                let mut torn = *one;
                torn[cut..].copy_from_slice(&other[cut..]);
                let known = torn == *one || torn == *other;
                assert_eq!(
                    Record::decode(&torn, &salt).is_some(),
                    known,
                    "cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn words_that_change_places_or_go_together_change_the_sum() {
        let salt = Digest::of(b"machine");
        let bytes = sample(5).encode(&salt);
        for (one, other) in (0..CHECKED / 8).flat_map(|i| (0..i).map(move |j| (i * 8, j * 8))) {
            let mut swapped = bytes;
            for byte in 0..8 {
                swapped.swap(one + byte, other + byte);
            }
            assert!(swapped == bytes || Record::decode(&swapped, &salt).is_none());
            let mut cleared = bytes;
            cleared[one..one + 8].fill(0);
            cleared[other..other + 8].fill(0);
            assert!(cleared == bytes || Record::decode(&cleared, &salt).is_none());
        }
    }

    #[test]
    fn what_was_captured_stays_so_until_content_status_or_boot_change() {
        let mut earlier = sample(1);
        earlier.flags = flag::CAPTURED;
        let again = Record {
            flags: 0,
            started: Timestamp::default(),
            ..earlier
        };
        assert!(again.merged_over(&earlier).has(flag::CAPTURED));
        for other in [
            Record { boot: 1, ..again },
            Record { size: 1, ..again },
            Record {
                digest: Digest::of(b""),
                ..again
            },
        ] {
            assert!(!other.merged_over(&earlier).has(flag::CAPTURED));
        }
    }
}
