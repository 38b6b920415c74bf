//! Signals: those sent to this process, and the one that ended the command.

use std::time::Duration;

use ibid_core::exec::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, raise};

/// After a second signal this much time is left for what is killed by it to be seen as ended.
const AT_ONCE: Duration = Duration::from_secs(1);

/// From here on the signals that ask a process to end are handed to what runs, which ends and is
/// reported, instead of ending this process.
pub(crate) fn forward_to(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    on_each(move |signal| interrupt.raise(signal));
}

/// Like [`forward_to`], for a run that may be at other work than running commands: the second
/// signal ends this process soon, whatever it is at. Nothing that is half written is believed.
pub(crate) fn forward_and_end(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    on_each(move |signal| {
        interrupt.raise(signal);
        if interrupt.count() == 2 {
            // Without a thread the process ends when its work does.
            let _ = std::thread::Builder::new()
                .name("at once".to_owned())
                .spawn(move || {
                    std::thread::sleep(AT_ONCE);
                    die_by(signal);
                });
        }
    });
}

fn on_each(act: impl Fn(i32) + Send + 'static) {
    // Where the handlers cannot be set, a signal ends this process, and the kernel the command.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]) else {
        return;
    };
    let _ = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().for_each(act));
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
