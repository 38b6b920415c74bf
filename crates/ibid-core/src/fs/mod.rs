//! The only module that calls the file system.
//!
//! Everything else gets errors that name the path, signatures that tell whether a file may have
//! changed, staged writes, and handles below which nothing can escape.

mod beneath;
mod error;
mod signature;

pub use beneath::{Dir, Listed, real_path, umask};
pub use error::{IoContext, PathError};
pub use signature::{FileKind, Signature, Timestamp};
