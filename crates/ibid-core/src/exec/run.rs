//! `run`: one command from its start to the end of its capture.
//!
//! One loop on the calling thread waits for the two pipes, the process and the interrupt. It must
//! stay on the thread that started the child, because the kernel ties the child's death to it.
//!
//! ```text
//! spawn -> watch ----- exit -----------------> settle -> name survivors -> reap
//!            |                                                             ^
//!            +-- time-out, interrupt: signal -> grace -> SIGKILL -> exit --+ (nothing is left)
//! ```
//!
//! The first process is reaped last: until then neither its id nor that of its group can come to
//! name another's, so every signal reaches the command and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus};

use super::family::{Process, holders};
use super::orphans::{Belongs, Registered};
use super::spawn::spawn;
use super::streams::Streams;
use super::{Ended, ExecError, Interrupt, Launch, Status, Stream, Survivor, oom};

/// How long processes that outlive the first one have to end by themselves: pipelines and process
/// substitutions end in no fixed order.
const SETTLE: Duration = Duration::from_millis(200);

/// How much longer it may take where they would run if they had a processor: on a machine that is
/// busy, what is about to end can wait for its turn for longer than that.
const STARVED: Duration = Duration::from_secs(2);

/// How long the kernel has to clear away what was killed.
pub(super) const CLEAR: Duration = Duration::from_secs(2);

/// Longer than any command runs.
const FAR: Duration = Duration::from_hours(100 * 365 * 24);

/// How often is looked at what cannot be waited for.
const TICK: Duration = Duration::from_millis(10);

/// How often adopted processes are reaped while the command runs.
const REAP: Duration = Duration::from_millis(100);

/// Runs a command and waits for its end. Bytes that it writes go to `sink` as they arrive.
///
/// An error means that nothing ran, or, for [`ExecError::StatusLost`], that nothing can be said
/// about it; a command that ran and failed is an [`Ended`].
pub fn run(
    mut launch: Launch,
    sink: &mut dyn FnMut(Stream, &[u8]),
    interrupt: &Interrupt,
) -> Result<Ended, ExecError> {
    if let Some(signal) = interrupt.signal() {
        return Err(ExecError::Interrupted { signal });
    }
    interrupt.prepare()?;
    let killed_before = oom::kills();
    let started = Instant::now();
    let mut watch = Watch::start(&mut launch, sink, interrupt)?;
    if let Some(on_start) = launch.on_start.0.take() {
        on_start(watch.registered.session());
    }
    let status = watch.until_exit()?;
    let duration = started.elapsed();
    let survivors = watch.settle();
    watch.reap();
    let killed_after = oom::kills();
    Ok(Ended {
        status,
        timed_out: watch
            .ending
            .as_ref()
            .is_some_and(|ending| ending.cause == Cause::Time),
        oom_killed: killed_before
            .zip(killed_after)
            .is_some_and(|(before, after)| before < after),
        interrupted: interrupt.signal().filter(|_| watch.seen > 0),
        survivors,
        streams_open: !watch.streams.is_closed(),
        duration,
        log: watch.streams.take_log(),
    })
}

/// Why a command was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Time,
    User,
}

/// A command that was told to end.
#[derive(Debug)]
struct Ending {
    cause: Cause,
    signal: Signal,
    kill_at: Instant,
    /// What descended from the first process at that moment, by id and start: it belongs to the
    /// command beyond doubt, wherever it goes.
    known: BTreeSet<(i32, u64)>,
}

/// What became readable.
#[derive(Clone, Copy, Debug)]
struct Ready {
    streams: bool,
    exit: bool,
}

/// A command under way.
struct Watch<'a> {
    registered: Registered,
    leader: Pid,
    /// `None` on a kernel before 5.3, where the loop looks at every tick.
    exit: Option<OwnedFd>,
    streams: Streams<'a>,
    interrupt: &'a Interrupt,
    /// Interrupts that were acted upon.
    seen: u32,
    time_up: Option<Instant>,
    grace: Duration,
    ending: Option<Ending>,
    reaped: bool,
    /// When adopted processes are reaped again: finding them costs more than many a command.
    next_reap: Instant,
}

