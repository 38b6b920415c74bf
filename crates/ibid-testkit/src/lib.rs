//! Test environments, tree builders and fault harnesses. Never ships.

#![expect(
    clippy::disallowed_methods,
    reason = "tests set up files, folders and processes by themselves"
)]

pub mod campaign;
mod component;
pub mod disks;
mod temp_dir;
mod test_env;

pub use component::{component, skipped};
pub use temp_dir::TempDir;
pub use test_env::{Ran, TestEnv, without_moments};
