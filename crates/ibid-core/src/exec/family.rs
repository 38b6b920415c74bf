//! Which processes belong to a command, as `/proc` shows them.
//!
//! Reading is separate from judging: [`Kin::members`] is a pure function of what was read. Where
//! `/proc` is not mounted nothing is found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal};

use super::Survivor;
use crate::fs::{PathError, numbers_in, read_link, read_once, read_start};

const PROC: &str = "/proc";

/// A process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Whether it has ended and only waits for its parent to ask.
    pub(super) dead: bool,
    /// Whether it runs, or would if it had a processor.
    pub(super) runnable: bool,
    /// Clock ticks since boot; with the process id it names a process for good.
    pub(super) start: u64,
    pub(super) name: Vec<u8>,
}

impl Process {
    /// Looks at one process.
    pub(super) fn look(pid: i32) -> Option<Self> {
        // The kernel gives the line at once, and no name in it is longer than 64 bytes.
        let mut line = [0; 2048];
        let path = Path::new(PROC).join(format!("{pid}/stat"));
        Self::parse(read_once(&path, &mut line).ok()?)
    }

    /// Takes apart a line of `/proc/<pid>/stat`. The name may hold anything, brackets included.
    fn parse(stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let name = stat.get(open + 1..close)?.to_owned();
        let pid = std::str::from_utf8(&stat[..open])
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let rest = std::str::from_utf8(&stat[close + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
        let state = *fields.first()?;
        Some(Self {
            pid,
            dead: matches!(state, "Z" | "X" | "x"),
            runnable: state == "R",
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            start: fields.get(19)?.parse().ok()?,
            name,
        })
    }

    /// Sends it a signal, unless its id names another process by now.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok();
        // Looked at with the handle held: if it is the one that was meant, so is the handle.
        if Self::look(self.pid).is_none_or(|found| found.start != self.start) {
            return;
        }
        // What has ended meanwhile needs no signal; what belongs to another user takes none.
        let _ = match handle {
            Some(handle) => rustix::process::pidfd_send_signal(handle, signal),
            None => rustix::process::kill_process(pid, signal),
        };
    }

    pub(super) fn survivor(&self) -> Survivor {
        Survivor {
            pid: self.pid.unsigned_abs(),
            name: self.name.clone(),
        }
    }
}

/// Looks at all processes that this user may see.
pub(super) fn all() -> Vec<Process> {
    let pids = numbers_in(Path::new(PROC)).unwrap_or_default();
    pids.into_iter().filter_map(Process::look).collect()
}

/// Returns the children of this process, or `None` where the kernel keeps no list.
pub(super) fn own_children() -> Option<Vec<i32>> {
    let tasks = PathBuf::from("/proc/self/task");
    let mut children = Vec::new();
    for task in numbers_in(&tasks).ok()? {
        let path = tasks.join(format!("{task}/children"));
        match read_list(&path) {
            Ok(list) => children.extend(
                std::str::from_utf8(&list)
                    .ok()?
                    .split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            ),
            // A thread that ended since the list was read has no children left.
            Err(_) if numbers_in(&tasks).is_ok_and(|tasks| !tasks.contains(&task)) => {}
            Err(_) => return None,
        }
    }
    Some(children)
}

/// Reads a list of process ids whole. One call gives all of a short one; of a longer one it may
/// give less than there is room for, so that is read until nothing more comes.
fn read_list(path: &Path) -> Result<Vec<u8>, PathError> {
    const SHORT: usize = 512;
    let mut start = [0; 2 * SHORT];
    match read_once(path, &mut start)? {
        list if list.len() < SHORT => Ok(list.to_vec()),
        _ => read_start(path, 1 << 20),
    }
}

/// Returns the processes, but for this one, that have one of `pipes` open; pipes are named as
/// their links in `/proc/<pid>/fd` are. Slow: it looks at every descriptor of this user.
///
/// A child that another thread of this process is about to start holds copies of all descriptors
/// until it executes its program. It writes to none of them, so it does not count.
pub(super) fn holders(pipes: &[Vec<u8>]) -> Vec<Process> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let program = |pid: i32| read_link(&Path::new(PROC).join(format!("{pid}/exe"))).ok();
    let own_program = program(own);
    let is_being_started = |process: &Process| {
        process.parent == own && own_program.is_some() && program(process.pid) == own_program
    };
    let holds = |pid: &i32| {
        let dir = Path::new(PROC).join(format!("{pid}/fd"));
        let descriptors = numbers_in(&dir).unwrap_or_default();
        descriptors.into_iter().any(|descriptor| {
            read_link(&dir.join(descriptor.to_string())).is_ok_and(|text| pipes.contains(&text))
        })
    };
    let pids = numbers_in(Path::new(PROC)).unwrap_or_default();
    pids.into_iter()
        .filter(|pid| *pid != own)
        .filter(holds)
        .filter_map(Process::look)
        .filter(|process| !is_being_started(process))
        .collect()
}

