//! Signals to ibid end the command with all its children, and ibid the same way.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{by_shell, test_env};
use ibid_testkit::TestEnv;

/// Starts ibid, waits for the first line that the command prints, and reads no further.
fn start(env: &TestEnv, words: &[&str]) -> (Child, String) {
    let mut child = env
        .command()
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary under test starts");
    let stdout = child.stdout.take().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the command prints a line");
    (child, line)
}

#[test]
fn an_interrupt_leaves_nothing_running() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let env = test_env();
        let script = "sleep 600 & echo $!; wait";
        let (mut child, line) = start(&env, &["exec", "--no-input", "--", "sh", "-c", script]);
        let grandchild = line.trim().parse().ok().and_then(Pid::from_raw);
        let grandchild = grandchild.expect("a process id");

        kill_process(Pid::from_child(&child), signal).expect("ibid runs");
        let status = child.wait().expect("a child can be waited for");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
        assert!(
            test_kill_process(grandchild).is_err(),
            "the command's child lives on"
        );
    }
}

#[test]
fn a_command_whose_reader_went_away_ends_as_in_a_pipe() {
    let env = test_env();
    let (mut child, line) = start(&env, &["exec", "--no-input", "--", "yes"]);
    // The reader is dropped: `yes` would go on for ever if nobody told it.
    let status = child.wait().expect("a child can be waited for");
    assert_eq!(
        (line.as_str(), status.signal()),
        ("y\n", Some(Signal::PIPE.as_raw()))
    );
}

#[test]
fn a_caller_that_ignores_its_children_does_not_cost_the_exit_code() {
    let env = test_env();
    let words = ["exec", "--no-input", "--", "sh", "-c", "exit 3"];
    let ran = by_shell(&env, "trap '' CHLD; exec \"$@\"", &words);
    assert_eq!(ran.code, Some(3), "{}", ran.story());
}

#[test]
fn what_a_killed_ibid_left_running_is_ended_before_its_outputs_are_made_again() {
    let env = test_env();
    let script = "sleep 600 & echo $!; wait";
    let (mut child, line) = start(
        &env,
        &["exec", "--no-input", "-o", "out", "--", "sh", "-c", script],
    );
    let grandchild = line.trim().parse().ok().and_then(Pid::from_raw);
    let grandchild = grandchild.expect("a process id");
    child.kill().expect("ibid runs");
    child.wait().expect("a child can be waited for");
    assert!(is_running(grandchild), "it should live on");

    let words = [
        "exec",
        "--no-input",
        "-o",
        "out",
        "--",
        "sh",
        "-c",
        "echo x > out",
    ];
    let ran = env.run(words);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(!is_running(grandchild), "{}", ran.story());
}

/// Says whether a process runs; one that has ended and that nobody asked for does not.
fn is_running(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
