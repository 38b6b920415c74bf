//! `StepOutcome`: how a step went, as a value.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::freshness::is_success;
use crate::action::{Change, Policy, Trigger};
use crate::digest::Key;
use crate::exec::{Ended, Status};
use crate::store::Replace;
use crate::tree::Escaped;

/// How a step went.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// The key.
    pub key: Key,
    /// What was done.
    pub decision: Decision,
    /// What the command ended with, in this run or in the stored one.
    pub status: Status,
    /// How long it all took here.
    pub elapsed: Duration,
}

impl StepOutcome {
    /// Says whether this is a success for whoever declared the step: the exit code is accepted,
    /// and what stands is the work of a whole run, with every output that must be there.
    pub fn succeeded(&self, policy: &Policy) -> bool {
        let accepted = matches!(self.status, Status::Exited(code) if is_success(code, policy));
        let broken = matches!(
            &self.decision,
            Decision::Ran {
                not_stored: Some(
                    NotStored::TimedOut | NotStored::Signalled(_) | NotStored::Outputs(_)
                ),
                ..
            }
        );
        accepted && !broken
    }
}

/// What was done about a step.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Outputs in place already equal the result; nothing was touched.
    UpToDate {
        /// How long the stored run took.
        saved: Duration,
    },
    /// Outputs came out of the store.
    Restored {
        /// How many outputs were put right.
        outputs: usize,
        /// Their bytes.
        bytes: u64,
        /// How long the stored run took.
        saved: Duration,
    },
    /// The command ran.
    Ran {
        /// Why.
        rerun: Rerun,
        /// How long the command took.
        took: Duration,
        /// Why the result was not stored, if it was not.
        not_stored: Option<NotStored>,
    },
}

/// Why the command runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rerun {
    /// The rerun triggers.
    pub triggers: BTreeSet<Trigger>,
    /// What happened at the look-up, in words: `no stored result`, `the result is 3 days old`.
    pub reason: String,
    /// The components that differ from the closest earlier entry of the label.
    pub changes: Vec<Change>,
    /// That entry.
    pub compared_to: Option<Key>,
}

impl Rerun {
    /// Says whether one of these triggers is a reason.
    pub(super) fn is_for_any(&self, triggers: &[Trigger]) -> bool {
        triggers
            .iter()
            .any(|trigger| self.triggers.contains(trigger))
    }
}

/// A command that ran, and why.
pub(super) struct Ran {
    pub(super) rerun: Rerun,
    /// Whether its result replaces one that stands.
    pub(super) replace: Replace,
    /// When it started, since 1970.
    pub(super) started: Duration,
    pub(super) ended: Ended,
    /// Why it is not to be stored, by whoever ran it.
    pub(super) unfit: Vec<String>,
}

/// Why a result that counts was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotStored {
    /// The command failed.
    #[error("the command failed")]
    Failed,
    /// A signal ended it.
    #[error("signal {0} ended the command")]
    Signalled(i32),
    /// It ran out of time.
    #[error("the command ran out of time")]
    TimedOut,
    /// The kernel killed one of its processes for want of memory.
    #[error("a process of the command was killed for want of memory")]
    OutOfMemory,
    /// Inputs changed while it ran.
    #[error("{} changed while the command ran", paths(.0))]
    InputsChanged(Vec<PathBuf>),
    /// Hard links to inputs were made or removed while it ran.
    #[error(
        "a hard link to {} was made or removed while the command ran, and a write may hide \
         behind that",
        paths(.0)
    )]
    InputsLinked(Vec<PathBuf>),
    /// The status of inputs, or of folders that lead to them, changed while it ran.
    #[error(
        "the status of {} (name, mode, owner or the like) changed while the command ran, and more may \
         hide behind that",
        paths(.0)
    )]
    InputsStatus(Vec<PathBuf>),
    /// Folders may have been other ones while it ran.
    #[error(
        "whether {} was moved while the command ran cannot be told, because inotify says nothing \
         of it (see `sysctl fs.inotify`)",
        paths(.0)
    )]
    Untold(Vec<PathBuf>),
    /// Inputs changed when the outputs had been written, or perhaps then: a run that nobody watched
    /// may have read others.
    #[error("{} changed after the outputs were written", paths(.0))]
    InputsYounger(Vec<PathBuf>),
    /// A run that nobody watched left no output that says when it was.
    #[error("there is no output that tells when it ran")]
    Unwitnessed,
    /// Outputs changed while they were stored.
    #[error("{} changed while being stored", paths(.0))]
    OutputsChanged(Vec<PathBuf>),
    /// Declared outputs are missing or of the wrong kind.
    #[error("{}", .0.join(", "))]
    Outputs(Vec<String>),
    /// Whoever ran it says why not.
    #[error("{}", .0.join(", "))]
    Unfit(Vec<String>),
    /// Children of the command live on.
    #[error("still running after the command ended: {}", .0.join(", "))]
    Survivors(Vec<String>),
    /// The user asked not to.
    #[error("the access mode forbids writing")]
    Mode,
    /// The store failed.
    #[error("{0}")]
    Store(String),
}

/// Names a few paths, and says how many more there are.
fn paths(paths: &[PathBuf]) -> String {
    const NAMED: usize = 5;
    let names: Vec<_> = paths
        .iter()
        .take(NAMED)
        .map(|path| format!("`{}`", Escaped::path(path)))
        .collect();
    match paths.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
