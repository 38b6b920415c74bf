//! One action has one key behind both doors: typed for `exec` in the root, or declared as a step.

use std::fs::File;

use ibid_testkit::{Ran, TestEnv};
use serde_json::Value;

use crate::test_env;

/// An action, declared twice.
struct Case {
    /// Flags of `exec`.
    flags: &'static [&'static str],
    /// Words of the command.
    words: &'static [&'static str],
    /// The fields of the step.
    step: &'static str,
}

const CASES: &[Case] = &[
    Case {
        flags: &["-i", "in.txt", "-o", "out.txt"],
        words: &["cp", "in.txt", "out.txt"],
        step: "run = ['cp', 'in.txt', 'out.txt']
            inputs = 'in.txt'
            outputs = 'out.txt'",
    },
    Case {
        flags: &["-i", "data/", "-o", "made/"],
        words: &["cp", "-r", "data", "made"],
        step: "run = ['cp', '-r', '{inputs}', '{outputs}']
            inputs = 'data/'
            outputs = 'made/'",
    },
    Case {
        flags: &["-i", "data/*.csv", "-i", "in.txt", "-o", "made/*.csv"],
        words: &["cp", "data/a.csv", "data/b.csv", "made"],
        step: "run = ['cp', '{inputs.tables}', 'made']
            inputs = { tables = 'data/*.csv', other = 'in.txt' }
            outputs = 'made/*.csv'",
    },
    Case {
        flags: &[
            "-i",
            "data",
            "--exclude",
            "*.csv",
            "--exclude",
            "data/x/",
            "-o",
            "o",
        ],
        words: &["sh", "list.sh", "data", "o"],
        step: "run = ['sh', 'list.sh', 'data', 'o']
            inputs = 'data'
            exclude = ['*.csv', 'data/x/']
            outputs = 'o'",
    },
    Case {
        flags: &[
            "-i", "in.txt", "-o", "o", "-e", "MODE=a=b", "-e", "TZ", "-e", "NONE",
        ],
        words: &["cp", "in.txt", "o"],
        step: "run = ['cp', 'in.txt', 'o']
            inputs = 'in.txt'
            outputs = 'o'
            env = ['MODE=a=b', 'TZ', 'NONE']",
    },
    Case {
        flags: &[
            "-i",
            "in.txt",
            "-o",
            "o",
            "-p",
            "alpha=0.5",
            "-p",
            "deep={\"a\":[1,true]}",
            "--spec",
            "spec.yaml",
        ],
        words: &["cp", "in.txt", "o"],
        step: "run = ['cp', 'in.txt', 'o']
            inputs = 'in.txt'
            outputs = 'o'
            specs = 'spec.yaml'
            params = { deep = { a = [1, true] }, alpha = 0.5 }",
    },
    Case {
        flags: &["--input-by-content", "in.txt", "-o", "o"],
        words: &["cp", "in.txt", "o"],
        step: "run = ['cp', '{inputs}', 'o']
            inputs = [{ path = 'in.txt', by_content = true }]
            outputs = 'o'",
    },
    Case {
        flags: &[
            "-i",
            "in.txt",
            "-o",
            "o",
            "--optional-output",
            "log",
            "--version-tag",
            "model=2",
            "--versions-from",
            "sh list.sh data /dev/stdout",
            "--salt",
            "again",
            "--tool",
            "sort",
        ],
        words: &["cp", "in.txt", "o"],
        step: "run = ['cp', 'in.txt', 'o']
            inputs = 'in.txt'
            outputs = ['o', { path = 'log', optional = true }]
            versions = { model = '2' }
            versions_from = [['sh', 'list.sh', 'data', '/dev/stdout']]
            salt = 'again'
            tools = 'sort'",
    },
    Case {
        flags: &[
            "-i",
            "in.txt",
            "--code",
            "list.sh",
            "--ignore-arg",
            "data",
            "-o",
            "o",
        ],
        words: &["sh", "list.sh", "data", "o"],
        step: "run = ['sh', 'list.sh', 'data', 'o']
            inputs = 'in.txt'
            code = 'list.sh'
            ignore_args = 'data'
            outputs = 'o'",
    },
    Case {
        flags: &["--stdin", "-o", "o"],
        words: &["tee", "o"],
        step: "run = ['tee', 'o']
            stdin = 'in.txt'
            outputs = 'o'",
    },
    Case {
        flags: &[
            "--no-input",
            "--ttl",
            "1d",
            "--timeout",
            "1m",
            "--ok-exit",
            "3",
            "--packages",
            "none",
            "--env-mode",
            "loose",
            "--pass-env",
            "TZ",
        ],
        words: &["sh", "-c", "exit 3"],
        step: "run = ['sh', '-c', 'exit 3']
            ttl = '1d'
            timeout = '1m'
            ok_exit = 3
            packages = 'none'
            env_mode = 'loose'
            pass_env = 'TZ'",
    },
];

