//! The sessions of a killed process and of those that it started: whoever is left in them is killed
//! and waited for, so that no command writes into what is looked at next.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::processes::{Process, all, descendants};

/// Lists the sessions that a living process and its descendants are in, or may begin: a session has
/// the number of the process that began it.
pub(super) fn of_family(main: Pid) -> BTreeSet<i32> {
    let main = main.as_raw();
    let family = Process::of(main).into_iter().chain(descendants(main));
    let sessions = family.flat_map(|it| [it.pid, it.session]);
    sessions.chain([main]).collect()
}

/// Kills until nobody is left in these sessions.
pub(super) fn end(sessions: &BTreeSet<i32>) {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let left: Vec<_> = all().filter(|it| sessions.contains(&it.session)).collect();
        if left.is_empty() || Instant::now() > patience {
            return;
        }
        left.iter().for_each(Process::kill);
        thread::sleep(Duration::from_micros(200));
    }
}
