//! Paths, entries and directory trees as pure data.
//!
//! Nothing here touches a file system: [`crate::scan`] and [`crate::output`] make and apply these
//! values. Invariant: whatever is decoded here can be written below a directory without leaving
//! it, because a [`RelPath`] has no `..`, no root and no NUL (hazard G1).

mod content;
mod escaped;
mod listing;
mod place;
mod relpath;

pub use content::{Content, DecodeContentError};
pub use escaped::Escaped;
pub use listing::{Entry, MAX_TREE_DEPTH, Tree, TreeError};
pub use place::Place;
pub use relpath::{RelPath, RelPathError};
