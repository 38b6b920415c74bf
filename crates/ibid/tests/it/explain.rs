//! `ibid why` after one thing changed: that component is named and no other, for people and for
//! programs, against the closest earlier run.

use std::fs;
use std::process::Stdio;

use ibid_testkit::{Ran, TestEnv, component};
use serde_json::Value;

use crate::test_env;

/// Runs a step of the label `x`, which must really run.
fn exec(env: &TestEnv, flags: &[&str], words: &[&str]) -> Ran {
    let ran = env.run([&["exec", "--label", "x"], flags, &["--"], words].concat());
    assert!(ran.stderr.contains("ibid: ran in "), "{}", ran.story());
    ran
}

/// Returns what `ibid why x` says, for people and for programs.
fn why(env: &TestEnv) -> (String, Value) {
    let ran = env.run(["why", "x"]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    let json = env.run(["why", "x", "--json"]).stdout;
    (ran.stdout, serde_json::from_str(&json).expect("it is JSON"))
}

/// Checks that the last run of `x` names this component and no other, with these words.
fn names(env: &TestEnv, trigger: &str, component: &str, words: &str) {
    let (text, json) = why(env);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!("x ran at [TIME]: {trigger} changed"),
        "{text}"
    );
    // Further in stand lines of texts.
    let is_component = |line: &&&str| line.starts_with("  ") && !line.starts_with("   ");
    let changed: Vec<_> = lines.iter().filter(is_component).collect();
    assert_eq!(changed.len(), 1, "{text}");
    let shown = changed[0].strip_prefix(&format!("  {component}: "));
    let shown = shown.unwrap_or_else(|| panic!("{text}"));
    assert!(shown.contains(words), "{words}\n{text}");
    assert!(
        lines.iter().any(|line| line.starts_with("command: ")),
        "{text}"
    );
    assert!(
        lines.last().is_some_and(|line| {
            line.starts_with("compared with the closest earlier run at [TIME], key ")
        }),
        "{text}"
    );
    assert_eq!(json["triggers"], serde_json::json!([trigger]));
    let entries = json["changes"].as_array().expect("there are changes");
    assert_eq!(entries.len(), 1, "{json}");
    assert_eq!(entries[0]["component"], component);
    assert_ne!(entries[0]["old"], entries[0]["new"]);
}

/// Checks that the last run of `x` had this trigger, and no component that changed.
fn nothing_changed(env: &TestEnv, trigger: &str, words: &str) {
    let (text, json) = why(env);
    assert!(
        text.starts_with(&format!("x ran at [TIME]: {words}\n")),
        "{text}"
    );
    assert_eq!(json["triggers"], serde_json::json!([trigger]));
    assert_eq!(json["changed"], serde_json::json!([]));
}

#[test]
fn one_changed_declaration_is_named() {
    const BASE: [&str; 10] = [
        "-i",
        "in.txt",
        "-p",
        "alpha=0.5",
        "-e",
        "LEVEL=1",
        "--salt",
        "one",
        "--version-tag",
        "model=1",
    ];
    const CAT: [&str; 2] = ["cat", "in.txt"];
    let changes = [
        (3, "alpha=0.25", "params", "param/alpha", "0.5 → 0.25"),
        (5, "LEVEL=2", "env", "env/LEVEL", "\"1\" → \"2\""),
        (5, "LEVEL", "env", "env/LEVEL", "\"1\" → unset"),
        (7, "two", "versions", "salt", "\"one\" → \"two\""),
        (9, "model=2", "versions", "version/model", "\"1\" → \"2\""),
    ];
    for (at, flag, trigger, component, words) in changes {
        let env = test_env();
        env.write("in.txt", "content");
        exec(&env, &BASE, &CAT);
        let mut flags = BASE;
        flags[at] = flag;
        exec(&env, &flags, &CAT);
        names(&env, trigger, component, words);
    }
    let env = test_env();
    env.write("in.txt", "content");
    exec(&env, &BASE, &CAT);
    exec(&env, &BASE, &["cat", "-A", "in.txt"]);
    names(&env, "code", "command/argv", "cat in.txt → cat -A in.txt");
    exec(
        &env,
        &[&BASE[..], &["-o", "made", "--ignore-arg", "made"]].concat(),
        &["cp", "in.txt", "made"],
    );
}

