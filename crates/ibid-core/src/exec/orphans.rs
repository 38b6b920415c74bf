//! Which commands this process runs at the moment, and the adoption of their orphans.
//!
//! Adoption is a property of the whole process (`PR_SET_CHILD_SUBREAPER`), so it is counted here:
//! it begins with the first run that asks for it and ends, with the former setting restored, with
//! the last. Whoever adopts must also reap: a script that waits for its daemon to vanish would
//! otherwise wait for ever. The lock is held while a child is started and while orphans are
//! reaped, so that no run's own child is taken for an orphan.

use std::collections::BTreeSet;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};

use super::Session;
use super::family::{Kin, Process, all, own_children};
use super::{ExecError, Orphans};

static RUNS: Mutex<Runs> = Mutex::new(Runs {
    leaders: BTreeSet::new(),
    adopting: 0,
    before: None,
});

struct Runs {
    leaders: BTreeSet<i32>,
    adopting: usize,
    before: Option<Pid>,
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

/// A command that runs; dropped when its first process is reaped.
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
        let leader = i32::try_from(child.id()).expect("process ids are positive and signed");
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
        let mut others = runs().leaders.clone();
        if self.adopts()
            && own_children()
                .is_some_and(|children| others.is_superset(&children.into_iter().collect()))
        {
            // Every process of a command whose leader has ended descends from a child of ours.
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
        let certainty = |process: &Process| {
            if others.is_empty() || kin.is_in_session(process) {
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

    /// Reaps adopted processes that have ended.
    pub(super) fn reap(&self) {
        if !self.adopts() {
            return;
        }
        let runs = runs();
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
                && !runs.leaders.contains(&child)
            {
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut runs = runs();
        runs.leaders.remove(&self.leader);
        if self.adopts() {
            runs.release();
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
