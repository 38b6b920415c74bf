//! Exit codes: what a script that calls ibid can rely on.

/// Done; for `exec`, the command's own success.
pub(crate) const OK: u8 = 0;
/// A step failed, where several were asked for; or what was asked about is not known.
pub(crate) const STEP_FAILED: u8 = 1;
/// The command line or a file that the user wrote is wrong; nothing was run.
pub(crate) const USAGE: u8 = 2;
/// `fsck`, `verify`: something is damaged. Added to the other two.
pub(crate) const DAMAGED: u8 = 8;
/// `fsck`, `verify`: something could be changed by somebody who is not trusted.
pub(crate) const UNTRUSTED: u8 = 16;
/// `fsck`, `verify`: something cannot be read.
pub(crate) const UNREADABLE: u8 = 32;
/// ibid itself failed.
pub(crate) const IBID_FAILED: u8 = 125;
/// The command exists and cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The command does not exist.
pub(crate) const NOT_FOUND: u8 = 127;
/// Interrupted from the keyboard.
pub(crate) const INTERRUPTED: u8 = 130;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// With this code.
    Code(u8),
    /// By the signal that ended the command, so that a calling shell sees the same.
    Signal(i32),
}

impl Exit {
    pub(crate) const OK: Self = Self::Code(OK);

    /// Ends as told; returns the code where the signal did not end the process.
    pub(crate) fn leave(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => {
                crate::signals::die_by(signal);
                u8::try_from(128 + signal).unwrap_or(IBID_FAILED)
            }
        }
    }
}
