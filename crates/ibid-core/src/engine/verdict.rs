//! Whether a run may be stored: a pure judgement of how it ended.
//!
//! Only whole runs are stored: one that a signal, a time limit or the kernel's memory killer
//! ended, or that left processes behind which can still write, gave outputs that may be anything
//! (hazards A8, A9).

use super::freshness::is_success;
use super::outcome::NotStored;
use crate::action::Policy;
use crate::exec::{Ended, Status, Survivor};
use crate::tree::Escaped;

/// What the end of a command allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It succeeded: outputs are captured.
    Success,
    /// It failed, and the user wants failures stored: streams and exit code are.
    StoredFailure,
    /// It is not stored. `success` says whether its outputs count for the caller all the same.
    Refused {
        /// Why.
        why: NotStored,
        /// Whether the exit code was accepted.
        success: bool,
    },
}

pub(super) fn judge(ended: &Ended, policy: &Policy) -> Verdict {
    let success = matches!(ended.status, Status::Exited(code) if is_success(code, policy));
    let refused = |why| Verdict::Refused { why, success };
    if ended.timed_out {
        return Verdict::Refused {
            why: NotStored::TimedOut,
            success: false,
        };
    }
    if let Some(signal) = ended.interrupted {
        return Verdict::Refused {
            why: NotStored::Signalled(signal),
            success: false,
        };
    }
    if let Status::Signalled { signal } = ended.status {
        return refused(NotStored::Signalled(signal));
    }
    if ended.oom_killed {
        return refused(NotStored::OutOfMemory);
    }
    if !ended.survivors.is_empty() || ended.streams_open {
        let named = |process: &Survivor| format!("{} ({})", Escaped(&process.name), process.pid);
        return refused(NotStored::Survivors(
            ended.survivors.iter().map(named).collect(),
        ));
    }
    match (success, policy.cache_failures) {
        (true, _) => Verdict::Success,
        (false, true) => Verdict::StoredFailure,
        (false, false) => refused(NotStored::Failed),
    }
}
