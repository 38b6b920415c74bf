//! The processes of this machine, as `/proc` tells of them.
//!
//! Owns what is read there; whom to look for is for others to say. Invariants: one that has ended and
//! waits to be reaped is none, and a later process of the same number is another one.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A process that had not ended when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// It has the number of the process that began it.
    pub(crate) session: i32,
    /// In ticks since this machine started.
    pub(crate) started: u64,
}

/// Looks at all.
pub(crate) fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Process::of(entry.file_name().to_str()?.parse().ok()?))
}

/// Looks at those that a process has started, at what they have started, and so on.
pub(crate) fn descendants(of: i32) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        let those = children.remove(&parent).unwrap_or_default();
        open.extend(those.iter().map(|it| it.pid));
        found.extend(those);
    }
    found
}

impl Process {
    /// Looks at the one of this number.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything. Behind it: state, parent, group, session, and
        // the start 15 fields further on.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let process = Self {
            pid,
            parent: fields.next()?.parse().ok()?,
            session: fields.nth(1)?.parse().ok()?,
            started: fields.nth(15)?.parse().ok()?,
        };
        (!matches!(state, "Z" | "X")).then_some(process)
    }

    /// Says whether it has not ended yet.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Kills it; one that is gone already is fine.
    pub(crate) fn kill(&self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::fs::symlink;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::TempDir;

    fn own() -> Process {
        Process::of(number(std::process::id())).unwrap()
    }

    fn number(pid: u32) -> i32 {
        i32::try_from(pid).unwrap()
    }

    fn started(command: &mut Command) -> Child {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn a_process_is_read_whatever_its_name_holds() {
        let dir = TempDir::new();
        let cat = dir.join("a) Z 1 (");
        symlink("/bin/cat", &cat).unwrap();
        let mut child = started(&mut Command::new(cat));
        let seen = Process::of(number(child.id())).unwrap();
        assert_eq!((seen.parent, seen.session), (own().pid, own().session));
        assert!(seen.started >= own().started && seen.is_alive());
        let earlier = Process {
            started: seen.started - 1,
            ..seen.clone()
        };
        assert!(!earlier.is_alive(), "it had the same number");
        seen.kill();
        child.wait().unwrap();
        assert!(!seen.is_alive());
    }

    #[test]
    fn descendants_are_found_in_sessions_of_their_own_too() {
        let script = "echo started; setsid sh -c 'echo started; read line'; exit 3";
        let mut child = started(Command::new("sh").args(["-c", script]));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.take(2).flatten().count(), 2);
        let found = descendants(number(child.id()));
        let last = found.last().expect("it runs another shell");
        assert_eq!(last.session, last.pid);
        let within = descendants(own().pid);
        assert!(within.contains(last) && !within.contains(&own()));
        found.iter().for_each(Process::kill);
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert!(!found.iter().any(Process::is_alive));
    }
}
