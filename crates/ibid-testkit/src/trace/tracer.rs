//! The loop around `waitpid`: one tracer thread, all threads of one traced process.
//!
//! Each thread stops before and after each call. The process is killed on every way out, and by
//! the kernel if this thread dies first.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::{Call, Opened, Point, Scope};
use super::deed::{self, Deed, Undo};
use super::{Traced, registers, session};

/// No run here takes so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A call that a thread is in.
#[derive(Clone, Copy)]
struct Pending {
    call: Call,
    /// Whether it is the one that is meant.
    is_struck: bool,
    undo: Option<Undo>,
}

/// How far the process is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The loader is at work; its calls are not counted.
    Loading,
    Running,
    /// Nothing more is to be seen, so that the rest runs at full speed.
    Rest,
}

struct Tracer<'a> {
    main: Pid,
    scope: Scope,
    deed: Deed,
    /// What others do while it pauses.
    meanwhile: &'a mut dyn FnMut(),
    /// The call each known thread is in.
    threads: BTreeMap<Pid, Option<Pending>>,
    opened: Opened,
    stage: Stage,
    calls: u64,
    points: Vec<Point>,
    struck: Option<Point>,
    /// Whether its end was seen, so that its number may be another's.
    ended: bool,
    /// Whether it started no process so far.
    alone: bool,
    /// Where those that it started may live on, once it is killed.
    sessions: BTreeSet<i32>,
}

/// Traces a process that stands still at its start, to its end.
pub(super) fn trace(
    main: Pid,
    (scope, deed): (Scope, Deed),
    meanwhile: &mut dyn FnMut(),
) -> io::Result<Traced> {
    let mut tracer = Tracer {
        main,
        scope,
        deed,
        meanwhile,
        threads: BTreeMap::from([(main, None)]),
        opened: Opened::new(),
        stage: Stage::Loading,
        calls: 0,
        points: Vec::new(),
        struck: None,
        ended: false,
        alone: true,
        sessions: BTreeSet::from([main.as_raw()]),
    };
    let watch = Watch::over(main);
    let code = tracer.follow()?;
    let hung = watch.has_struck();
    if hung || (deed.kills() && !tracer.alone) {
        session::end(&tracer.sessions);
    }
    Ok(Traced {
        calls: tracer.calls,
        points: std::mem::take(&mut tracer.points),
        struck: tracer.struck.take(),
        code,
        hung,
        stdout: Vec::new(),
        stderr: Vec::new(),
    })
}

