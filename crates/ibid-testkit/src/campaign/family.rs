//! A process that was started, and its descendants: found, killed, waited for.

use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

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
    let descendants = descendants(child.id());
    // Not reaped yet, so that the number is still its own.
    let _ = child.kill();
    if victims == Victims::Family {
        for pid in &descendants {
            if let Some(pid) = i32::try_from(pid.0).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
    let _ = child.wait();
    let patience = Instant::now() + Duration::from_secs(10);
    while descendants.iter().any(is_alive) && Instant::now() < patience {
        thread::sleep(Duration::from_millis(1));
    }
}

/// A process and when it started, which tells it from a later one of the same number.
type Known = (u32, String);

/// Lists the descendants of a process.
fn descendants(of: u32) -> Vec<Known> {
    let mut children: BTreeMap<u32, Vec<Known>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        if let Some((pid, (parent, started))) = pid.and_then(|pid| Some((pid, stat(pid)?))) {
            children.entry(parent).or_default().push((pid, started));
        }
    }
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            open.push(child.0);
            found.push(child);
        }
    }
    found
}

/// Reads the parent and the start time of a process that has not ended.
fn stat(pid: u32) -> Option<(u32, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.to_owned();
    (state != "Z").then_some((parent, started))
}

fn is_alive((pid, started): &Known) -> bool {
    stat(*pid).is_some_and(|(_, now)| now == *started)
}
