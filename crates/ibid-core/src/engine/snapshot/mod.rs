//! The snapshot: what a run looked at when it found nothing to do, so that the next one need only
//! look whether all of that is the same.
//!
//! ```text
//! run, all up to date ─▶ the account of its looks (fs) ─▶ seal ─▶ <local>/run-<xx>
//! the same words again ─▶ read ─▶ holds? ─ yes ─▶ nothing to do, in the same words
//!                                        └ no ──▶ the run, as if there were no snapshot
//! ```
//!
//! It lies on this host, holds for one boot, one binary and one request, and can be deleted at any
//! time. What was seen is all that counts in it ([`Seen`]); a process that goes on may keep that in
//! memory, with an answer of its own. Invariants: nothing is in it that could not be believed by the
//! stat cache's own rules; a look that cannot be made again keeps it from being made; whatever is
//! damaged or in doubt holds nothing, silently. `docs/design/snapshot.md` has the argument.

mod bytes;
mod file;
mod form;
mod holds;
mod seal;
#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests make and change the files that are looked at"
)]
mod tests;

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::fs::{self, FileKind};

pub use file::{Told, holds, seal};
pub use seal::{Sealing, Seen};

/// A larger file is no snapshot: one of a million looks fits.
const LIMIT: u64 = 256 << 20;

/// Returns where the snapshot of a request lies. There are 256 places and no more; of requests that
/// share one, the last run is remembered.
pub fn place(local: &Path, request: &Digest) -> PathBuf {
    local.join(format!("run-{:02x}", request.as_bytes()[0]))
}

/// Reads the file of a snapshot, if `user` alone can have written it.
pub fn read(path: &Path, user: u32) -> Option<Vec<u8>> {
    const OTHERS_WRITE: u32 = 0o022;
    let (file, facts) = fs::open_with_facts(path).ok()?;
    let signature = facts.signature;
    let is_own = facts.owner == user && signature.mode & OTHERS_WRITE == 0;
    if !is_own || signature.kind() != FileKind::File {
        return None;
    }
    fs::read_limited((&file, path), signature.size, LIMIT).ok()
}

/// Puts a snapshot in its place. No failure counts: it is not missed.
pub fn keep(path: &Path, bytes: &[u8]) {
    let _ = fs::slots::replace(path, bytes);
}
