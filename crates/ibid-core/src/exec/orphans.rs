//! Which commands this process runs at the moment, and the adoption of their orphans.
//!
//! Adoption is a property of the whole process (`PR_SET_CHILD_SUBREAPER`), so it is counted here:
//! it begins with the first run that asks for it and ends, with the former setting restored, with
//! the last. Whoever adopts must also reap: a script that waits for its daemon to vanish would
//! otherwise wait for ever.
//!
//! The lock is held from before the pipes of a child are made until it executes its program, and
//! while orphans are reaped. So no run's own child is taken for an orphan; no child ever holds the
//! write end of another's pipe, which would put off its end; and who holds the lock sees no child
//! that is still a copy of this process.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};

use super::Session;
use super::family::{Kin, Process, all, own_children};
use super::spawn::Child;
use super::{ExecError, Orphans};

static RUNS: Mutex<Runs> = Mutex::new(Runs {
    leaders: BTreeSet::new(),
    adopting: 0,
    before: None,
    strays: false,
});

struct Runs {
    leaders: BTreeSet<i32>,
    adopting: usize,
    before: Option<Pid>,
    /// Something has outlived its command. From then on an orphan may be of a command that is
    /// over, whenever it started.
    strays: bool,
}

fn runs() -> MutexGuard<'static, Runs> {
    // The set is whole after every step of every holder, so a panic elsewhere does not spoil it.
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runs {
    fn adopt(&mut self) -> Result<(), ExecError> {
        let failed = |error| ExecError::system("adopt orphaned processes", error);
        if self.adopting == 0 {
            self.before = rustix::process::child_subreaper().map_err(failed)?;
            let own = rustix::process::getpid();
            rustix::process::set_child_subreaper(Some(own)).map_err(failed)?;
        }
        self.adopting += 1;
        Ok(())
    }

    fn release(&mut self) {
        self.adopting -= 1;
        if self.adopting == 0 {
            let _ = rustix::process::set_child_subreaper(self.before);
        }
    }
}

/// A command that runs; dropped when its first process is buried.
#[derive(Debug)]
pub(super) struct Registered {
    leader: i32,
    since: u64,
    orphans: Orphans,
}

impl Registered {
    /// Starts a command and registers it.
    pub(super) fn start(
        orphans: Orphans,
        spawn: impl FnOnce() -> Result<Child, ExecError>,
    ) -> Result<(Self, Child), ExecError> {
        let mut runs = runs();
        if orphans == Orphans::Adopt {
            runs.adopt()?;
        }
        let child = spawn().inspect_err(|_| {
            if orphans == Orphans::Adopt {
                runs.release();
            }
        })?;
        let leader = child.pid.as_raw_nonzero().get();
        runs.leaders.insert(leader);
        let registered = Self {
            leader,
            since: Process::look(leader).map_or(0, |process| process.start),
            orphans,
        };
        Ok((registered, child))
    }

    /// Returns the session that the command leads.
    pub(super) fn session(&self) -> Session {
        Session {
            leader: self.leader.unsigned_abs(),
            start: self.since,
        }
    }

    pub(super) fn adopts(&self) -> bool {
        self.orphans == Orphans::Adopt
    }

    /// Returns the other processes of the command that are alive, and of each whether it is the
    /// command's beyond doubt.
    pub(super) fn members(&self) -> Vec<(Process, Belongs)> {
        let (others, strays) = {
            let runs = runs();
            (runs.leaders.clone(), runs.strays)
        };
        self.members_beside(others, strays)
    }

    /// Hands the members to `look` while no command is being started: so the pipes are open in no
    /// copy of this process. What it is told of and lives on is remembered as a stray.
    pub(super) fn at_rest<T>(&self, look: impl FnOnce(Vec<(Process, Belongs)>) -> T) -> T {
        let mut runs = runs();
        let members = self.members_beside(runs.leaders.clone(), runs.strays);
        runs.strays |= !members.is_empty();
        look(members)
    }

    fn members_beside(&self, mut others: BTreeSet<i32>, strays: bool) -> Vec<(Process, Belongs)> {
        // Every process of a command whose leader has ended descends from a child of ours that
        // lives and is no older than it.
        let may_be_of_it = |child: &i32| {
            !others.contains(child)
                && Process::look(*child).is_some_and(|it| !it.dead && it.start >= self.since)
        };
        if self.adopts() && own_children().is_some_and(|them| !them.iter().any(may_be_of_it)) {
            return Vec::new();
        }
        others.remove(&self.leader);
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let kin = Kin {
            leader: self.leader,
            since: self.since,
            adopter: self.adopts().then_some(own),
            others: &others,
        };
        let is_alone = others.is_empty() && !strays;
        let certainty = |process: &Process| {
            if is_alone || kin.is_in_session(process) {
                Belongs::Surely
            } else {
                Belongs::Perhaps
            }
        };
        kin.members(all())
            .into_iter()
            .map(|process| (process.clone(), certainty(&process)))
            .collect()
    }

    /// Returns the processes that descend from the first one while it is there.
    pub(super) fn descendants(&self) -> Vec<Process> {
        let kin = Kin {
            leader: self.leader,
            since: self.since,
            adopter: None,
            others: &BTreeSet::new(),
        };
        kin.members(all())
    }

    /// Reaps adopted processes that have ended, unless somebody else is at it or starts a command:
    /// nobody is to wait for that.
    pub(super) fn reap(&self) {
        if !self.adopts() {
            return;
        }
        match RUNS.try_lock() {
            Ok(runs) => runs.reap_orphans(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().reap_orphans(),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Waits for the first process and reaps it. It is forgotten in the same moment: its id may
    /// be that of another command's first process from then on.
    pub(super) fn bury(&self) {
        let leader = Pid::from_raw(self.leader).expect("process ids are not zero");
        let wait = |options| {
            while matches!(
                rustix::process::waitid(WaitId::Pid(leader), options),
                Err(Errno::INTR)
            ) {}
        };
        wait(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let mut runs = runs();
        wait(WaitIdOptions::EXITED);
        runs.leaders.remove(&self.leader);
        if self.adopts() {
            runs.reap_orphans();
        }
    }
}

impl Runs {
    fn reap_orphans(&self) {
        let any = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !matches!(rustix::process::waitid(WaitId::All, any), Ok(Some(_))) {
            return;
        }
        let children = own_children().unwrap_or_else(|| {
            let own = rustix::process::getpid().as_raw_nonzero().get();
            let mut children = all();
            children.retain(|process| process.parent == own);
            children.iter().map(|process| process.pid).collect()
        });
        for child in children {
            if let Some(pid) = Pid::from_raw(child)
                && !self.leaders.contains(&child)
            {
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.adopts() {
            runs().release();
        }
    }
}

/// How sure it is that a process belongs to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// Nobody else can have started it.
    Surely,
    /// Another command that runs meanwhile may have started it.
    Perhaps,
}
