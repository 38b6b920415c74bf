//! The sessions of a killed process and of those that it started: whoever is left in them is killed
//! and waited for, so that no command writes into what is looked at next.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Lists the sessions that a living process and its descendants are in, or may begin: a session has
/// the number of the process that began it.
pub(super) fn of_family(main: Pid) -> BTreeSet<Pid> {
    let all: Vec<_> = processes().collect();
    let mut family = vec![main];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(all.iter().filter(|it| it.parent == parent).map(|it| it.pid));
        next += 1;
    }
    let within = all.iter().filter(|it| family.contains(&it.pid));
    let sessions: Vec<_> = within.map(|it| it.session).collect();
    family.into_iter().chain(sessions).collect()
}

/// Kills until nobody is left in these sessions.
pub(super) fn end(sessions: &BTreeSet<Pid>) {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let left: Vec<_> = processes()
            .filter(|it| sessions.contains(&it.session))
            .map(|it| it.pid)
            .collect();
        if left.is_empty() || Instant::now() > patience {
            return;
        }
        for pid in left {
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// A process that has not ended.
struct Process {
    pid: Pid,
    parent: Pid,
    session: Pid,
}

fn processes() -> impl Iterator<Item = Process> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
}

fn process(pid: i32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; behind it: state, parent, group, session.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then(|| Process {
        pid: Pid::from_raw(pid),
        parent: Pid::from_raw(parent),
        session: Pid::from_raw(session),
    })
}
