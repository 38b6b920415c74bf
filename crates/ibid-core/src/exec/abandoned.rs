//! Ends what a killed front door left running.
//!
//! The kernel ends a command with the process that started it, but not what the command started in
//! turn: that could write into outputs which somebody else makes by now (hazards A8, C4).

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Session;
use super::family::{Process, all};
use super::run::CLEAR;

/// Kills all processes of a session whose owner is known to be gone, and waits until they are.
/// A session of the same number that began at another time is somebody else's.
pub fn end_session(session: Session) {
    let until = Instant::now() + CLEAR;
    let pid = i64::from(session.leader);
    let is_leader = |process: &Process| i64::from(process.pid) == pid;
    loop {
        let processes = all();
        if processes
            .iter()
            .any(|process| is_leader(process) && process.start != session.start)
        {
            return;
        }
        let left = processes
            .iter()
            .filter(|process| i64::from(process.session) == pid && !process.dead);
        let count = left.map(|process| process.signal(Signal::KILL)).count();
        if count == 0 || Instant::now() >= until {
            return;
        }
        // They end in their own time; no descriptor tells of it.
        thread::sleep(Duration::from_millis(1));
    }
}
