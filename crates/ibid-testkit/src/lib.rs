//! Test environments, tree builders and fault harnesses. Never ships.

mod temp_dir;
mod test_env;

pub use temp_dir::TempDir;
pub use test_env::{Ran, TestEnv};
