//! Each call on a file, of whatever ibid does, goes wrong once: with each of eleven errors, and
//! with half of the bytes where it moves bytes.
//!
//! Right is: the command's own exit code, streams and outputs, whether or not the result could be
//! stored; or one clean error where the files of the user are concerned, never those of the store.
//! A result that was not stored is told. The next undisturbed run is right in any case.

use nix::errno::Errno;

use super::aftermath::Aftermath;
use super::case::{Got, Run, runs};
use super::kills::check_own;
use super::workload::{Before, Workload, own};
use super::{Plan, Report, points};
use crate::TestEnv;
use crate::trace::{self, Deed, Fault, Point, Scope, Traced};

/// Points of one workload in the numbers of points, and faults of one call.
const STRIDES: (u64, u64) = (100_000_000, 100);

const FAULTS: [Fault; 12] = [
    Fault::Fail(Errno::EIO),
    Fault::Fail(Errno::ENOSPC),
    Fault::Fail(Errno::EDQUOT),
    Fault::Fail(Errno::EROFS),
    Fault::Fail(Errno::EACCES),
    Fault::Fail(Errno::EMFILE),
    Fault::Fail(Errno::ENOMEM),
    Fault::Fail(Errno::EINTR),
    Fault::Fail(Errno::ESTALE),
    Fault::Fail(Errno::ENOLCK),
    Fault::Fail(Errno::EXDEV),
    Fault::Short,
];

/// Calls that move bytes.
const MOVES: [&str; 5] = ["read", "write", "pread64", "pwrite64", "copy_file_range"];

/// A workload with what is known of it.
struct Scene {
    workload: Workload,
    /// Its place in the list of all.
    index: u64,
    expected: Vec<Got>,
    points: Vec<Point>,
}

/// One call of one of them going wrong.
#[derive(Clone, Copy)]
struct Injection<'a> {
    scene: &'a Scene,
    at: u64,
    fault: Fault,
    number: u64,
}

/// Lets calls fail at every point in every way, or in as many as the plan allows.
pub fn faults(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    if let Some(obstacle) = trace::obstacle() {
        report.say(format!("left out: {obstacle}"));
        return report;
    }
    let scenes = scenes(plan, &mut report);
    let lists = scenes.iter().map(Scene::injections);
    let is_meant = |it: &Injection<'_>| plan.only.is_none_or(|only| only == it.number);
    let injections: Vec<Vec<_>> = lists
        .map(|list| list.into_iter().filter(is_meant).collect())
        .collect();
    let played = points::play(&injections, plan, &mut report, |injection, report| {
        injection.play(plan, report);
    });
    let all: usize = injections.iter().map(Vec::len).sum();
    report.say(format!("{played} of {all} injections"));
    report
}

/// Lists the calls of each workload.
fn scenes(plan: &Plan, report: &mut Report) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for (index, workload) in Workload::all(plan, |only| only / STRIDES.0) {
        let env = Workload::env(plan);
        if !workload.is_known(&env) {
            let name = workload.title();
            report.say(format!("{name}: left out, the binary does not know it"));
            continue;
        }
        let expected = workload.expected(&env);
        let env = Workload::env(plan);
        workload.prepare(&env);
        let mut command = workload.command(&env);
        let ran = trace::run(&mut command, Scope::Files, Deed::List, &env.home("../tmp"))
            .expect("the binary under test can be traced");
        report.say(format!(
            "{}: {} calls on files",
            workload.title(),
            ran.calls
        ));
        scenes.push(Scene {
            workload,
            index,
            expected,
            points: ran.points,
        });
    }
    scenes
}

/// What a disturbed run came to.
struct Seen<'a> {
    env: &'a TestEnv,
    /// The call that went wrong.
    point: &'a Point,
    run: &'a Run,
    /// How many commands it ran.
    executed: usize,
    /// What was done, for messages.
    what: &'a str,
}

impl Scene {
    fn injections(&self) -> Vec<Injection<'_>> {
        let mut injections = Vec::new();
        for point in &self.points {
            for (way, fault) in (0..).zip(FAULTS) {
                if fault == Fault::Short && !MOVES.contains(&point.call) {
                    continue;
                }
                injections.push(Injection {
                    scene: self,
                    at: point.number,
                    fault,
                    number: self.index * STRIDES.0 + point.number * STRIDES.1 + way,
                });
            }
        }
        injections
    }
}

