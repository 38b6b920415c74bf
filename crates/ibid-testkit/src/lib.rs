//! Test environments, tree builders and fault harnesses. Never ships.

#![expect(
    clippy::disallowed_methods,
    reason = "tests set up files, folders and processes by themselves"
)]

pub mod campaign;
mod component;
pub mod disks;
pub mod lab;
mod processes;
mod settled;
mod slow_page;
mod temp_dir;
mod test_env;
mod trace;

pub use component::{component, needs_root, skipped};
pub use settled::until_settled;
pub use slow_page::SlowPage;
pub use temp_dir::TempDir;
pub use test_env::{Ran, TestEnv, without_moments};
