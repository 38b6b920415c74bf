//! Replay: what a stored run printed, printed again, in the order in which it came.

use std::fs::File;
use std::io::Seek as _;

use super::context::Context;
use super::event::Event;
use super::freshness::Miss;
use crate::action::Trigger;
use crate::exec::replay as replay_log;
use crate::store::{LocalStore, MissReason, StreamLogRef};

/// A stored log, verified and open: nothing of it can vanish any more.
pub(super) struct Log(Option<File>);

/// Opens a result's log. A log that is missing or damaged makes the whole entry a miss, so this
/// comes before anything is restored.
pub(super) fn open(log: Option<StreamLogRef>, store: &LocalStore) -> Result<Log, Miss> {
    let Some(log) = log else { return Ok(Log(None)) };
    match store.open_verified(&log.blob, Some(log.size)) {
        Ok((file, _)) => match well_formed(&file) {
            Ok(()) => Ok(Log(Some(file))),
            Err(reason) => Err(Miss::because(
                Trigger::Outputs,
                format!("stream log: {reason}"),
            )),
        },
        Err(problem) => {
            let reason = MissReason::from(problem).to_string();
            Err(Miss::because(
                Trigger::Outputs,
                format!("stream log: {reason}"),
            ))
        }
    }
}

/// Reads a log once in vain, so that half of one is never shown: its bytes are those of its digest,
/// and may be no log for all that. The file is at its start again.
fn well_formed(mut file: &File) -> Result<(), String> {
    replay_log(file, |_, _| {}).map_err(|error| error.to_string())?;
    file.rewind().map_err(|error| error.to_string())
}

impl Log {
    /// Hands the log to the sink.
    pub(super) fn replay(self, cx: &Context<'_>) {
        let Some(file) = self.0 else { return };
        let told = replay_log(file, |stream, bytes| {
            cx.emit(&Event::Output { stream, bytes });
        });
        if let Err(error) = told {
            cx.warn(super::event::Warning::Store(format!(
                "the replay is cut short: {error}"
            )));
        }
    }
}
