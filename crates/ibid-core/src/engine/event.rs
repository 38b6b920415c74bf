//! `Event`: everything that a front door can hear about.
//!
//! The library prints nothing. It calls one method of one sink; reports for people, JSON lines
//! and progress bars are made of these values, and of nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use super::outcome::{Rerun, StepOutcome};
use crate::digest::Key;
use crate::exec::Stream;
use crate::fs::Meter;
use crate::tree::Escaped;

/// Receives events, from any thread.
pub trait Sink: Sync {
    /// Takes one event; must not block for long.
    fn event(&self, event: &Event<'_>);
}

/// Something happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Work on bytes began; the meter moves until [`Event::WorkEnded`].
    WorkBegan {
        /// What is being done.
        work: Work,
        /// Bytes done and expected.
        meter: Arc<Meter>,
    },
    /// The work that began last is over.
    WorkEnded,
    /// The key is known.
    Prepared {
        /// The step's label.
        label: &'a str,
        /// Its key.
        key: Key,
    },
    /// The command is about to run.
    Running {
        /// Why.
        rerun: &'a Rerun,
    },
    /// The command wrote these bytes, live or in a replay.
    Output {
        /// To which stream.
        stream: Stream,
        /// The bytes, exactly.
        bytes: &'a [u8],
    },
    /// Another process is computing the same, or writing the same outputs.
    Waiting {
        /// Who, as people would say it: `pid 4711 on node3`.
        holder: String,
        /// What it holds: a key or an output's path.
        what: &'a str,
    },
    /// Something worth knowing, once.
    Note(Note),
    /// Something was lost, or will be missed.
    Warning(Warning),
    /// The step is over.
    Finished {
        /// The step's label.
        label: &'a str,
        /// How it went.
        outcome: &'a StepOutcome,
    },
}

/// Work that moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading inputs.
    Hashing,
    /// Copying outputs into the store.
    Storing,
    /// Copying outputs out of the store.
    Restoring,
}

/// Something worth knowing that needs no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Note {
    /// Words of the command name files that were not declared.
    #[error("keyed without being declared: {}", .0.join(", "))]
    Implied(Vec<String>),
    /// A command line names more than is looked for.
    #[error(
        "{0} words of the command were not looked for among the files: what they name is not keyed"
    )]
    WordsLeftOut(usize),
    /// An absolute path is part of the key.
    #[error(
        "the absolute path `{0}` is part of the key: the result is not shared with other folders"
    )]
    AbsolutePath(String),
    /// A pipe in a script under a shell that cannot see its left side fail.
    #[error(
        "the script has a pipe, and `{0}` does not notice when its left side fails: bash with \
             `pipefail` does"
    )]
    PipeWithoutPipefail(String),
    /// Bytes that stood where outputs were written are kept.
    #[error("{count} replaced {} kept in `{}`", if *.count == 1 { "file" } else { "files" }, Escaped::path(.at))]
    Replaced {
        /// How many files.
        count: usize,
        /// The directory that holds them.
        at: PathBuf,
    },
    /// What a failed run wrote is kept.
    #[error("the partial outputs of the failed run are kept in `{}`", Escaped::path(.0))]
    Partial(PathBuf),
    /// A failed run may have changed outputs that it was to update.
    #[error("kept as the failed run left {}: {}", if .0.len() == 1 { "it" } else { "them" }, .0.join(", "))]
    LeftUpdated(Vec<String>),
    /// Another run of this key gave something else.
    #[error("the command is not deterministic: it gave other outputs than the stored run of the same key ({})", .0.join(", "))]
    NotDeterministic(Vec<String>),
    /// A step of many asks for more of a resource than there is.
    #[error("asks for {asked} of `{resource}`, and there is {limit}: nothing else runs beside it")]
    RunsAlone {
        /// The resource.
        resource: String,
        /// How much it asks for.
        asked: u64,
        /// How much there is.
        limit: u64,
    },
    /// A stored result takes a large part of what the store may become.
    #[error(
        "the result takes {}, more than a tenth of the {} that the cache may take \
         (`max_size`), and will push others out: `store = \"digest\"` keeps no copy of such outputs, \
         `IBID_MAX_SIZE` or `max_size` in a settings file gives the cache more room",
        rounded(*.size),
        rounded(*.budget)
    )]
    LargeResult {
        /// Bytes of its outputs.
        size: u64,
        /// What the store may take.
        budget: u64,
    },
    /// Hard links were asked for where they are not safe.
    #[error("hard links are not used here: {0}")]
    NoHardLinks(String),
}

/// Something was lost, or will be missed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A pattern of inputs stands for outputs of other steps, and matches something else too.
    #[error("`{pattern}` stands for outputs of other steps; what else matches does not count: {}", few(.files))]
    NotCounted {
        /// The pattern.
        pattern: String,
        /// What matches it and is no step's output.
        files: Vec<String>,
    },
    /// Something in the store was damaged, and was put aside.
    #[error("{0}; it was put aside and the entry will be made again")]
    Damaged(String),
    /// Outputs could not be restored.
    #[error("could not restore: {0}; running the command instead")]
    NotRestored(String),
    /// A result of a past run was not recorded in history, or a lease failed, or the like.
    #[error("{0}")]
    Store(String),
}

/// Prints a size in decimal units, as all sizes for people are.
fn rounded(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

/// Names a few files, and says how many more there are.
fn few(files: &[String]) -> String {
    const NAMED: usize = 5;
    let names: Vec<_> = files
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    match files.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
