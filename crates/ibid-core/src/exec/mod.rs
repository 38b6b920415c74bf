//! Runs commands: spawns, watches, captures the streams, and ends the whole family if it must.
//!
//! Knows nothing of keys, stores or caching: a [`Launch`] says exactly what to start, an [`Ended`]
//! says exactly what came of it, and what that means is for others to judge. A command that ran
//! and failed is an [`Ended`]; an [`ExecError`] means that nothing ran.
//!
//! Invariants: no signal handler is installed, since a library does not own its process; the
//! child's environment, umask, signal dispositions and descriptors are those of the launch and
//! not those of the caller (hazards A1, A6); capture ends with the process and not with its pipes,
//! and whatever lives on is named (hazards A8, K1).

mod abandoned;
mod environment;
mod error;
mod family;
mod interrupt;
mod launch;
mod log;
mod oom;
mod orphans;
mod run;
mod spawn;
mod streams;

#[cfg(test)]
mod tests;

pub use abandoned::end_session;
pub use environment::minimal_environment;
pub use error::ExecError;
pub use interrupt::Interrupt;
pub use launch::{Ended, Launch, OnStart, Orphans, Session, Status, Stdin, Survivor};
pub use log::{
    LogError, LogReader, MAX_CHUNK, SpooledLog, Stream, StreamLog, replay, replay_bytes,
};
pub use run::run;
pub use spawn::{expect_child_status, ignore_broken_pipes};