impl<'a> Watch<'a> {
    fn start(
        launch: &mut Launch,
        sink: &'a mut dyn FnMut(Stream, &[u8]),
        interrupt: &'a Interrupt,
    ) -> Result<Self, ExecError> {
        let orphans = launch.orphans;
        let (registered, child) = Registered::start(orphans, || spawn(launch))?;
        let leader = child.pid;
        let spool_dir = std::mem::take(&mut launch.spool_dir);
        let watch = Self {
            registered,
            leader,
            exit: rustix::process::pidfd_open(leader, PidfdFlags::empty()).ok(),
            streams: Streams::new((child.stdout, child.stderr), spool_dir, sink),
            interrupt,
            seen: 0,
            time_up: launch
                .timeout
                .and_then(|limit| Instant::now().checked_add(limit)),
            grace: launch.grace,
            ending: None,
            reaped: false,
            next_reap: Instant::now() + REAP,
        };
        watch.streams.unblock()?;
        Ok(watch)
    }

    /// Waits until the first process ends, which is not reaped yet.
    fn until_exit(&mut self) -> Result<Status, ExecError> {
        loop {
            let ready = self.wait(self.next_look());
            if ready.streams {
                self.streams.read();
            }
            if ready.exit
                && let Some(status) = self.exit_status()?
            {
                return Ok(status);
            }
            self.act();
            self.reap_orphans();
        }
    }

    fn reap_orphans(&mut self) {
        let now = Instant::now();
        if now >= self.next_reap {
            self.registered.reap();
            self.next_reap = now + REAP;
        }
    }

    /// Returns when something is due that no descriptor tells of.
    fn next_look(&self) -> Option<Instant> {
        let now = Instant::now();
        let blind = self.exit.is_none().then(|| now + TICK);
        let reap = self.registered.adopts().then_some(self.next_reap);
        let due = match &self.ending {
            None => self.time_up,
            Some(ending) => Some(ending.kill_at).filter(|at| *at > now),
        };
        [blind, reap, due].into_iter().flatten().min()
    }

    /// Waits until a stream, the exit or an interrupt is there, or until `until`.
    fn wait(&self, until: Option<Instant>) -> Ready {
        let open: Vec<_> = self.streams.open().collect();
        let interrupt = self.interrupt.event(self.seen);
        let mut polled: Vec<PollFd<'_>> = open
            .iter()
            .chain(&interrupt)
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .chain(self.exit.iter().map(|fd| PollFd::new(fd, PollFlags::IN)))
            .collect();
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A wait of centuries is as good as one without an end.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        if poll(&mut polled, left.as_ref()).is_err() {
            // Interrupted, or short of memory: look whether it has ended, then wait again.
            return Ready {
                streams: false,
                exit: true,
            };
        }
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (streams, rest) = ready.split_at(open.len());
        let exit = rest.get(usize::from(interrupt.is_some()));
        Ready {
            streams: streams.contains(&true),
            // Without a descriptor to tell, it may have ended.
            exit: exit.copied().unwrap_or(true),
        }
    }