impl Tracer<'_> {
    /// Waits for its threads until it has ended; returns its exit code.
    fn follow(&mut self) -> nix::Result<Option<i32>> {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        waitpid(self.main, Some(flags))?;
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(self.main, options)?;
        ptrace::syscall(self.main, None)?;
        loop {
            match waitpid(None, Some(flags)) {
                Ok(WaitStatus::PtraceSyscall(pid)) => {
                    gone_is_fine(self.at_call(pid))?;
                    self.go_on(pid, None)?;
                }
                Ok(WaitStatus::PtraceEvent(pid, ..)) => self.go_on(pid, None)?,
                Ok(WaitStatus::Stopped(pid, signal)) => self.at_signal(pid, signal)?,
                Ok(WaitStatus::Exited(pid, code)) if pid == self.main => {
                    self.ended = true;
                    return Ok(Some(code));
                }
                Ok(WaitStatus::Signaled(pid, ..)) if pid == self.main => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands a signal on; a new thread's first stop and a stop of the whole group are none.
    fn at_signal(&mut self, pid: Pid, signal: Signal) -> nix::Result<()> {
        let is_new = !self.threads.contains_key(&pid);
        self.threads.entry(pid).or_insert(None);
        if is_new && signal == Signal::SIGSTOP {
            return self.go_on(pid, None);
        }
        let stops_group = matches!(ptrace::getsiginfo(pid), Err(Errno::EINVAL));
        self.go_on(pid, (!stops_group).then_some(signal))
    }

    fn go_on(&self, pid: Pid, signal: Option<Signal>) -> nix::Result<()> {
        gone_is_fine(if self.stage == Stage::Rest {
            ptrace::cont(pid, signal)
        } else {
            ptrace::syscall(pid, signal)
        })
    }

    /// A thread stops before and after each of its calls, in turn.
    fn at_call(&mut self, pid: Pid) -> nix::Result<()> {
        if let Some(Some(pending)) = self.threads.get(&pid) {
            // Asking for the answer costs as much as the stop.
            let counts = pending.is_struck || pending.undo.is_some() || pending.call.is_noted();
            let answer = if counts { registers::answer(pid)? } else { 0 };
            self.leave(pid, answer)
        } else {
            let call = registers::call(pid)?;
            self.enter(pid, call)
        }
    }

    fn enter(&mut self, pid: Pid, call: Call) -> nix::Result<()> {
        // The runtime of the language sets its handlers first, after the loader's work.
        let sets_handler = u64::try_from(libc::SYS_rt_sigaction) == Ok(call.number);
        if sets_handler && self.stage == Stage::Loading {
            self.stage = Stage::Running;
        }
        self.alone &= !call.starts_process(pid);
        let mut pending = Pending {
            call,
            is_struck: false,
            undo: None,
        };
        if self.stage == Stage::Running && call.counts(pid, self.scope, &self.opened) {
            self.calls += 1;
            if self.deed == Deed::List {
                self.points.push(call.point(self.calls, pid));
            }
            if self.deed.at() == Some(self.calls) {
                pending.is_struck = true;
                pending.undo = self.strike(pid, &call)?;
            }
            if self.deed.kills_before() == Some(self.calls) {
                registers::cancel(pid)?;
                self.kill();
            }
        }
        self.threads.insert(pid, Some(pending));
        Ok(())
    }

    fn strike(&mut self, pid: Pid, call: &Call) -> nix::Result<Option<Undo>> {
        let point = call.point(self.calls, pid);
        let undo = match self.deed {
            Deed::List | Deed::KillBefore(_) | Deed::KillAfter(_) => None,
            Deed::Pause(_) | Deed::PauseAndKill(_) => {
                (self.meanwhile)();
                None
            }
            Deed::Break(_, fault) => match deed::spoil(pid, fault, call.count())? {
                Some(undo) => Some(undo),
                None => return Ok(None),
            },
        };
        self.struck = Some(point);
        Ok(undo)
    }

    fn leave(&mut self, pid: Pid, answer: i64) -> nix::Result<()> {
        let Some(pending) = self.threads.insert(pid, None).flatten() else {
            return Ok(());
        };
        if pending.is_struck {
            match self.deed {
                Deed::KillAfter(_) => self.kill(),
                Deed::PauseAndKill(_) => {}
                _ => self.stage = Stage::Rest,
            }
        }
        if let Some(undo) = pending.undo {
            return deed::undo(pid, undo);
        }
        pending.call.note(pid, answer, &mut self.opened);
        Ok(())
    }

    fn kill(&mut self) {
        if !self.alone {
            // Who lives on has another parent then.
            self.sessions.extend(session::of_family(self.main));
        }
        // Not reaped yet, so that the number is still its own.
        let _ = kill(self.main, Signal::SIGKILL);
    }
}

impl Drop for Tracer<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
            let _ = waitpid(self.main, Some(WaitPidFlag::__WALL));
            session::end(&self.sessions);
        }
    }
}

/// A thread that was killed cannot be asked or resumed any more; its end is told later.
fn gone_is_fine(outcome: nix::Result<()>) -> nix::Result<()> {
    match outcome {
        Err(Errno::ESRCH) => Ok(()),
        outcome => outcome,
    }
}

/// Kills a process that does not end.
struct Watch {
    struck: Arc<AtomicBool>,
    _end: Sender<()>,
}

impl Watch {
    fn over(pid: Pid) -> Self {
        let (end, ended) = channel::<()>();
        let struck = Arc::new(AtomicBool::new(false));
        let has_struck = Arc::clone(&struck);
        thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                has_struck.store(true, Ordering::SeqCst);
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        Self { struck, _end: end }
    }

    fn has_struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }
}