impl Injection<'_> {
    fn play(&self, plan: &Plan, report: &mut Report) {
        let env = Workload::env(plan);
        let workload = &self.scene.workload;
        workload.prepare(&env);
        let before = own(&env, workload.asks);
        let ran_before = runs(&env).len();
        let mut command = workload.command(&env);
        let deed = Deed::Break(self.at, self.fault);
        let ran = trace::run(&mut command, Scope::Files, deed, &env.home("../tmp"))
            .expect("the binary under test can be traced");
        let Some(point) = &ran.struck else {
            report.count("injections not reached", 1);
            return;
        };
        report.count("injections", 1);
        let what = format!(
            "{} with {} at {point} (`cargo xtask gate faults --only {}`)",
            workload.title(),
            self.fault_name(),
            self.number
        );
        let executed = runs(&env).len() - ran_before;
        self.check_end(&ran, &what, report);
        let run = workload.asks[0].told(&env, ran.code, &ran.stdout, &ran.stderr);
        let seen = Seen {
            env: &env,
            point,
            run: &run,
            executed,
            what: &what,
        };
        if workload.is_ask() {
            self.check_ask(&seen, report);
        }
        self.check_next(&seen, report);
        check_own(&env, workload, &before, &what, report);
    }

    fn fault_name(&self) -> String {
        match self.fault {
            Fault::Fail(errno) => format!("{errno:?}"),
            Fault::Short => "a short count".to_owned(),
        }
    }

    /// Checks that it ended as a program does that knows what happened to it.
    fn check_end(&self, ran: &Traced, what: &str, report: &mut Report) {
        let stderr = String::from_utf8_lossy(&ran.stderr);
        let workload = &self.scene.workload;
        if ran.hung {
            report.violation(format!("{what}: did not end"));
        } else if ran.code.is_none() || ran.code == Some(101) || stderr.contains("panicked at") {
            report.violation(format!("{what}: code {:?}: {stderr}", ran.code));
        } else if workload.name == "fsck-repair" && is_sum(ran.code) {
            // What could not be read or put right, added up; the line says how much.
            if !stderr.contains("ibid: checked ") {
                report.violation(format!("{what}: code {:?}: {stderr}", ran.code));
            }
        } else if ran.code != Some(0) {
            let errors = stderr.lines().filter(|line| line.starts_with("error: "));
            let is_clean = errors.count() == 1 || workload.name.starts_with("pipeline");
            if !is_clean {
                report.violation(format!("{what}: code {:?}: {stderr}", ran.code));
            }
        }
    }

    /// Checks what the user got: the right thing, or nothing and an error about his own files.
    fn check_ask(&self, seen: &Seen<'_>, report: &mut Report) {
        let Seen {
            env,
            point,
            run,
            what,
            ..
        } = seen;
        let expected = &self.scene.expected[0];
        let Some(difference) = run.got.difference(expected) else {
            return;
        };
        let code = run.got.code();
        let told = String::from_utf8_lossy(run.got.stderr()).into_owned();
        if code == expected.code() {
            report.violation(format!("{what}: the run is wrong: {difference}; {told}"));
        }
        let cache = env.cache();
        if !point.paths.is_empty() && point.paths.iter().all(|path| path.starts_with(&cache)) {
            report.violation(format!(
                "{what}: the cache failed the command: {code:?} {told}"
            ));
        }
        // Nothing may stand there that is neither old nor new.
        if self.scene.workload.before == Before::Removed {
            for (place, stands) in run.got.outputs() {
                let is_whole = expected.output_differs(place, stands).is_none();
                if !stands.0.is_empty() && !is_whole {
                    report.violation(format!("{what}: `{place}` is neither old nor new; {told}"));
                }
            }
        }
    }

    /// Checks the next, undisturbed runs.
    fn check_next(&self, seen: &Seen<'_>, report: &mut Report) {
        let Seen {
            env,
            run,
            executed,
            what,
            ..
        } = seen;
        let workload = &self.scene.workload;
        let steps: usize = workload.asks.iter().map(super::workload::Ask::steps).sum();
        let before = runs(env).len();
        let aftermath = Aftermath {
            env,
            asks: workload.asks,
            expected: &self.scene.expected,
            // What could not be written, moved or read may have left something to heal.
            has_gaps: true,
            is_damaged: workload.before == Before::Damaged,
            what,
        };
        aftermath.check_next_runs(0, report);
        aftermath.check_whole(report);
        let again = runs(env).split_off(before);
        let is_told = !run.warnings.is_empty() || run.got.code() != Some(0);
        if workload.is_ask() && !again.is_empty() && *executed == steps && !is_told {
            let said = &run.said;
            report.violation(format!(
                "{what}: not stored, without a word: {said:?}; ran again: {again:?}"
            ));
        }
        if workload.name == "invalidate" && run.got.code() == Some(0) && again.is_empty() {
            report.violation(format!("{what}: said to be invalidated, and is not"));
        }
    }
}

/// Says whether a code is a sum of 8, 16 and 32, with which a check says what is wrong.
fn is_sum(code: Option<i32>) -> bool {
    code.is_some_and(|code| code != 0 && code & !(8 | 16 | 32) == 0)
}
