//! Signals: those sent to this process, and the one that ended the command.

use ibid_core::exec::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, raise};

/// From here on the signals that ask a process to end are handed to what runs, which ends and is
/// reported, instead of ending this process.
pub(crate) fn forward_to(interrupt: &Interrupt) {
    // Where the handlers cannot be set, a signal ends this process, and the kernel the command.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]) else {
        return;
    };
    let interrupt = interrupt.clone();
    let _ = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                interrupt.raise(signal);
            }
        });
}

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
