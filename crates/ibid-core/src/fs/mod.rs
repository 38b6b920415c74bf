//! The only module that calls the file system.
//!
//! Everything else gets errors that name the path, signatures that tell whether a file may have
//! changed, staged writes, and handles below which nothing can escape.

mod config_file;
mod error;
mod private_dir;
mod signature;

pub use config_file::{ConfigFile, read_config_file};
pub use error::{IoContext, PathError};
pub use private_dir::make_private_dir;
pub use signature::{FileKind, Signature, Timestamp};
