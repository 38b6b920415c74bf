//! What an `exec` costs when nothing is to be done: system calls and instructions, which unlike
//! times are the same on a busy machine.
//!
//! Both budgets lie in `cost.budget`, a line `NAME NUMBER` each. Instructions are those of the
//! binary that `cargo test` built, so the figure is one of the dev profile: several times that of a
//! release, and moved by the same changes. `cargo xtask count` tells the release's own. Whoever
//! makes it cheaper or has a reason to make it dearer writes the new figure there.

use std::fs::{self, File};
use std::process::Command;

use ibid_testkit::{TestEnv, component};

use crate::test_env;

/// How far a count may lie above its budget: toolchains and C libraries differ.
const SLACK_PERCENT: u64 = 15;

/// As often is looked until timestamps are believed: a file is synced and a tick old by then.
const LOOKS: usize = 50;

const STEP: [&str; 9] = [
    "exec", "-i", "in.txt", "-o", "out.txt", "--", "cp", "in.txt", "out.txt",
];

fn budget(name: &str) -> u64 {
    let line = include_str!("cost.budget")
        .lines()
        .find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.trim().parse().ok())
        .expect("the budget has a line for it")
}

/// A step that is up to date, with files that the disk has.
fn done() -> TestEnv {
    let env = test_env();
    env.write("in.txt", "content");
    let ran = env.finish(env.command().env("PATH", "/usr/bin:/bin").args(STEP));
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    for name in ["in.txt", "out.txt"] {
        let file = File::open(env.work(name)).expect("the step left it");
        file.sync_all().expect("the disk takes it");
    }
    env
}

/// The command that runs the step under `tool`.
fn under(env: &TestEnv, tool: &[&str]) -> Command {
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
        .args(STEP);
    command
}

/// Says whether a line of `strace` changes a file; what goes to the terminal does not.
pub(crate) fn changes(call: &str) -> bool {
    let name = call.split('(').next().unwrap_or_default();
    if name == "readlink" || name == "readlinkat" {
        return false;
    }
    let writes = name.contains("write") && !call.starts_with("write(2, ");
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
/// descriptor that it closes, and settings are looked for in every folder above.
fn counts(call: &str) -> bool {
    let ending = ["sigaltstack", "munmap", "exit_group"];
    let checks = call.starts_with("fcntl(") && call.contains("F_GETFD");
    let above = call.contains("/ibid.toml\"");
    !checks && !above && !ending.iter().any(|end| call.starts_with(end))
}

#[test]
fn up_to_date_takes_few_system_calls_and_changes_nothing() {
    let Some(strace) = component("strace") else {
        return;
    };
    let env = done();
    let trace = env.work("trace");
    let strace = strace.to_string_lossy();
    let tool = [&*strace, "-f", "-qq", "-o", "trace"];
    let mut last = Vec::new();
    for _ in 0..LOOKS {
        let ran = env.finish(&mut under(&env, &tool));
        assert!(ran.stderr.contains("up to date"), "{}", ran.story());
        let text = fs::read_to_string(&trace).unwrap();
        let lines = text.lines().map(|line| {
            let call = line.trim_start_matches(|c: char| c.is_ascii_digit());
            call.trim_start().to_owned()
        });
        // The first thing that our own code asks for is the folder that it runs in.
        last = lines
            .skip_while(|call| !call.starts_with("getcwd"))
            .collect();
        if !last.iter().any(|call| changes(call)) {
            let count = last.iter().filter(|call| counts(call)).count() as u64;
            let most = budget("calls");
            assert!(
                count <= most,
                "{count} calls, {most} allowed:\n{}",
                last.join("\n")
            );
            return;
        }
    }
    panic!("it still writes after {LOOKS} looks:\n{}", last.join("\n"));
}

#[test]
fn up_to_date_takes_few_instructions() {
    let Some(valgrind) = component("valgrind") else {
        return;
    };
    let env = done();
    let valgrind = valgrind.to_string_lossy();
    let file = env.work("callgrind");
    let out = format!("--callgrind-out-file={}", file.display());
    let tool = [&*valgrind, "--tool=callgrind", &out];
    let count = || {
        let ran = env.finish(&mut under(&env, &tool));
        assert!(ran.stderr.contains("up to date"), "{}", ran.story());
        let line = ran
            .stderr
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let count = line.and_then(|(_, count)| count.trim().parse::<u64>().ok());
        count.unwrap_or_else(|| panic!("{}", ran.story()))
    };
    // The first run may hash once more what it found too young.
    let count = count().min(count());
    let budget = budget("instructions");
    let most = budget + budget * SLACK_PERCENT / 100;
    assert!(
        count <= most,
        "{count} instructions, the budget is {budget} and {SLACK_PERCENT} % above it"
    );
}
