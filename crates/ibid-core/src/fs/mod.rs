//! The only module that calls the file system.
//!
//! Everything else gets errors that name the path, signatures that tell whether a file may have
//! changed, staged writes, and handles below which nothing can escape.

mod beneath;
mod config_file;
mod copy;
mod error;
mod facts;
mod folder;
mod hash;
mod here;
mod hold;
mod kept;
mod list;
mod listed;
mod live;
mod look;
mod meter;
mod mounts;
mod moves;
mod nameless;
mod nudge;
mod owner;
mod private_dir;
mod read;
mod relook;
mod shared_dir;
mod signature;
pub mod slots;
mod space;
mod spool;
mod stage;
mod standard;
mod system;
mod touch;
mod trial;
mod witness;

pub use beneath::{Dir, Listed, is_root, set_mode, set_mode_of, umask};
pub use config_file::{ConfigFile, read_config_file};
pub use copy::{copy_hashing, reflink};
pub use error::{IfPresent, IoContext, PathError};
pub use facts::{Facts, is_hollow};
pub use folder::{Folder, Names, Span, name_at};
pub use hash::{HashError, Threads, hash_open};
pub use hold::{Alone, Hold};
pub use kept::Kept;
pub use list::{below, list_dir, list_names, list_signatures, numbers_in};
pub use live::{LiveOutput, LiveReader};
pub use look::{
    Candidate, Links, RealPaths, candidate, enter_check, exists, future_path, kind_at, look,
    may_write_in, real_path,
};
pub use meter::Meter;
pub use mounts::MountPoint;
pub use moves::{Moves, Watched};
pub use nameless::write_whole;
pub use nudge::nudge;
pub use owner::{
    ancestors, boot_and_namespace, is_gone, is_tag_of_the_gone, own_start, owner_tag, start_time,
};
pub use private_dir::make_private_dir;
pub use read::{
    open_any, open_file, open_in_place, open_nofollow, open_with_facts, read_at_most, read_limited,
    read_link, read_once, read_small, read_start, read_start_of,
};
pub use relook::Relook;
pub use shared_dir::{DirPolicy, create_shared_dir, set_policy};
pub use signature::{FileKind, Signature, Timestamp};
pub use space::Space;
pub use spool::unnamed_file;
pub use stage::{
    Published, Staged, add_name, close_checked, create_dir, create_dirs, create_link, link_open,
    random_bytes, random_name, remove_file, rename, rename_new, sync_dir, sync_file_system,
};
pub use standard::{hold_standard_streams, open_nothing};
pub use system::{
    COARSEST_NANOS, CachedPages, FileSystem, FileSystemId, FileSystemKind, Host, boot_id,
    cached_pages, machine_id, memory_limit, open_files_limit,
};
pub use touch::{no_later_than_stamps, stamping_time, touch_link, touch_open};
pub use trial::{NameTrial, Trial, can_share, nameless_file, try_file, try_names};
pub use witness::{
    Account, Accounting, Noted, begin_account, counts_until, end_account, look_aside, spoil_account,
};
