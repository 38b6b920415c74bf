//! The only module that calls the file system.
//!
//! Everything else gets errors that name the path, signatures that tell whether a file may have
//! changed, staged writes, and handles below which nothing can escape.

mod beneath;
mod config_file;
mod copy;
mod error;
mod hash;
mod meter;
mod owner;
mod private_dir;
pub mod process_files;
pub mod programs;
mod read;
mod signature;
pub mod slots;
mod spool;
mod stage;
mod system;
pub mod walk;

pub use beneath::{Dir, Listed, real_path, set_mode, umask};
pub use config_file::{ConfigFile, read_config_file};
pub use copy::{copy_hashing, reflink};
pub use error::{IoContext, PathError};
pub use hash::{HashError, Threads, hash_open};
pub use meter::Meter;
pub use owner::{boot_and_namespace, is_gone, is_tag_of_the_gone, owner_tag, start_time};
pub use private_dir::make_private_dir;
pub use read::{
    exists, list_dir, open_file, open_in_place, open_nofollow, read_at_most, read_limited,
    read_link, read_small,
};
pub use signature::{FileKind, Signature, Timestamp};
pub use spool::unnamed_file;
pub use stage::{
    Published, Staged, close_checked, create_dir, create_dirs, link_open, random_bytes,
    random_name, remove_file, rename, rename_new, sync_dir, sync_file_system,
};
pub use system::{
    COARSEST_NANOS, CachedPages, FileSystem, FileSystemId, FileSystemKind, Host, boot_id,
    cached_pages, machine_id,
};
