//! Declarations that cannot be right: exit code 2 before anything runs, the place, a hint.

use ibid_testkit::TestEnv;

use crate::test_env;

/// Runs `exec` with these flags; returns the first line of the error.
fn refused(env: &TestEnv, flags: &[&str]) -> String {
    let ran = env.run([&["exec"], flags, &["--", "touch", "ran"]].concat());
    assert_eq!(ran.code, Some(2), "{}", ran.story());
    assert!(ran.stderr.contains("\n\nhint: "), "{}", ran.story());
    assert!(!env.work("ran").exists(), "the command ran");
    ran.stderr.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn inputs_that_have_no_content_are_named() {
    let env = test_env();
    env.write("file", "");
    let made = std::process::Command::new("mkfifo")
        .arg(env.work("pipe"))
        .status();
    assert!(made.expect("mkfifo is there").success());
    std::os::unix::fs::symlink("nowhere", env.work("dangling")).expect("a link can be made");
    for (input, problem) in [
        ("absent", "`[DIR]/work/absent` does not exist"),
        ("pipe", "`[DIR]/work/pipe` is a FIFO, socket or device"),
        ("dangling", "`[DIR]/work/dangling` is a link to `nowhere`"),
        ("file/", "`[DIR]/work/file` is not a folder"),
        ("*.absent", "nothing matches the pattern `*.absent`"),
    ] {
        let line = refused(&env, &["-i", input]);
        assert!(line.starts_with(&format!("error: {problem}")), "{line}");
    }
}

#[test]
fn outputs_that_would_destroy_something_are_refused() {
    let env = test_env();
    env.write("data/in", "");
    env.write(".git/config", "");
    for (flags, problem) in [
        (
            ["-i", "data", "-o", "."].as_slice(),
            "the output `.` is the root",
        ),
        (
            &["-i", "data", "-o", ".."],
            "output `..` is or contains the root",
        ),
        (
            &["-i", "data", "-o", "data"],
            "output `data` is or contains the input `data`",
        ),
        (
            &["-i", "data/in", "-o", "data"],
            "output `data` is or contains the input `data/in`",
        ),
        (
            &["--no-input", "-o", ".git/x"],
            "output `.git/x` lies in `.git`",
        ),
        (
            &["--no-input", "-o", "a", "-o", "a/b"],
            "output `a` contains the output `a/b`",
        ),
        (
            &["--no-input", "--cache-dir", "c", "-o", "c/v1"],
            "output `c/v1` contains the store `[DIR]/work/c` or lies in it",
        ),
    ] {
        let line = refused(&env, flags);
        assert!(line.starts_with(&format!("error: {problem}")), "{line}");
    }
    assert!(env.work("data/in").exists() && env.work(".git/config").exists());
}

#[test]
fn a_missing_output_is_told_and_nothing_is_stored() {
    let env = test_env();
    for _ in 0..2 {
        let ran = env.run([
            "exec",
            "--no-input",
            "-q",
            "-o",
            "absent",
            "--",
            "echo",
            "ran",
        ]);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), "ran\n"),
            "{}",
            ran.story()
        );
        assert!(
            ran.stderr.starts_with("warning: ")
                && ran.stderr.contains("`absent`")
                && ran
                    .stderr
                    .ends_with("; the result counts, but was not stored\n"),
            "{}",
            ran.story()
        );
    }
}