#[test]
fn one_changed_content_is_named() {
    let cases: [(&[&str], &[&str], &str, &str); 6] = [
        (&["-i", "file"], &["true"], "inputs", "input/file"),
        (
            &["--input-by-content", "file"],
            &["cat", "file"],
            "inputs",
            "input/#0",
        ),
        (&["--no-input"], &["cat", "file"], "inputs", "implied/file"),
        (&["--code", "file"], &["true"], "code", "code/file"),
        (&["--no-input"], &["sh", "file"], "code", "code/file"),
        (
            &["--no-input"],
            &["sh", "-c", "sh file"],
            "code",
            "code/file",
        ),
    ];
    for (flags, words, trigger, component) in cases {
        let env = test_env();
        for content in ["echo 1", "echo 2"] {
            env.write("file", content);
            exec(&env, flags, words);
        }
        names(&env, trigger, component, "file ");
    }
    let env = test_env();
    for text in ["one", "two"] {
        let file = fs::File::open(env.write("piped", text)).expect("just written");
        let words = ["exec", "--label", "x", "--stdin", "--", "cat"];
        env.finish(env.command().args(words).stdin(Stdio::from(file)));
    }
    names(&env, "inputs", "stdin", " → ");
}

#[test]
fn another_program_of_the_same_name_size_and_time_is_named() {
    let env = test_env();
    let install = |word: &str| {
        let path = env.write("new", format!("#!/bin/sh\necho {word}\n"));
        let file = fs::File::options()
            .write(true)
            .open(&path)
            .expect("just written");
        file.set_modified(std::time::UNIX_EPOCH)
            .expect("it is ours");
        // A program that this process wrote might still be open in the child of another test.
        let made = std::process::Command::new("install")
            .args(["-p", "-m", "755"])
            .args([path, env.work("tool")])
            .status();
        assert!(made.expect("coreutils are there").success());
    };
    install("one");
    assert_eq!(exec(&env, &["--no-input"], &["./tool"]).stdout, "one\n");
    install("two");
    assert_eq!(exec(&env, &["--no-input"], &["./tool"]).stdout, "two\n");
    names(&env, "tool", "tool/./tool", " → ");
}

#[test]
fn the_script_and_the_packages_of_a_python_are_named() {
    let Some(python) = component("python3") else {
        return;
    };
    let env = test_env();
    let made = std::process::Command::new(python)
        .args(["-m", "venv", "--without-pip"])
        .arg(env.work("venv"))
        .status();
    assert!(made.expect("python3 starts").success());
    let site = fs::read_dir(env.work("venv/lib")).expect("an environment has a library");
    let site = site.map(|entry| {
        entry
            .expect("it can be listed")
            .path()
            .join("site-packages")
    });
    let site = site.into_iter().next().expect("it has one Python");
    let install = |version: &str| {
        let info = site.join(format!("numpy-{version}.dist-info"));
        fs::create_dir(&info).expect("the environment is ours");
        let metadata = format!("Metadata-Version: 2.1\nName: numpy\nVersion: {version}\n");
        fs::write(info.join("METADATA"), metadata).expect("the environment is ours");
        fs::write(info.join("RECORD"), "numpy/__init__.py,,\n").expect("the environment is ours");
        info
    };
    let python = ["venv/bin/python3", "fit.py"];
    env.write("fit.py", "print(1)");
    let old = install("1.26");
    exec(&env, &["--no-input"], &python);
    fs::remove_dir_all(old).expect("the environment is ours");
    install("2.0");
    exec(&env, &["--no-input"], &python);
    names(&env, "versions", "packages/python", "numpy 1.26 → 2.0");
    env.write("fit.py", "print(2)");
    exec(&env, &["--no-input"], &python);
    names(&env, "code", "code/fit.py", "file ");
}

#[test]
fn what_is_not_in_the_key_is_named_too() {
    let env = test_env();
    exec(&env, &["--ttl", "1ms"], &["echo"]);
    nothing_changed(&env, "new", "no earlier run of it was known");
    exec(&env, &["--ttl", "0s"], &["echo"]);
    let stale = "ttl (the stored result is [SPAN] old, its ttl is [SPAN])";
    nothing_changed(&env, "ttl", stale);
    exec(&env, &["--ttl", "1h", "--force"], &["echo"]);
    nothing_changed(&env, "forced", "forced (asked to run again)");
    assert_eq!(env.run(["invalidate", "x"]).code, Some(0));
    let ran = exec(&env, &["--ttl", "1h"], &["echo"]);
    assert!(
        ran.stderr.contains("the result was invalidated"),
        "{}",
        ran.story()
    );
    let (text, json) = why(&env);
    let start = "x ran at [TIME]: forced (the result was invalidated [SPAN] ago";
    assert!(text.starts_with(start), "{text}");
    assert_eq!(json["triggers"], serde_json::json!(["forced"]));
}

#[test]
fn the_closest_earlier_run_is_compared_not_the_latest() {
    let env = test_env();
    let run = |content: &str, flags: &[&str]| {
        env.write("in.txt", content);
        exec(
            &env,
            &[&["-i", "in.txt"], flags].concat(),
            &["cat", "in.txt"],
        );
    };
    run("old", &["-p", "alpha=1", "--salt", "a"]);
    run("old", &["-p", "alpha=2", "--salt", "b", "-e", "LEVEL=3"]);
    run("new", &["-p", "alpha=1", "--salt", "a"]);
    names(&env, "inputs", "input/in.txt", "file ");
}
