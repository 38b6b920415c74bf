//! Replay: what a stored run printed, printed again, in the order in which it came.

use std::fs::File;
use std::io::Seek as _;

use super::context::Context;
use super::event::Event;
use super::freshness::Miss;
use crate::action::Trigger;
use crate::exec::{self, LogError, Stream};
use crate::store::{BlobProblem, LocalStore, MissReason, StreamLogRef};

/// Up to this size a log is read once and kept: reading and hashing it costs less than asking
/// whether it was verified before, and reading it twice.
const KEPT: u64 = 64 << 10;

/// A stored log, verified and at hand: nothing of it can vanish any more.
pub(super) struct Log(Option<Content>);

enum Content {
    Memory(Vec<u8>),
    File(File),
}

/// Opens a result's log. A log that is missing or damaged makes the whole entry a miss, so this
/// comes before anything is restored.
pub(super) fn open(log: Option<StreamLogRef>, store: &LocalStore) -> Result<Log, Miss> {
    let Some(log) = log else { return Ok(Log(None)) };
    let because = |reason| Miss::because(Trigger::Outputs, format!("stream log: {reason}"));
    let content =
        read(log, store).map_err(|problem| because(MissReason::from(problem).to_string()))?;
    match content.well_formed() {
        Ok(()) => Ok(Log(Some(content))),
        Err(reason) => Err(because(reason)),
    }
}

fn read(log: StreamLogRef, store: &LocalStore) -> Result<Content, BlobProblem> {
    if log.size <= KEPT {
        match store.read_blob(&log.blob, KEPT) {
            Ok(bytes) if bytes.len() as u64 == log.size => return Ok(Content::Memory(bytes)),
            // Of another length than it should have, which the way of the long ones tells.
            Ok(_) | Err(BlobProblem::TooLarge { .. }) => {}
            Err(problem) => return Err(problem),
        }
    }
    let (file, _) = store.open_verified(&log.blob, Some(log.size))?;
    Ok(Content::File(file))
}

impl Content {
    fn replay(&self, sink: impl FnMut(Stream, &[u8])) -> Result<(), LogError> {
        match self {
            Self::Memory(bytes) => exec::replay_bytes(bytes, sink),
            Self::File(file) => exec::replay(file, sink),
        }
    }

    /// Reads a log once in vain, so that half of one is never shown: its bytes are those of its
    /// digest, and may be no log for all that. A file is at its start again.
    fn well_formed(&self) -> Result<(), String> {
        self.replay(|_, _| {}).map_err(|error| error.to_string())?;
        if let Self::File(file) = self {
            let mut file = file;
            file.rewind().map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl Log {
    /// Hands the log to the sink.
    pub(super) fn replay(self, cx: &Context<'_>) {
        let Some(content) = self.0 else { return };
        let told = content.replay(|stream, bytes| {
            cx.emit(&Event::Output { stream, bytes });
        });
        if let Err(error) = told {
            cx.warn(super::event::Warning::Store(format!(
                "the replay is cut short: {error}"
            )));
        }
    }
}
