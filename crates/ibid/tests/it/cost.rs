//! What short commands cost: system calls and instructions, which unlike times are the same on a
//! busy machine.
//!
//! The budgets lie in `cost.budget`, a line `PATH WHAT MOST: REASON` each. Instructions are those of
//! the binary that `cargo test` built, so the figure is one of the dev profile: several times that
//! of a release, and moved by the same changes. `cargo xtask count` tells the release's own. Whoever
//! makes it cheaper writes the new figure there, and whoever makes it dearer says in that line why.

use std::fs::{self, File};
use std::process::Command;

use ibid_testkit::{TestEnv, component, until_settled};

use crate::test_env;

/// How far a count may lie above its budget: toolchains and C libraries differ.
const SLACK_PERCENT: u64 = 15;

/// As often is looked until timestamps are believed: a file is synced and a tick old by then.
const LOOKS: usize = 50;

/// How often instructions are counted, the fewest being the cost.
const COUNTS: usize = 4;

/// How many steps the file of steps has.
const STEPS: usize = 20;

/// A short command whose cost is kept.
#[derive(Clone, Copy)]
struct Short {
    /// Its name in the file of budgets.
    name: &'static str,
    words: &'static [&'static str],
    /// What it says when it went the short way.
    says: &'static str,
    /// Whether its output is taken away before each look.
    takes_away: bool,
}

const UP_TO_DATE: Short = Short {
    name: "up-to-date",
    words: &[
        "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "-v", "in.txt", "out.txt",
    ],
    says: "up to date",
    takes_away: false,
};

const RESTORED: Short = Short {
    name: "restored",
    says: "restored",
    takes_away: true,
    ..UP_TO_DATE
};

const NO_OP: Short = Short {
    name: "run-no-op",
    words: &["run"],
    says: "all up to date",
    takes_away: false,
};

/// Returns the most that a path may take, which has a reason.
fn budget(path: Short, what: &str) -> u64 {
    let lines = include_str!("cost.budget").lines();
    let name = format!("{} {what} ", path.name);
    let line = lines
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| line.strip_prefix(&name))
        .unwrap_or_else(|| panic!("no budget for `{name}`"));
    let (most, reason) = line.split_once(": ").expect("a number and a reason");
    assert!(reason.len() > 20, "`{name}` gives no reason: {reason}");
    most.parse().expect("the budget is a number")
}

/// Steps that are done, with files that the disk has.
fn done(path: Short) -> TestEnv {
    let env = test_env();
    env.write("in.txt", "content");
    let step = |index| {
        format!(
            "[steps.s{index}]\nrun = \"cp {{inputs}} {{outputs}}\"\n\
             inputs = [\"in.txt\"]\noutputs = [\"s{index}.txt\"]\n"
        )
    };
    let mut names = vec!["in.txt".to_owned()];
    if path.words == NO_OP.words {
        env.write("ibid.toml", (0..STEPS).map(step).collect::<String>());
        names.push("ibid.toml".to_owned());
        names.extend((0..STEPS).map(|index| format!("s{index}.txt")));
    } else {
        names.push("out.txt".to_owned());
    }
    let ran = env.finish(env.command().env("PATH", "/usr/bin:/bin").args(path.words));
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    let files = names.into_iter().map(|name| env.work(name));
    for path in files.chain([env.cache().join("store.json")]) {
        let file = File::open(path).expect("the step left it");
        file.sync_all().expect("the disk takes it");
    }
    until_settled();
    env
}

/// Runs the command under `tool`, and returns what was said on standard error.
fn under(env: &TestEnv, path: Short, tool: &[&str], look: usize) -> String {
    if path.takes_away {
        let away = env.work(format!("away{look}"));
        fs::rename(env.work("out.txt"), away).expect("it stands");
    }
    let plain = env.command();
    let mut command = Command::new(tool[0]);
    command.env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
        .env("PATH", "/usr/bin:/bin")
        .current_dir(env.work(""))
        .args(&tool[1..])
        .arg(plain.get_program())
        .args(path.words);
    let ran = env.finish(&mut command);
    assert!(ran.stderr.contains(path.says), "{}", ran.story());
    ran.stderr
}

/// Says whether a line of `strace` changes a file; what goes to the terminal does not.
pub(crate) fn changes(call: &str) -> bool {
    let name = call.split('(').next().unwrap_or_default();
    if name == "readlink" || name == "readlinkat" {
        return false;
    }
    let printed = call.starts_with("write(1, ") || call.starts_with("write(2, ");
    let writes = name.contains("write") && !printed;
    let others = [
        "mkdir",
        "rename",
        "unlink",
        "link",
        "symlink",
        "utime",
        "chmod",
        "chown",
        "truncate",
        "fallocate",
        "mknod",
        "fsync",
        "clone",
    ];
    writes || call.contains("O_CREAT") || others.iter().any(|other| name.contains(other))
}

