//! A process that was started, and its descendants: found, killed, waited for.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::processes::{Process, descendants};

/// Whom a kill hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victims {
    /// The binary under test; its command lives on.
    Binary,
    /// The binary, the command and all its children.
    Family,
}

/// Kills with SIGKILL, and waits until nothing of the family is left, so that no command writes
/// into what is looked at next.
pub(super) fn kill(mut child: Child, victims: Victims) {
    let pid = i32::try_from(child.id()).expect("the kernel counts processes in 22 bits");
    let descendants = descendants(pid);
    // Not reaped yet, so that the number is still its own.
    let _ = child.kill();
    if victims == Victims::Family {
        descendants.iter().for_each(Process::kill);
    }
    let _ = child.wait();
    let patience = Instant::now() + Duration::from_secs(10);
    while descendants.iter().any(Process::is_alive) && Instant::now() < patience {
        thread::sleep(Duration::from_millis(1));
    }
}
