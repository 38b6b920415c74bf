//! `Deed`: what is done to one call of a traced run.

use nix::errno::Errno;
use nix::unistd::Pid;

use super::registers::{cancel, set_answer, set_argument};

/// What a traced run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Runs undisturbed, and names every call.
    List,
    /// SIGKILL before the call of this number; the call does not happen.
    KillBefore(u64),
    /// SIGKILL once the call has happened.
    KillAfter(u64),
    /// The call of this number goes wrong once.
    Break(u64, Fault),
    /// The thread stands still before the call of this number, until others have done what they
    /// do meanwhile; then the call happens.
    Pause(u64),
    /// The same, and SIGKILL before the call after it.
    PauseAndKill(u64),
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen, and this error is its answer.
    Fail(Errno),
    /// It moves half of the bytes that it was asked to move. Only where it moves bytes.
    Short,
}

impl Deed {
    /// Returns the number of the call that is meant.
    pub(super) fn at(self) -> Option<u64> {
        match self {
            Self::List => None,
            Self::KillBefore(at)
            | Self::KillAfter(at)
            | Self::Break(at, _)
            | Self::Pause(at)
            | Self::PauseAndKill(at) => Some(at),
        }
    }

    /// Returns the number of the call before which the process is killed.
    pub(super) fn kills_before(self) -> Option<u64> {
        match self {
            Self::KillBefore(at) => Some(at),
            Self::PauseAndKill(at) => Some(at + 1),
            _ => None,
        }
    }

    /// Says whether the process is killed.
    pub(super) fn kills(self) -> bool {
        matches!(
            self,
            Self::KillBefore(_) | Self::KillAfter(_) | Self::PauseAndKill(_)
        )
    }
}

/// What has to be put right when a changed call returns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undo {
    answer: Option<Errno>,
    /// A register that the caller believes unchanged: its index among the arguments, its value.
    count: Option<(usize, u64)>,
}

/// Changes a call that is about to happen; `None` where it cannot be made short.
pub(super) fn spoil(
    pid: Pid,
    fault: Fault,
    count: Option<(usize, u64)>,
) -> nix::Result<Option<Undo>> {
    match fault {
        Fault::Fail(errno) => {
            cancel(pid)?;
            Ok(Some(Undo {
                answer: Some(errno),
                count: None,
            }))
        }
        Fault::Short => {
            let Some((register, bytes)) = count.filter(|(_, bytes)| *bytes > 1) else {
                return Ok(None);
            };
            set_argument(pid, register, bytes / 2)?;
            Ok(Some(Undo {
                answer: None,
                count: Some((register, bytes)),
            }))
        }
    }
}

/// Gives the answer of a call that was cancelled, or the old count of one that was cut.
pub(super) fn undo(pid: Pid, undo: Undo) -> nix::Result<()> {
    if let Some(errno) = undo.answer {
        set_answer(pid, -i64::from(errno as i32))?;
    }
    if let Some((register, value)) = undo.count {
        set_argument(pid, register, value)?;
    }
    Ok(())
}
