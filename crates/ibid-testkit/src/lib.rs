//! Test environments, tree builders and fault harnesses. Never ships.

#![expect(
    clippy::disallowed_methods,
    reason = "tests set up files, folders and processes by themselves"
)]

mod temp_dir;

pub use temp_dir::TempDir;
