//! Test environments, tree builders and fault harnesses. Never ships.

mod temp_dir;

pub use temp_dir::TempDir;