/// Says whether a call is one that a release makes in any folder: the dev profile checks each
/// descriptor that it closes, settings are looked for in every folder above, and memory and threads
/// are the C library's affair.
fn counts(call: &str) -> bool {
    const OTHERS: [&str; 17] = [
        "sigaltstack",
        "munmap",
        "mmap",
        "mprotect",
        "madvise",
        "brk",
        "futex",
        "clone3",
        "rseq",
        "set_robust_list",
        "rt_sig",
        "gettid",
        "sched_",
        "exit",
        "<...",
        "+++",
        "---",
    ];
    let checks = call.starts_with("fcntl(") && call.contains("F_GETFD");
    let above = call.contains("/ibid.toml\"") && call.contains("ENOENT");
    !checks && !above && !OTHERS.iter().any(|other| call.starts_with(other))
}

/// Returns the calls of one look, from the first thing that our own code asks for: the folder that
/// it runs in.
fn calls(env: &TestEnv, path: Short, look: usize) -> Option<Vec<String>> {
    let strace = component("strace")?;
    let strace = strace.to_string_lossy();
    // Not among the outputs, whose folder is looked at.
    let trace = env.home("../trace");
    let to = trace.to_string_lossy();
    under(env, path, &[&*strace, "-f", "-qq", "-o", &to], look);
    let text = fs::read_to_string(&trace).expect("strace writes it");
    let lines = text.lines().map(|line| {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit());
        call.trim_start().to_owned()
    });
    let own = lines.skip_while(|call| !call.starts_with("getcwd"));
    Some(own.filter(|call| counts(call)).collect())
}

/// Looks until `is_settled` says that a look shows the cost, and compares that with the budget.
fn keeps_to_its_calls(path: Short, is_settled: impl Fn(&[String], usize) -> bool) {
    let env = done(path);
    let mut best: Option<Vec<String>> = None;
    for look in 0..LOOKS {
        let Some(calls) = calls(&env, path, look) else {
            return;
        };
        let settled = is_settled(&calls, look);
        if settled && best.as_ref().is_none_or(|best| calls.len() < best.len()) {
            best = Some(calls);
        }
        if settled {
            break;
        }
    }
    let best = best.unwrap_or_else(|| {
        let last = calls(&env, path, LOOKS).unwrap_or_default();
        panic!(
            "after {LOOKS} looks it still does all of:\n{}",
            last.join("\n")
        )
    });
    let most = budget(path, "calls");
    assert!(
        best.len() as u64 <= most,
        "{} calls, {most} allowed:\n{}",
        best.len(),
        best.join("\n")
    );
}

fn keeps_to_its_instructions(path: Short) {
    let Some(valgrind) = component("valgrind") else {
        return;
    };
    let env = done(path);
    let valgrind = valgrind.to_string_lossy();
    let file = env.home("../callgrind");
    let out = format!("--callgrind-out-file={}", file.display());
    // From `main` on: what the dynamic linker does before it depends on the size of the dev binary.
    let tool = [
        &*valgrind,
        "--tool=callgrind",
        "--toggle-collect=main",
        &out,
    ];
    let count = |look| {
        let said = under(&env, path, &tool, look);
        let line = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let count = line.and_then(|(_, count)| count.trim().parse::<u64>().ok());
        count.unwrap_or_else(|| panic!("{said}"))
    };
    let budget = budget(path, "instructions");
    let most = budget + budget * SLACK_PERCENT / 100;
    // The first looks hash once more what they find too young.
    let counts: Vec<u64> = (0..COUNTS).map(count).collect();
    assert!(
        counts.iter().any(|count| *count <= most),
        "{counts:?} instructions, the budget is {budget} and {SLACK_PERCENT} % above it"
    );
}

fn writes_nothing(calls: &[String], _look: usize) -> bool {
    !calls.iter().any(|call| changes(call))
}

#[test]
fn up_to_date_takes_few_system_calls_and_changes_nothing() {
    keeps_to_its_calls(UP_TO_DATE, writes_nothing);
}

#[test]
fn up_to_date_takes_few_instructions() {
    keeps_to_its_instructions(UP_TO_DATE);
}

#[test]
fn a_restore_takes_few_system_calls() {
    // From the third look on nothing is learnt any more.
    keeps_to_its_calls(RESTORED, |_, look| look == 3);
}

#[test]
fn a_restore_takes_few_instructions() {
    keeps_to_its_instructions(RESTORED);
}

#[test]
fn a_run_with_nothing_to_do_takes_few_system_calls_and_changes_nothing() {
    // The run before it was remembered: the file of steps is not opened.
    keeps_to_its_calls(NO_OP, |calls, _| {
        let reads_steps = |call: &String| call.starts_with("open") && call.contains("ibid.toml");
        !calls.iter().any(|call| changes(call) || reads_steps(call))
    });
}

#[test]
fn a_run_with_nothing_to_do_takes_few_instructions() {
    keeps_to_its_instructions(NO_OP);
}
