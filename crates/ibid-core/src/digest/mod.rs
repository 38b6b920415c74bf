//! Digests, typed ids and the canonical encoding: what identity means in ibid.
//!
//! Pure data; nothing here does I/O. Ids of different things are different types and do not
//! convert into one another, because a key that is used as a blob's name is a false hit waiting
//! to happen.

pub mod encoding;
mod hash;
mod id;
pub(crate) mod near;

pub use hash::Hasher;
pub use id::{BlobId, Digest, Key, ParseDigestError, TreeId};