    fn exit_status(&self) -> Result<Option<Status>, ExecError> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::Pid(self.leader), options) {
            Ok(status) => Ok(status.map(|status| status_of(&status))),
            Err(Errno::INTR) => Ok(None),
            Err(_) => Err(ExecError::StatusLost {
                pid: self.leader.as_raw_nonzero().get().unsigned_abs(),
            }),
        }
    }

    /// Tells the command to end if its time is up or the user wants it, and kills it if it was
    /// told so and is still there.
    fn act(&mut self) {
        let now = Instant::now();
        let count = self.interrupt.count();
        if count > self.seen {
            let signal = self.interrupt.signal().and_then(Signal::from_named_raw);
            let signal = signal.unwrap_or(Signal::TERM);
            if self.seen == 0 && count == 1 {
                self.tell_to_end(Cause::User, signal);
            } else {
                self.end_by(Cause::User, signal, now);
            }
            self.seen = count;
        }
        if self.ending.is_none() && self.time_up.is_some_and(|at| at <= now) {
            self.tell_to_end(Cause::Time, Signal::TERM);
        }
        if self
            .ending
            .as_ref()
            .is_some_and(|ending| ending.kill_at <= now)
        {
            self.signal_group(Signal::KILL);
        }
    }

    fn tell_to_end(&mut self, cause: Cause, signal: Signal) {
        let now = Instant::now();
        // Beyond what the clock can count there is no killing.
        let kill_at = now.checked_add(self.grace).unwrap_or(now + FAR);
        self.end_by(cause, signal, kill_at);
        self.signal_group(signal);
        // What is stopped would not hear of it.
        self.signal_group(Signal::CONT);
    }

    /// Notes that the command is to end, if it is not noted yet, and by when at the latest.
    fn end_by(&mut self, cause: Cause, signal: Signal, kill_at: Instant) {
        let known = || self.registered.descendants();
        let ending = self.ending.get_or_insert_with(|| Ending {
            cause,
            signal,
            kill_at,
            known: known().iter().map(|it| (it.pid, it.start)).collect(),
        });
        ending.kill_at = ending.kill_at.min(kill_at);
    }

    fn signal_group(&self, signal: Signal) {
        // Fails only if nobody is left in it.
        let _ = rustix::process::kill_process_group(self.leader, signal);
    }

    /// Ends the capture after the first process has ended, and returns what lives on.
    fn settle(&mut self) -> Vec<Survivor> {
        // It stays readable, and would keep every later wait from waiting.
        self.exit = None;
        if self.ending.is_some() {
            self.end_members();
        }
        let until = Instant::now() + SETTLE;
        loop {
            self.streams.drain();
            self.reap_orphans();
            let members = self.registered.members();
            if members.is_empty() && self.streams.is_closed() {
                return Vec::new();
            }
            let is_starved = members.iter().any(|(process, _)| process.runnable);
            let extra = if is_starved { STARVED } else { Duration::ZERO };
            let is_wanted = self.interrupt.count() > self.seen;
            if is_wanted || Instant::now() >= until + extra {
                return self.survivors();
            }
            self.wait(Some(Instant::now() + TICK));
        }
    }

    /// Sees that nothing is left of a command that was told to end: what its first process left
    /// behind has the rest of the grace, then it is killed.
    fn end_members(&mut self) {
        let mut is_told = false;
        loop {
            self.streams.drain();
            self.reap_orphans();
            let members = self.sure_members();
            let now = Instant::now();
            let Some(ending) = &self.ending else { return };
            if members.is_empty() || now >= ending.kill_at + CLEAR {
                return;
            }
            for member in &members {
                // A shell's background processes ignore SIGINT, and who left the group has heard
                // nothing yet; but a second SIGTERM makes some tools drop their cleaning up.
                let has_heard = ending.signal == Signal::TERM && self.is_in_group(member);
                if now >= ending.kill_at {
                    member.signal(Signal::KILL);
                } else if !is_told && !has_heard {
                    member.signal(Signal::TERM);
                }
            }
            is_told = true;
            self.wait(Some(now + TICK));
            self.act();
        }
    }

    fn sure_members(&self) -> Vec<Process> {
        self.registered
            .members()
            .into_iter()
            .filter(|(process, belongs)| *belongs == Belongs::Surely || self.is_known(process))
            .map(|(process, _)| process)
            .collect()
    }

    fn is_in_group(&self, process: &Process) -> bool {
        process.group == self.leader.as_raw_nonzero().get()
    }

    fn is_known(&self, process: &Process) -> bool {
        let known = self.ending.as_ref().map(|ending| &ending.known);
        known.is_some_and(|known| known.contains(&(process.pid, process.start)))
    }

    /// Says what lives on, by a last look that no other command's start can blur.
    fn survivors(&mut self) -> Vec<Survivor> {
        let until = Instant::now() + STARVED;
        let (members, holders) = loop {
            let streams = &self.streams;
            let looked = self.registered.at_rest(|members| {
                let holders = streams.are_held().then(|| holders(&streams.names()));
                (members, holders)
            });
            let is_held_by_nobody =
                looked.0.is_empty() && looked.1.as_ref().is_some_and(Vec::is_empty);
            let is_wanted = self.interrupt.count() > self.seen;
            // A process that somebody else in this one is about to start holds copies for a moment.
            if !is_held_by_nobody || is_wanted || Instant::now() >= until {
                break looked;
            }
            self.streams.drain();
            self.wait(Some(Instant::now() + TICK));
        };
        if holders.is_none() {
            self.streams.finish();
        }
        let by_id: BTreeMap<u32, Survivor> = members
            .into_iter()
            .map(|(process, _)| process)
            .chain(holders.into_iter().flatten())
            .map(|process| process.survivor())
            .map(|survivor| (survivor.pid, survivor))
            .collect();
        by_id.into_values().collect()
    }

    fn reap(&mut self) {
        self.registered.bury();
        self.reaped = true;
    }
}

impl Drop for Watch<'_> {
    /// Leaves nothing behind where the run was cut short, by a panic of the sink say.
    fn drop(&mut self) {
        if !self.reaped {
            self.signal_group(Signal::KILL);
            self.reap();
        }
    }
}

fn status_of(status: &WaitIdStatus) -> Status {
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) => Status::Signalled { signal },
        // The kernel passes on the low eight bits.
        (code, None) => Status::Exited(code.unwrap_or_default().to_le_bytes()[0]),
    }
}
