//! Settings: which there are, what each is, and which layer said so.
//!
//! Strongest first: flags and call arguments (and the file of `--config`), `IBID_*` variables, the
//! table `[config]` of the project's `ibid.toml`, the user's file, the machine's file, the default.
//! One table (`setting.rs`) declares every setting; adding one is adding a line there.
//!
//! The project's root is found here too, because its file is a layer. Invariant: a file of another
//! user takes part only if it was trusted by name (hazard G8), since a project's file runs commands.

mod budgets;
mod document;
mod load;
mod root;
mod setting;
mod value;

pub use budgets::{AgeLimit, Grace};
pub use load::{ConfigError, Loaded, Request, load};
pub use root::{PROJECT_FILE, ProjectFile, Root, RootError, RootOrigin};
pub use setting::{Config, Entry, Overrides, Setting, Spec};
pub use value::{
    Durability, LinkPreference, Sharing, StatCachePolicy, TrustedPaths, UserName, UserNames,
};