/// What makes a process one of a command's.
#[derive(Debug)]
pub(super) struct Kin<'a> {
    /// The command's first process, which leads its session and its group.
    pub(super) leader: i32,
    /// When that started.
    pub(super) since: u64,
    /// This process, if it adopts orphans.
    pub(super) adopter: Option<i32>,
    /// Leaders of other commands that run meanwhile.
    pub(super) others: &'a BTreeSet<i32>,
}

impl Kin<'_> {
    /// Says whether a process has never left the command's session, or only for another group.
    pub(super) fn is_in_session(&self, process: &Process) -> bool {
        process.session == self.leader || process.group == self.leader
    }

    /// Returns those of `processes` that are alive and belong to the command, but for its leader.
    ///
    /// An orphan that left its session may be of any command that ran when it started. It counts
    /// for each of them: a result too few stored is better than a false one.
    pub(super) fn members(&self, processes: Vec<Process>) -> Vec<Process> {
        let is_orphan = |process: &Process| {
            Some(process.parent) == self.adopter
                && process.start >= self.since
                && !self.others.contains(&process.pid)
                && !self.others.contains(&process.session)
        };
        let mut members: BTreeSet<i32> = processes
            .iter()
            .filter(|process| self.is_in_session(process) || is_orphan(process))
            .map(|process| process.pid)
            .collect();
        loop {
            let before = members.len();
            let children: Vec<i32> = processes
                .iter()
                .filter(|process| members.contains(&process.parent))
                .map(|process| process.pid)
                .collect();
            members.extend(children);
            if members.len() == before {
                break;
            }
        }
        let mut found = processes;
        found.retain(|process| {
            !process.dead && process.pid != self.leader && members.contains(&process.pid)
        });
        found.sort_by_key(|process| process.pid);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, session: i32) -> Process {
        Process {
            pid,
            parent,
            group: session,
            session,
            dead: false,
            runnable: false,
            start: u64::from(pid.unsigned_abs()),
            name: b"x".to_vec(),
        }
    }

    fn members(adopter: Option<i32>, others: &[i32], processes: Vec<Process>) -> Vec<i32> {
        let kin = Kin {
            leader: 100,
            since: 100,
            adopter,
            others: &others.iter().copied().collect(),
        };
        let members = kin.members(processes);
        members.iter().map(|process| process.pid).collect()
    }

    #[test]
    fn a_status_line_is_read_whatever_the_name_holds() {
        let mut line = b"42 (a) Z 9 (\xff) S 7 40 39 0".to_vec();
        line.extend_from_slice(b" 0 0 0 0 0 0 0 0 0 0 0 0 0 0 12345 1 2");
        let parsed = Process::parse(&line).unwrap();
        assert_eq!(
            parsed,
            Process {
                pid: 42,
                parent: 7,
                group: 40,
                session: 39,
                dead: false,
                runnable: false,
                start: 12345,
                name: b"a) Z 9 (\xff".to_vec(),
            }
        );
        assert_eq!(Process::parse(b"42 (a S 7"), None);
        assert_eq!(Process::parse(b""), None);
    }

    // Its session and its parent may lie outside the process namespace (a container's first
    // process): those have the number 0 here, which is no process id.
    #[test]
    fn this_process_is_seen_with_its_parent() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        let seen = Process::look(own).unwrap();
        assert_eq!((seen.parent, seen.dead), (parent, false));
        assert!(all().iter().any(|process| process.pid == own));
    }

    #[test]
    fn the_session_and_its_descendants_are_members_and_the_leader_and_the_dead_are_not() {
        let mut dead = process(104, 1, 100);
        dead.dead = true;
        let other_group = Process {
            group: 105,
            ..process(105, 1, 100)
        };
        let processes = vec![
            process(1, 0, 1),
            process(100, 50, 100),
            process(101, 1, 100),
            process(102, 101, 102),
            process(103, 102, 103),
            dead,
            other_group,
            process(106, 1, 1),
        ];
        assert_eq!(members(None, &[], processes), [101, 102, 103, 105]);
    }

    #[test]
    fn an_adopted_orphan_is_a_member_unless_it_is_older_or_of_another_command() {
        let processes = vec![
            process(50, 1, 50),
            process(90, 50, 90),
            process(100, 50, 100),
            process(110, 50, 110),
            process(111, 110, 111),
            process(120, 50, 120),
            process(121, 50, 120),
        ];
        assert_eq!(members(Some(50), &[120], processes.clone()), [110, 111]);
        assert_eq!(members(None, &[120], processes), [0; 0]);
    }
}
