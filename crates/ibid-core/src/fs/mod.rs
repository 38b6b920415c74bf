//! The only module that calls the file system.
//!
//! Everything else gets errors that name the path, signatures that tell whether a file may have
//! changed, staged writes, and handles below which nothing can escape.

mod error;
mod hash;
mod meter;
pub mod programs;
mod signature;
pub mod slots;
mod system;
pub mod walk;

pub use error::{IoContext, PathError};
pub use hash::{HashError, Threads, hash_open};
pub use meter::Meter;
pub use signature::{FileKind, Signature, Timestamp};
pub use system::{
    COARSEST_NANOS, CachedPages, FileSystem, FileSystemId, FileSystemKind, Host, boot_id,
    cached_pages, machine_id,
};
