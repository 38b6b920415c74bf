//! How looks are laid out one after the other.
//!
//! ```text
//! look: bytes shared with the path before, bytes of its own, those; kind; what was found
//! ```

use super::bytes::{Reader, Writer};
use crate::fs::{Facts, Signature, Timestamp};

/// As many looks are in a block.
pub(super) const BLOCK: usize = 512;

/// What is expected at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The look fails with this error.
    Failed(i32),
    /// This stands there, whatever changed in it.
    Place(Identity),
    /// It has this status.
    Status(Signature),
}

/// What a thing is and who may do what there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    mode: u32,
    owner: u32,
    group: u32,
}

impl Identity {
    pub(super) fn of(facts: &Facts) -> Self {
        Self {
            device: facts.signature.device,
            inode: facts.signature.inode,
            mode: facts.signature.mode,
            owner: facts.owner,
            group: facts.group,
        }
    }
}

impl Expected {
    /// Says whether a look found what is expected.
    pub(super) fn is_met(&self, found: &Result<Facts, i32>) -> bool {
        match (self, found) {
            (Self::Failed(error), Err(found)) => error == found,
            (Self::Place(identity), Ok(facts)) => *identity == Identity::of(facts),
            // How many names it has says nothing of its content.
            (Self::Status(signature), Ok(facts)) => {
                Signature {
                    links: signature.links,
                    ..facts.signature
                } == *signature
            }
            _ => false,
        }
    }
}

/// One look: a path, and what is expected there.
pub(super) struct Look {
    /// Absolute, or below the root.
    pub(super) path: Vec<u8>,
    pub(super) follow: bool,
    pub(super) expected: Expected,
}

const FOLLOW: u8 = 1;
const FAILED: u8 = 2;
const PLACE: u8 = 4;
const STATUS: u8 = 8;

/// Writes the looks of one block.
pub(super) fn write_block(looks: &[Look]) -> Vec<u8> {
    let mut out = Writer::default();
    let mut before: &[u8] = &[];
    for look in looks {
        let same = |(a, b): &(&u8, &u8)| a == b;
        let shared = before.iter().zip(&look.path).take_while(same).count();
        let own = &look.path[shared..];
        out.short(u32::try_from(shared).unwrap_or(u32::MAX));
        out.short(u32::try_from(own.len()).unwrap_or(u32::MAX));
        out.0.extend_from_slice(own);
        before = &look.path;
        let follow = if look.follow { FOLLOW } else { 0 };
        match &look.expected {
            Expected::Failed(error) => {
                out.0.push(follow | FAILED);
                out.short(error.cast_unsigned());
            }
            Expected::Place(it) => {
                out.0.push(follow | PLACE);
                out.number(it.device);
                out.number(it.inode);
                for part in [it.mode, it.owner, it.group] {
                    out.short(part);
                }
            }
            Expected::Status(it) => {
                out.0.push(follow | STATUS);
                for part in [it.device, it.inode, it.size] {
                    out.number(part);
                }
                for stamp in [it.mtime, it.ctime] {
                    out.number(stamp.seconds.cast_unsigned());
                    out.short(stamp.nanos);
                }
                out.short(it.mode);
            }
        }
    }
    out.0
}

/// Reads the next look of a block; `path` is that of the look before, with a NUL behind it, and
/// becomes that of this one.
pub(super) fn read_look(from: &mut Reader<'_>, path: &mut Vec<u8>) -> Option<(bool, Expected)> {
    let shared = usize::try_from(from.short()?).ok()?;
    let own = usize::try_from(from.short()?).ok()?;
    let own = from.take(own)?;
    path.pop();
    if shared > path.len() {
        return None;
    }
    path.truncate(shared);
    path.extend_from_slice(own);
    path.push(0);
    let kind = from.byte()?;
    let expected = match kind & !FOLLOW {
        FAILED => Expected::Failed(from.short()?.cast_signed()),
        PLACE => Expected::Place(Identity {
            device: from.number()?,
            inode: from.number()?,
            mode: from.short()?,
            owner: from.short()?,
            group: from.short()?,
        }),
        STATUS => Expected::Status(Signature {
            device: from.number()?,
            inode: from.number()?,
            size: from.number()?,
            mtime: stamp(from)?,
            ctime: stamp(from)?,
            mode: from.short()?,
            links: 0,
        }),
        _ => return None,
    };
    Some((kind & FOLLOW != 0, expected))
}

fn stamp(from: &mut Reader<'_>) -> Option<Timestamp> {
    Some(Timestamp {
        seconds: from.number()?.cast_signed(),
        nanos: from.short()?,
    })
}
