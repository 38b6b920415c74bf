//! SIGKILL before and after every file-changing call of whatever ibid does, one counter for all
//! threads.
//!
//! After each: blobs are what their names say, every key restores exactly, nothing of the user's
//! has changed, the next run is right, those after it are hits, no staging name is left, and the
//! whole store is sound.

use super::aftermath::Aftermath;
use super::case::Got;
use super::workload::{Before, Workload, knows, own};
use super::{Plan, Report, points};
use crate::TestEnv;
use crate::trace::{self, Deed, Scope};

/// Points of one workload in the numbers of points.
const STRIDE: u64 = 1_000_000;

/// A workload with what is known of it.
struct Scene {
    workload: Workload,
    /// Its place in the list of all.
    index: u64,
    expected: Vec<Got>,
    calls: u64,
}

/// A moment in one of them.
#[derive(Clone, Copy)]
struct Moment<'a> {
    scene: &'a Scene,
    deed: Deed,
    number: u64,
}

/// Kills at every point, or at as many as the plan allows.
pub fn kills(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    if let Some(obstacle) = trace::obstacle() {
        report.say(format!("left out: {obstacle}"));
        return report;
    }
    let has_fsck = knows(&TestEnv::new(&plan.binary), "fsck");
    let scenes = scenes(plan, &mut report);
    let is_meant = |it: &Moment<'_>| plan.only.is_none_or(|only| only == it.number);
    let moments: Vec<Vec<_>> = scenes
        .iter()
        .map(|scene| scene.moments().into_iter().filter(is_meant).collect())
        .collect();
    let played = points::play(&moments, plan, &mut report, |moment, report| {
        moment.play(plan, has_fsck, report);
    });
    let all: usize = moments.iter().map(Vec::len).sum();
    report.say(format!("killed at {played} of {all} points"));
    report
}

/// Counts the calls of each workload.
fn scenes(plan: &Plan, report: &mut Report) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for (index, workload) in Workload::all(plan, |only| only / STRIDE) {
        let name = workload.title();
        let env = Workload::env(plan);
        if !workload.is_known(&env) {
            report.say(format!("{name}: left out, the binary does not know it"));
            continue;
        }
        let expected = workload.expected(&env);
        let env = Workload::env(plan);
        workload.prepare(&env);
        let mut command = workload.command(&env);
        let ran = trace::run(
            &mut command,
            Scope::Changes,
            Deed::List,
            &env.home("../tmp"),
        )
        .expect("the binary under test can be traced");
        report.say(format!("{name}: {} calls change files", ran.calls));
        scenes.push(Scene {
            workload,
            index,
            expected,
            calls: ran.calls,
        });
    }
    scenes
}

impl Scene {
    fn moments(&self) -> Vec<Moment<'_>> {
        let mut moments = Vec::new();
        for at in 1..=self.calls {
            for (after, deed) in [(0, Deed::KillBefore(at)), (1, Deed::KillAfter(at))] {
                moments.push(Moment {
                    scene: self,
                    deed,
                    number: self.index * STRIDE + at * 2 + after,
                });
            }
        }
        moments
    }
}

impl Moment<'_> {
    fn play(&self, plan: &Plan, has_fsck: bool, report: &mut Report) {
        let env = Workload::env(plan);
        let workload = &self.scene.workload;
        workload.prepare(&env);
        let before = own(&env, workload.asks);
        let mut command = workload.command(&env);
        let ran = trace::run(&mut command, Scope::Changes, self.deed, &env.home("../tmp"))
            .expect("the binary under test can be traced");
        // With threads, a run may make a call less than the one that was counted.
        let Some(point) = ran.struck else {
            report.count("kill points not reached", 1);
            return;
        };
        report.count("kill points", 1);
        let when = if matches!(self.deed, Deed::KillBefore(_)) {
            "before"
        } else {
            "after"
        };
        let what = format!(
            "{} killed {when} {point} (`cargo xtask gate kills --only {}`)",
            workload.title(),
            self.number
        );
        let aftermath = Aftermath {
            env: &env,
            asks: workload.asks,
            expected: &self.scene.expected,
            has_gaps: workload.before == Before::Damaged || workload.name == "invalidate",
            is_damaged: workload.before == Before::Damaged,
            what: &what,
        };
        if ran.hung {
            report.violation(format!("{what}: did not end"));
        }
        check_own(&env, workload, &before, &what, report);
        let found = aftermath.check_store(report);
        aftermath.check_next_runs(found, report);
        check_own(&env, workload, &before, &what, report);
        if has_fsck {
            aftermath.check_whole(report);
        }
    }
}

/// Checks that only the store, `.ibid/` and outputs were written to.
pub(super) fn check_own(
    env: &TestEnv,
    workload: &Workload,
    before: &[super::snapshot::Snapshot],
    what: &str,
    report: &mut Report,
) {
    for (before, after) in before.iter().zip(own(env, workload.asks)) {
        if let Some(difference) = before.difference(&after) {
            report.violation(format!("{what}: the user's own: {difference}"));
        }
    }
}
