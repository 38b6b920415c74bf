//! Where the cache, temporary files, host-local state and config files live.
//!
//! One pure resolver for every front door: it gets the environment, the platform and what the
//! settings say, and answers with paths and the reason for each. It never looks at the disk and
//! creates nothing, so a question has no side effect; whoever uses a directory makes it.
//!
//! Invariants: an empty variable counts as unset; `~` is expanded wherever a path was typed; every
//! path that comes out is absolute.

mod files;
mod origin;
mod resolve;
mod surroundings;

pub use files::ConfigFiles;
pub use origin::{Layer, Origin};
pub use resolve::{Choice, Dirs, LocalDir, Wishes};
pub use surroundings::{App, DirsError, Platform, Surroundings};
