//! Signals: those sent to this process, and the one that ended the command.

use signal_hook::low_level::{emulate_default_handler, raise};

/// Ends this process by the signal that ended the command, so that a caller sees the same. Returns
/// where the signal does not end a process.
pub(crate) fn die_by(signal: i32) {
    // The command has left its own core file; a second one of this process would mislead.
    let none = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // Restores the default action, then raises. Signals it does not know (real-time ones) are
    // never handled here, so that their action is the default already.
    if emulate_default_handler(signal).is_err() {
        let _ = raise(signal);
    }
}
