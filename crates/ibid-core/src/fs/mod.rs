//! The only module that calls the file system.
//!
//! Everything else gets errors that name the path, signatures that tell whether a file may have
//! changed, staged writes, and handles below which nothing can escape.

mod error;
pub mod process_files;
mod signature;
mod spool;

pub use error::{IoContext, PathError};
pub use signature::{FileKind, Signature, Timestamp};
pub use spool::unnamed_file;
