//! kill -9 at every file-changing system call of one small commit, refresh and restore.
//!
//! `strace` counts the calls of each name in each process and kills before the Nth, for N from 1
//! until a run ends by itself.

use std::path::Path;
use std::process::{Command, Stdio};

use super::aftermath::Aftermath;
use super::case::{Got, Step};
use super::{Plan, Report};
use crate::TestEnv;

/// Calls that change files, or may.
const CALLS: [&str; 22] = [
    "openat",
    "openat2",
    "open",
    "write",
    "pwrite64",
    "close",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "ioctl",
    "fchmod",
    "fchmodat",
    "chmod",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "symlinkat",
    "unlink",
    "unlinkat",
];

/// More calls of one name than any run here makes.
const MOST: usize = 600;

const FEW: Step = Step {
    name: "few",
    options: &["-i", "in.txt", "-o", "out"],
    script: "mkdir out; echo a > out/a; echo b > out/b; echo done",
    places: &["out"],
};

/// Kills before every call; `strace` is where that program lies.
pub fn sweep(plan: &Plan, strace: &Path) -> Report {
    let mut report = Report::new(plan);
    let env = scene(plan);
    let expected = FEW.run(&env).got;
    for during in ["commit", "refresh", "restore"] {
        let mut points = 0;
        for call in CALLS {
            for at in 1..=MOST {
                if report.is_over(plan) || points >= plan.times {
                    break;
                }
                let point = Point {
                    plan,
                    strace,
                    during,
                    call,
                    at,
                };
                if !point.play(&expected, &mut report) {
                    break;
                }
                points += 1;
            }
        }
        report.say(format!(
            "killed a {during} of 2 files before each of {points} calls"
        ));
    }
    report
}

fn scene(plan: &Plan) -> TestEnv {
    let env = TestEnv::new(&plan.binary);
    env.write("in.txt", "input\n");
    env
}

/// One call.
struct Point<'a> {
    plan: &'a Plan,
    strace: &'a Path,
    during: &'static str,
    call: &'static str,
    at: usize,
}

impl Point<'_> {
    /// Kills there and looks; says whether the run got as far as that.
    fn play(&self, expected: &Got, report: &mut Report) -> bool {
        let env = scene(self.plan);
        if self.during != "commit" {
            FEW.run(&env);
        }
        if self.during == "restore" {
            FEW.remove_outputs(&env);
        }
        let more: &[&str] = if self.during == "refresh" {
            &["--force"]
        } else {
            &[]
        };
        let plain = FEW.command(&env, more);
        let mut traced = Command::new(self.strace);
        traced
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={}", self.call))
            .arg("-e")
            .arg(format!(
                "inject={}:signal=SIGKILL:when={}",
                self.call, self.at
            ))
            .arg(plain.get_program())
            .args(plain.get_args())
            .current_dir(env.work(""))
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let ended = traced.status().expect("strace starts");
        if ended.success() {
            return false;
        }
        let what = format!("{} killed before {} {}", self.during, self.call, self.at);
        let aftermath = Aftermath {
            env: &env,
            step: &FEW,
            expected,
            what: &what,
        };
        let found = aftermath.check_store(report);
        aftermath.check_next_runs(found, report);
        true
    }
}