fn project(step: &str) -> TestEnv {
    let env = test_env();
    env.write("ibid.toml", format!("[steps.it]\n{step}\n"));
    env.write("in.txt", "b\na\n");
    env.write("data/a.csv", "1\n");
    env.write("data/b.csv", "2\n");
    env.write("data/c.txt", "3\n");
    env.write("spec.yaml", "b: 1\na: [x, 2.5]\n");
    env.write("list.sh", "ls \"$1\" >\"$2\"\n");
    std::fs::create_dir(env.work("made")).expect("it is a fresh folder");
    env
}

fn typed(env: &TestEnv, verb: &str, flags: &[&str], words: &[&str]) -> Ran {
    let stdin = File::open(env.work("in.txt")).expect("it was written");
    let mut command = env.command();
    command.args([verb, "--json"]).args(flags).arg("--");
    command.args(words).stdin(stdin);
    env.finish(&mut command)
}

/// Returns the key that `key` makes, and the key and the decision of an execution.
fn executed(env: &TestEnv, flags: &[&str], words: &[&str]) -> (String, String) {
    let ran = typed(env, "exec", flags, words);
    let last = ran.stderr.lines().last().unwrap_or_default();
    let last: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{}", ran.story()));
    let text = |name: &str| last[name].as_str().unwrap_or_default().to_owned();
    let made = typed(env, "key", flags, words);
    let made: Value =
        serde_json::from_str(&made.stdout).unwrap_or_else(|_| panic!("{}", made.story()));
    assert_eq!(made["key"], text("key").as_str(), "{}", ran.story());
    (text("key"), text("decision"))
}

/// Returns the key of the step, and what a run did about it.
fn run(env: &TestEnv) -> (String, String) {
    let ran = env.run(["run", "--json"]);
    let events = ran.stdout.lines().map(serde_json::from_str::<Value>);
    let mut events = events.map(|event| event.expect("each line is JSON"));
    let finished = events.find(|event| event["event"] == "finished");
    let finished = finished.unwrap_or_else(|| panic!("{}", ran.story()));
    let text = |name: &str| finished[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("state"), "done", "{}", ran.story());
    (text("key"), text("decision"))
}

fn assert_one_key(flags: &[&str], words: &[&str], step: &str) {
    let env = project(step);
    let (key, decision) = executed(&env, flags, words);
    assert_eq!(decision, "ran", "{step}");
    let (same, decision) = run(&env);
    let components = |verb: &[&str]| env.run(verb).stdout;
    assert_eq!(
        key,
        same,
        "{step}\n{}\n{}",
        components(&["show", &key]),
        components(&["show", &same])
    );
    assert_ne!(decision, "ran", "{step}");

    let env = project(step);
    assert_eq!(run(&env), (key.clone(), "ran".to_owned()), "{step}");
    let (same, decision) = executed(&env, flags, words);
    assert_eq!(key, same, "{step}");
    assert_ne!(decision, "ran", "{step}");
}

#[test]
fn a_step_and_the_same_words_typed_have_one_key_and_run_once() {
    for case in CASES {
        assert_one_key(case.flags, case.words, case.step);
    }
}

#[test]
fn settings_hold_behind_both_doors() {
    let step = "run = ['cp', 'in.txt', 'o']
        inputs = 'in.txt'
        outputs = 'o'
        [config]
        env_mode = 'loose'";
    assert_one_key(&["-i", "in.txt", "-o", "o"], &["cp", "in.txt", "o"], step);
}

#[test]
fn a_text_for_a_shell_has_one_key_behind_both_doors() {
    let flags = ["-i", "in.txt", "-o", "o"];
    let text = ["sort in.txt | head -n 1 >o"];
    for (flag, shell) in [("--shell", ""), ("--shell=bash", "shell = 'bash'")] {
        let step = format!(
            "run = 'sort {{inputs}} | head -n 1 >{{outputs}}'
            inputs = 'in.txt'
            outputs = 'o'
            {shell}"
        );
        assert_one_key(&[&flags[..], &[flag]].concat(), &text, &step);
    }
}

#[test]
fn a_shell_that_is_not_known_and_a_text_in_words_are_refused() {
    let env = project("run = 'true'");
    let ran = env.run(["exec", "--no-input", "--shell=fish", "--", "true"]);
    assert_eq!(
        ran.story(),
        "exit: 2\n-- stderr\nerror: `fish` of `--shell` is not a shell that is known by its name\n\n\
         hint: known are bash, sh, dash, zsh, ksh; any other can be typed: `-- fish -c 'TEXT'`\n"
    );
    let ran = env.run(["exec", "--no-input", "--shell", "echo", "a"]);
    assert_eq!(ran.code, Some(2), "{}", ran.story());
    assert!(ran.stderr.contains("as one text"), "{}", ran.story());
}
