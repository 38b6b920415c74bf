//! kill -9 at random moments of a commit, a refresh and a restore of many files.
//!
//! After each kill: every key that is found restores exactly, every blob is what its name says,
//! the next run is right, the one after it a hit, and no staging name is left in the workspace.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::aftermath::Aftermath;
use super::case::{Got, Step};
use super::family::{self, Victims};
use super::leftovers::Leftovers;
use super::random::Random;
use super::workload::Ask;
use super::{Plan, Report};
use crate::TestEnv;

/// A command with a folder of 200 files as its output.
const MANY: Step = Step {
    name: "many",
    options: &["-i", "in.txt", "-o", "out"],
    script: "mkdir out; i=0; while [ $i -lt 200 ]; do echo file $i > out/f$i; i=$((i+1)); done; \
             echo done; : > \"$RUNS.ended\"",
    places: &["out"],
};

/// What is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    /// The first run of a key.
    Commit,
    /// A forced run of a key that has a result.
    Refresh,
    /// A hit whose outputs are gone.
    Restore,
}

/// How long the parts of a run take.
#[derive(Clone, Copy, Debug)]
struct Phases {
    /// Until the command has ended.
    command: Duration,
    /// Until the binary has ended.
    all: Duration,
}

/// What kills of one kind came to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    kills: usize,
    /// The binary had ended before it was killed.
    late: usize,
    /// The key's file was there after it.
    landed: usize,
    most: Leftovers,
    after: Leftovers,
    slowest: Duration,
}

/// Kills `plan.times` runs at random moments.
pub fn kill(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    let mut random = Random::new(plan.seed);
    let (expected, commit, restore) = measure(plan);
    report.say(format!(
        "a commit of 200 files takes {:.1} ms, of which the command {:.1} ms; a restore {:.1} ms",
        millis(commit.all),
        millis(commit.command),
        millis(restore.all)
    ));
    let kinds = [During::Commit, During::Refresh, During::Restore];
    let both = [Victims::Binary, Victims::Family];
    let mut sums = vec![Sum::default(); kinds.len() * both.len()];
    for turn in 0..plan.times {
        if report.is_over(plan) {
            break;
        }
        let at = turn % sums.len();
        let (during, victims) = (kinds[at / both.len()], both[at % both.len()]);
        let phases = if during == During::Restore {
            restore
        } else {
            commit
        };
        let delay = moment(phases, &mut random);
        let one = Kill {
            plan,
            during,
            victims,
            delay,
            expected: &expected,
        };
        one.play(&mut sums[at], &mut report);
    }
    let total: usize = sums.iter().map(|sum| sum.kills).sum();
    report.say(format!("killed {total} runs with SIGKILL:"));
    for (at, sum) in sums.iter().enumerate() {
        let (during, victims) = (kinds[at / both.len()], both[at % both.len()]);
        report.say(format!(
            "  {during:?} ({victims:?}): {} killed, {} had ended before, {} keys landed, slowest next run {:.0} ms",
            sum.kills, sum.late, sum.landed, millis(sum.slowest)
        ));
        report.say(format!("    at most after one kill: {}", sum.most));
        report.say(format!("    at most after the next run: {}", sum.after));
    }
    report
}

/// Runs without a kill.
fn measure(plan: &Plan) -> (Got, Phases, Phases) {
    let (mut commits, mut restores) = (Vec::new(), Vec::new());
    let mut expected = None;
    for _ in 0..3 {
        let env = TestEnv::new(&plan.binary);
        env.write("in.txt", "input\n");
        let (clock, began) = (std::time::SystemTime::now(), Instant::now());
        expected = Some(MANY.run(&env).got);
        let all = began.elapsed();
        let ended = fs::metadata(env.home("runs.ended")).and_then(|it| it.modified());
        let ended = ended.expect("the command wrote it");
        let command = ended.duration_since(clock).unwrap_or_default().min(all);
        commits.push(Phases { command, all });
        MANY.remove_outputs(&env);
        let began = Instant::now();
        MANY.run(&env);
        let all = began.elapsed();
        restores.push(Phases {
            command: Duration::ZERO,
            all,
        });
    }
    let middle = |mut all: Vec<Phases>| {
        all.sort_by_key(|phases| phases.all);
        all[all.len() / 2]
    };
    let expected = expected.expect("there was a run");
    (expected, middle(commits), middle(restores))
}

/// Draws a moment: seven of ten lie after the end of the command, where the store is written.
fn moment(phases: Phases, random: &mut Random) -> Duration {
    let end = phases.all.mul_f64(1.1);
    let from = if random.below(10) < 7 {
        phases.command.mul_f64(0.95)
    } else {
        Duration::ZERO
    };
    from + end.saturating_sub(from).mul_f64(random.part())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// One kill.
struct Kill<'a> {
    plan: &'a Plan,
    during: During,
    victims: Victims,
    delay: Duration,
    expected: &'a Got,
}

impl Kill<'_> {
    fn play(&self, sum: &mut Sum, report: &mut Report) {
        let env = TestEnv::new(&self.plan.binary);
        env.write("in.txt", "input\n");
        if self.during != During::Commit {
            MANY.run(&env);
        }
        if self.during == During::Restore {
            MANY.remove_outputs(&env);
        }
        if self.strike(&env) {
            sum.kills += 1;
        } else {
            sum.late += 1;
        }
        let what = format!(
            "{:?} ({:?}) after {:.2} ms",
            self.during,
            self.victims,
            millis(self.delay)
        );
        let aftermath = Aftermath {
            env: &env,
            asks: &[Ask::Exec(MANY)],
            expected: std::slice::from_ref(self.expected),
            has_gaps: false,
            is_damaged: false,
            what: &what,
        };
        let found = aftermath.check_store(report);
        sum.landed += found;
        sum.most = sum.most.most(Leftovers::of(&env));
        let began = Instant::now();
        aftermath.check_next_runs(found, report);
        sum.slowest = sum.slowest.max(began.elapsed());
        sum.after = sum.after.most(Leftovers::of(&env));
    }

    /// Starts the run and kills it; says whether it was still alive.
    fn strike(&self, env: &TestEnv) -> bool {
        let force: &[&str] = if self.during == During::Refresh {
            &["--force"]
        } else {
            &[]
        };
        let mut command = MANY.command(env, force);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary under test starts");
        thread::sleep(self.delay);
        let alive = child.try_wait().is_ok_and(|ended| ended.is_none());
        family::kill(child, self.victims);
        alive
    }
}
