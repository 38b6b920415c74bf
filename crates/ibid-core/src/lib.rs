//! A content-addressed cache for computations.
//!
//! The data flows one way: a declared [`action::Step`] is prepared (its inputs scanned, its key
//! made), looked up, and then either restored or run, captured and committed. The modules are
//! layers; each imports from the layers below it only, and a test holds them to it.
//!
//! This library touches no terminal, no home directory and no process environment: a front door
//! hands those in, and hears of everything that happens through one event sink.
//!
//! One step, run and then found again:
//!
//! ```
//! use std::time::SystemTime;
//!
//! use ibid_core::action::{CommandLine, Step};
//! use ibid_core::engine::{self, Access, Clock, Context, Decision, Event, Provenance, Sink};
//! use ibid_core::exec::Interrupt;
//! use ibid_core::scan::StatCache;
//! use ibid_core::store::{LocalStore, StoreOptions};
//!
//! struct Silent;
//!
//! impl Sink for Silent {
//!     fn event(&self, _: &Event<'_>) {}
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = ibid_testkit::TempDir::new();
//! let cx = Context {
//!     root: dir.path(),
//!     env: &[("PATH", "/usr/bin:/bin")].into_iter().collect(),
//!     store: Some(&LocalStore::open(&dir.join("store"), StoreOptions::default())?),
//!     stats: &StatCache::off(),
//!     spool_dir: dir.path(),
//!     cache_dir: &dir.join("store"),
//!     provenance: &Provenance::default(),
//!     clock: Clock::starting(SystemTime::now()),
//!     interrupt: &Interrupt::new(),
//!     sink: &Silent,
//!     access: Access::default(),
//!     caller: None,
//!     memo: None,
//! };
//! let words = ["echo", "the same as ever"].map(|word| word.as_bytes().to_vec());
//! let step = Step::new(CommandLine::Argv(words.to_vec()));
//!
//! let first = engine::step(&step, &cx)?;
//! assert!(matches!(first.decision, Decision::Ran { .. }));
//!
//! let again = engine::step(&step, &cx)?;
//! assert!(matches!(again.decision, Decision::UpToDate { .. }));
//! assert_eq!(first.key, again.key);
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

pub mod action;
pub mod config;
pub mod digest;
pub mod dirs;
pub mod engine;
pub mod environ;
pub mod exec;
pub mod fs;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod maintain;
pub mod mistake;
pub mod output;
pub mod pipeline;
pub mod scan;
pub mod store;
pub mod tree;
