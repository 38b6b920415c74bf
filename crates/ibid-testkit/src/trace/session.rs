//! The session of a killed process: whoever is left in it is killed and waited for, so that no
//! command writes into what is looked at next.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills until nobody is left; a session has the number of the process that began it.
pub(super) fn end(session: Pid) {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let left = members(session);
        if left.is_empty() || Instant::now() > patience {
            return;
        }
        for pid in left {
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// Lists who is alive in a session.
fn members(session: Pid) -> Vec<Pid> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| session_of(*pid) == Some(session.as_raw()))
        .map(Pid::from_raw)
        .collect()
}

/// Returns the session of a process that has not ended.
fn session_of(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; behind it: state, parent, group, session.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let session = fields.nth(2)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(session)
}
