//! Looking back without a file of steps: chains of causes, lines of texts, runs by count and by
//! key, sums.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use ibid_testkit::{Ran, TestEnv};
use serde_json::Value;

use crate::{json, ok, test_env};

/// Runs `words` as the step `label`, with an input and an output.
fn step(env: &TestEnv, label: &str, (input, output): (&str, &str), script: &str) -> Ran {
    let flags = ["exec", "--label", label, "-i", input, "-o", output, "--"];
    let ran = env.run([&flags[..], &["sh", "-c", script]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    ran
}

/// Prepares, cleans and fits: three steps, each of what the one before wrote.
fn chain(env: &TestEnv, raw: &str) {
    env.write("raw.csv", raw);
    let (clean, fit) = (
        "grep -v bad raw.csv >clean.csv",
        "wc -l <clean.csv >fit.txt",
    );
    step(env, "w/clean", ("raw.csv", "clean.csv"), clean);
    step(env, "w/fit", ("clean.csv", "fit.txt"), fit);
    let report = "sed s/^/rows:/ fit.txt >report.txt";
    step(env, "w/report", ("fit.txt", "report.txt"), report);
}

#[test]
fn why_follows_a_changed_input_to_the_file_that_nobody_writes() {
    let env = test_env();
    chain(&env, "1\n2\nbad\n");
    chain(&env, "1\n2\n3\nbad\n");
    let text = ok(&env, &["why", "w/report"]).stdout;
    let expected = "\
`w/report` re-ran because `fit.txt` changed: +1 −1 lines
  because `w/fit` re-ran because `clean.csv` changed: +1 line
    because `w/clean` re-ran because `raw.csv` changed
";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("      -2\n      +3\n"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");

    let answer = json(&env, &["why", "w/report"]);
    let fit = &answer["chain"]["upstream"][0];
    assert_eq!(fit["paths"], serde_json::json!(["fit.txt"]));
    let clean = &fit["run"]["upstream"][0]["run"];
    assert_eq!(clean["label"], "w/clean");
    assert_eq!(clean["changes"][0]["component"], "input/raw.csv");
    let lines = &fit["run"]["changes"][0]["difference"];
    assert_eq!((&lines["added"], &lines["removed"]), (&1.into(), &0.into()));
}

#[test]
fn an_intermediate_file_that_was_edited_by_hand_is_told_as_such() {
    let env = test_env();
    chain(&env, "1\n2\n");
    env.write("clean.csv", "by hand\n");
    let fit = "wc -l <clean.csv >fit.txt";
    step(&env, "w/fit", ("clean.csv", "fit.txt"), fit);
    let text = ok(&env, &["why", "w/fit"]).stdout;
    let told = "  but no known run of `w/clean`, which writes it, gave these bytes\n";
    assert!(text.contains(told), "{text}");
    // The new text stands in the workspace, the old one in the store.
    assert!(
        text.contains("`clean.csv` changed: +1 −2 lines\n"),
        "{text}"
    );
}

#[test]
fn a_difference_is_coloured_only_when_it_is_asked_for() {
    let env = test_env();
    chain(&env, "1\n");
    chain(&env, "2\n");
    let colored = ok(&env, &["why", "w/fit", "--color", "always"]).stdout;
    assert!(colored.contains("\x1b[31m-1"), "{colored}");
    let diff = ok(&env, &["diff", "w/fit@-1", "w/fit"]).stdout;
    assert!(diff.starts_with("input/clean.csv: file "), "{diff}");
    assert!(
        diff.contains(", +1 −1 lines\n    @@ -1 +1 @@\n    -1\n    +2\n"),
        "{diff}"
    );
}

#[test]
fn a_binary_file_is_told_by_its_sizes() {
    let env = test_env();
    for zeros in ["1", "3"] {
        env.write("n", zeros);
        let make = "head -c $(cat n) /dev/zero >zeros";
        step(&env, "make", ("n", "zeros"), make);
        step(&env, "copy", ("zeros", "copy"), "cat zeros >copy");
    }
    let text = ok(&env, &["why", "copy"]).stdout;
    assert!(text.contains(", 1 B → 3 B\n"), "{text}");
}

#[test]
fn runs_are_named_by_count_by_key_and_by_time() {
    let env = test_env();
    for text in ["one", "two", "three"] {
        env.write("in", text);
        step(&env, "p/copy", ("in", "out"), "cat in >out");
    }
    let restored = |run: &str, to: &str| {
        let ran = env.run(["restore", &format!("p/copy@{run}"), "--to", to]);
        (ran.code == Some(0)).then(|| String::from_utf8(env.read(format!("{to}/out"))).unwrap())
    };
    assert_eq!(restored("-0", "a").as_deref(), Some("three"));
    assert_eq!(restored("-1", "b").as_deref(), Some("two"));
    assert_eq!(restored("-2", "c").as_deref(), Some("one"));
    assert_eq!(restored("today", "d").as_deref(), Some("three"));
    let log = json(&env, &["log", "p/copy"]);
    let oldest = &log["runs"][2];
    let key = oldest["key"]
        .as_str()
        .unwrap()
        .strip_prefix("blake3:")
        .unwrap();
    assert_eq!(restored(&key[..6], "e").as_deref(), Some("one"));
    let time = oldest["time"].as_str().unwrap();
    assert_eq!(restored(time, "f").as_deref(), Some("one"));
    // What is used again is no further run.
    step(&env, "p/copy", ("in", "out"), "cat in >out");
    std::fs::remove_file(env.work("out")).unwrap();
    step(&env, "p/copy", ("in", "out"), "cat in >out");
    assert_eq!(restored("-1", "g").as_deref(), Some("two"));

    let all = json(&env, &["log", key])["runs"].as_array().unwrap().len();
    assert_eq!(all, 1, "a key names its own runs");
}

#[test]
fn what_names_no_run_is_answered_with_the_runs_there_are() {
    let env = test_env();
    env.write("in", "text");
    step(&env, "p/copy", ("in", "out"), "cat in >out");
    for run in ["-1", "ffff", "2001-01-01", "tomorrow", ""] {
        let ran = env.run(["restore", &format!("p/copy@{run}"), "--to", "x"]);
        let start = format!("error: no run of `p/copy` is meant by `{run}`\n  [TIME]  ");
        assert_eq!(ran.code, Some(1), "{}", ran.story());
        assert!(ran.stderr.starts_with(&start), "{}", ran.story());
        assert!(ran.stderr.contains("\nhint: "), "{}", ran.story());
    }
    let ran = env.run(["show", "nothing@-1"]);
    let told = "error: nothing is known of `nothing@-1` in this cache\n";
    assert!(ran.stderr.starts_with(told), "{}", ran.story());
}

#[test]
fn an_invalidated_run_can_still_be_looked_at_by_name() {
    let env = test_env();
    env.write("in", "text");
    step(&env, "p/copy", ("in", "out"), "cat in >out; echo copied");
    ok(&env, &["invalidate", "p/copy", "--because", "it was wrong"]);
    assert_eq!(env.run(["output", "p/copy"]).code, Some(1));
    let ran = ok(&env, &["output", "p/copy@-0"]);
    assert_eq!(ran.stdout, "copied\n");
    assert!(
        ran.stderr.contains("was invalidated: it was wrong"),
        "{}",
        ran.story()
    );
    let ran = env.run(["invalidate", "p/copy", "--downstream"]);
    let told = "error: `p/copy` is no step of this project\n";
    assert!(ran.stderr.starts_with(told), "{}", ran.story());
}

#[test]
fn following_shows_what_a_run_prints_while_it_runs() {
    let env = test_env();
    let (made, gate) = (std::process::Command::new("mkfifo"), env.work("gate"));
    let made = { made }.arg(&gate).status();
    assert!(made.expect("coreutils are there").success());
    // The run reads a pipe, which nobody opens for writing before the test does.
    let script = "echo begun; cat gate >out; echo opened; exit 3";
    let start = |words: &[&str]| {
        let mut command = env.command();
        command.args(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary under test starts")
    };
    let words = ["exec", "--label", "p/wait", "--no-input", "-o", "out"];
    let mut running = start(&[&words[..], &["--", "sh", "-c", script]].concat());
    assert_eq!(line(&mut running), "begun\n");
    let mut following = start(&["output", "--follow", "p/wait"]);
    assert_eq!(line(&mut following), "begun\n", "before the run has ended");
    let mut gate = File::options().write(true).open(gate).unwrap();
    gate.write_all(b"open").unwrap();
    drop(gate);
    assert_eq!(running.wait().expect("it ends").code(), Some(3));
    assert_eq!(line(&mut following), "opened\n", "of a failed run, too");
    let output = following.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
}

/// Reads a line of standard output, byte by byte: nothing behind it is taken.
fn line(child: &mut std::process::Child) -> String {
    let stdout = child.stdout.as_mut().expect("it is piped");
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") && stdout.read(&mut byte).expect("a pipe can be read") == 1 {
        line.extend(byte);
    }
    String::from_utf8(line).expect("it is text")
}

#[test]
fn following_what_does_not_run_prints_what_was_printed() {
    let env = test_env();
    let words = [
        "exec",
        "--label",
        "p/say",
        "--no-input",
        "--",
        "echo",
        "said",
    ];
    ok(&env, &words);
    assert_eq!(ok(&env, &["output", "-f", "p/say"]).stdout, "said\n");
    assert_eq!(env.run(["output", "-f", "p/unknown"]).code, Some(1));
}

#[test]
fn stats_add_up_and_an_empty_history_has_zeros() {
    let env = test_env();
    let empty = json(&env, &["stats"]);
    assert_eq!((&empty["ran"], &empty["restored"]), (&0.into(), &0.into()));
    assert_eq!(empty["store"]["bytes"], 0);
    assert_eq!(env.run(["stats"]).code, Some(0));

    env.write("in", "one");
    step(&env, "p/copy", ("in", "out"), "cat in >out");
    env.write("in", "two");
    step(&env, "p/copy", ("in", "out"), "cat in >out");
    env.write("in", "one");
    step(&env, "p/copy", ("in", "out"), "cat in >out");
    // Up to date: history hears nothing of it.
    step(&env, "p/copy", ("in", "out"), "cat in >out");
    let failing = ["exec", "--label", "p/fail", "--no-input", "--", "false"];
    assert_eq!(env.run(failing).code, Some(1));

    let stats = json(&env, &["stats"]);
    let counted = ["ran", "restored", "failed", "uncacheable"].map(|name| stats[name].as_u64());
    assert_eq!(counted, [Some(2), Some(1), Some(1), Some(0)], "{stats}");
    assert_eq!(
        stats["triggers"],
        serde_json::json!({"inputs": 1, "new": 2})
    );
    assert_eq!(stats["steps"].as_array().map(Vec::len), Some(2));
    assert!(stats["store"]["bytes"].as_u64() > Some(0), "{stats}");
    let of_one = json(&env, &["stats", "p/copy", "--since", "1h"]);
    assert_eq!(
        (&of_one["failed"], &of_one["store"]),
        (&0.into(), &Value::Null)
    );
    let text = ok(&env, &["stats"]);
    assert!(
        text.stdout.contains("  restored           1  "),
        "{}",
        text.story()
    );
    assert!(
        text.stdout.contains("why it ran: new 2, inputs 1\n"),
        "{}",
        text.story()
    );
    assert!(
        text.stderr.contains("was up to date leaves no entry"),
        "{}",
        text.story()
    );
    let wrong = env.run(["stats", "--since", "yesterday"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.story());
}
