//! Two processes meet on one store, call by call.
//!
//! The first stands still before one of its calls that change files. The second runs meanwhile, to
//! its end or up to one of its own calls, where it stands still until the first has ended. So
//! every way in which a rename, a touch or a look of one can fall between two of the other is
//! played, not waited for. What the first made before it began is an hour older when it goes on,
//! where the meeting says so: a pause may last as long as it likes.
//!
//! Right is: both end well with what they were asked for, the store is sound before anybody
//! repairs it, what was committed, refreshed or pinned is a hit, also where the trash is gone, what
//! was invalidated is none, what two collections delete is counted once, and the next one leaves
//! nothing in the trash.

mod check;
mod scene;

use std::sync::mpsc::channel;
use std::thread;

use self::check::Ends;
use self::scene::{MEETINGS, Meeting, deletable};
use super::{Plan, Report, points};
use crate::TestEnv;
use crate::trace::{self, Deed, Scope, Traced};

/// Meetings in the numbers of points, calls of the first process, and of the second.
const STRIDES: (u64, u64, u64) = (1_000_000_000, 10_000, 2);

/// A meeting with the number of calls that each side makes alone.
struct Known {
    meeting: Meeting,
    index: u64,
    calls: (u64, u64),
}

/// One way in which the two meet.
#[derive(Clone, Copy)]
struct Moment<'a> {
    known: &'a Known,
    /// The call before which the first stands still.
    at: u64,
    /// The same for the second; 0 where it runs to its end.
    other_at: u64,
    /// Whether the first is killed before its next call.
    killed: bool,
}

/// Lets them meet at every pair of calls, or at as many as the plan allows.
pub fn meetings(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    if let Some(obstacle) = trace::obstacle() {
        report.say(format!("left out: {obstacle}"));
        return report;
    }
    let known = known(plan, &mut report);
    let is_meant = |it: &Moment<'_>| plan.only.is_none_or(|only| only == it.number());
    let moments: Vec<Vec<_>> = known
        .iter()
        .map(|known| known.moments().into_iter().filter(is_meant).collect())
        .collect();
    let played = points::play(&moments, plan, &mut report, |moment, report| {
        moment.play(plan, report);
    });
    let all: usize = moments.iter().map(Vec::len).sum();
    report.say(format!("{played} of {all} ways to meet"));
    report
}

/// Counts the calls of each side.
fn known(plan: &Plan, report: &mut Report) -> Vec<Known> {
    let mut all = Vec::new();
    for (index, meeting) in (0..).zip(MEETINGS) {
        if plan.only.is_some_and(|only| only / STRIDES.0 != index) {
            continue;
        }
        let count = |first: bool| {
            let env = TestEnv::new(&plan.binary);
            meeting.set_up(&env);
            let mut command = meeting.command(&env, first);
            let streams = Meeting::streams(&env, first);
            let ran = trace::run(&mut command, Scope::Changes, Deed::List, &streams);
            ran.expect("the binary under test can be traced").calls
        };
        let calls = (count(true), count(false));
        report.say(format!(
            "{}: {} and {} calls",
            meeting.name, calls.0, calls.1
        ));
        all.push(Known {
            meeting,
            index,
            calls,
        });
    }
    all
}

impl Known {
    fn moments(&self) -> Vec<Moment<'_>> {
        let mut moments = Vec::new();
        for at in 1..=self.calls.0 {
            for other_at in 0..=self.calls.1 {
                // Whoever is killed ends soon, so that there is little to wait for; of two
                // collections the other goes on beside what that leaves.
                let dies = other_at == 0 || self.meeting.only_collects();
                for killed in [false, true].into_iter().take(1 + usize::from(dies)) {
                    moments.push(Moment {
                        known: self,
                        at,
                        other_at,
                        killed,
                    });
                }
            }
        }
        moments
    }
}

impl Moment<'_> {
    fn number(&self) -> u64 {
        let (meeting, first, second) = STRIDES;
        self.known.index * meeting
            + self.at * first
            + self.other_at * second
            + u64::from(self.killed)
    }

    fn play(&self, plan: &Plan, report: &mut Report) {
        let env = TestEnv::new(&plan.binary);
        let meeting = &self.known.meeting;
        meeting.set_up(&env);
        let files = deletable(&env);
        let (first, second) = self.meet(&env);
        let (Some(second), Some(point)) = (second, &first.struck) else {
            report.count("meetings not reached", 1);
            return;
        };
        report.count("meetings", 1);
        let what = format!(
            "{}: the first {} before {point}, the second {} (`cargo xtask gate meetings --only {}`)",
            meeting.name,
            if self.killed {
                "paused and soon killed"
            } else {
                "paused"
            },
            match &second.struck {
                Some(point) => format!("before {point}"),
                None => "done".to_owned(),
            },
            self.number()
        );
        let ends = Ends {
            env: &env,
            meeting,
            first: (!self.killed).then_some(&first),
            second: &second,
            files,
            what: &what,
        };
        ends.check(report);
    }

    /// Lets both run; the second has not where the first did not come as far as its pause.
    fn meet(&self, env: &TestEnv) -> (Traced, Option<Traced>) {
        let meeting = &self.known.meeting;
        let (begin, at_pause) = channel::<()>();
        let (go_on, may_go_on) = channel::<()>();
        let (end, first_ended) = channel::<()>();
        thread::scope(|scope| {
            let second = scope.spawn(move || {
                at_pause.recv().ok()?;
                let mut command = meeting.command(env, false);
                let deed = match self.other_at {
                    0 => Deed::Pause(u64::MAX),
                    at => Deed::Pause(at),
                };
                let mut meanwhile = || {
                    let _ = go_on.send(());
                    let _ = first_ended.recv();
                };
                let streams = Meeting::streams(env, false);
                let ran = if self.other_at == 0 {
                    Ok(plain(env, &mut command))
                } else {
                    trace::run_while(
                        &mut command,
                        (Scope::Changes, deed),
                        &streams,
                        &mut meanwhile,
                    )
                };
                let _ = go_on.send(());
                Some(ran.expect("the binary under test can be traced"))
            });
            let deed = if self.killed {
                Deed::PauseAndKill(self.at)
            } else {
                Deed::Pause(self.at)
            };
            let mut meanwhile = || {
                meeting.pass_time(env);
                let _ = begin.send(());
                let _ = may_go_on.recv();
            };
            let mut command = meeting.command(env, true);
            let streams = Meeting::streams(env, true);
            let first = trace::run_while(
                &mut command,
                (Scope::Changes, deed),
                &streams,
                &mut meanwhile,
            )
            .expect("the binary under test can be traced");
            let _ = end.send(());
            drop(begin);
            let second = second.join().expect("the second process is waited for");
            (first, second)
        })
    }
}

/// Runs a command to its end without a tracer.
fn plain(env: &TestEnv, command: &mut std::process::Command) -> Traced {
    let ran = env.finish(command);
    Traced {
        calls: 0,
        points: Vec::new(),
        struck: None,
        code: ran.code,
        hung: false,
        stdout: ran.raw.0,
        stderr: ran.raw.1,
    }
}
