//! Declarations that cannot be right: exit code 2 before anything runs, the place, a hint.

use ibid_testkit::{Ran, TestEnv, component, skipped};

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
            "output `.git/x` is or lies in `.git`",
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

/// Runs a copy of the binary as a user that owns nothing, if this user may.
fn as_nobody(env: &TestEnv, words: &[&str]) -> Option<Ran> {
    let setpriv = component("setpriv")?;
    if !rustix::process::geteuid().is_root() {
        skipped("only root may become another user");
        return None;
    }
    // The binary may lie where nobody else may go.
    let copy = env.work("../tmp/ibid-of-nobody");
    if !copy.exists() {
        // A file that this process wrote might still be open in the child of another test.
        let cp = std::process::Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_ibid"))
            .arg(&copy)
            .status();
        assert!(cp.is_ok_and(|cp| cp.success()));
    }
    let command = env.command();
    let envs = command.get_envs();
    let mut of_nobody = std::process::Command::new(setpriv);
    of_nobody
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(copy)
        .args(words)
        .current_dir(env.work(""))
        .env_clear()
        .envs(envs.filter_map(|(name, value)| Some((name, value?))));
    Some(env.finish(&mut of_nobody))
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).expect("it is ours");
}

#[test]
fn what_cannot_be_read_is_named() {
    let env = test_env();
    let file = env.write("file", "secret");
    set_mode(&file, 0o600);
    env.write("dir/in", "");
    set_mode(&env.work("dir"), 0o700);
    for (input, operation) in [("file", "open"), ("dir", "list")] {
        let Some(ran) = as_nobody(&env, &["exec", "-i", input, "--", "echo", "ran"]) else {
            return;
        };
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{}",
            ran.story()
        );
        let start = format!(
            "error: cannot {operation} `[DIR]/work/{input}`\ncaused by: Permission denied (os error \
             13)\n\nhint: "
        );
        assert!(ran.stderr.starts_with(&start), "{}", ran.story());
    }
}

#[test]
fn an_unwritable_cache_costs_one_warning_or_with_strict_the_run() {
    let env = test_env();
    env.write("in.txt", "in");
    for (flags, code, stdout) in [(&[][..], 0, "ran\n"), (&["--strict"], 125, "")] {
        let words = [&["exec", "-i", "in.txt"], flags, &["--", "echo", "ran"]].concat();
        let Some(ran) = as_nobody(&env, &words) else {
            return;
        };
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(code), stdout),
            "{}",
            ran.story()
        );
        let told = |start: &str| ran.stderr.lines().filter(|l| l.starts_with(start)).count();
        assert_eq!(told("warning: ") + told("error: "), 1, "{}", ran.story());
        assert!(ran.stderr.contains("`[DIR]/cache/ibid"), "{}", ran.story());
    }
}

#[test]
fn a_folder_of_somebody_elses_is_no_cache() {
    let env = test_env();
    env.write("folder/thesis.tex", "");
    let run = |flag: &str| {
        let words = [
            "exec",
            "--no-input",
            flag,
            "--cache-dir",
            "folder",
            "--",
            "echo",
            "ran",
        ];
        env.run(words)
    };
    let ran = run("--explain");
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "ran\n"),
        "{}",
        ran.story()
    );
    let warning = "warning: `[DIR]/work/folder` is not a store and holds other files, such as \
                   `thesis.tex`; running without storing the result\n";
    assert!(ran.stderr.starts_with(warning), "{}", ran.story());
    assert_eq!(ran.stderr.matches("warning").count(), 1, "{}", ran.story());
    assert_eq!(run("--strict").code, Some(125));
    let left = std::fs::read_dir(env.work("folder")).expect("it is there");
    assert_eq!(left.count(), 1, "something was written");
}

#[test]
fn a_full_disk_loses_nothing_of_the_command() {
    let env = test_env();
    if !rustix::process::geteuid().is_root() {
        return skipped("only root may mount");
    }
    let disk = env.work("disk");
    std::fs::create_dir(&disk).expect("the folder is writable");
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&disk)
        .output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        return skipped("a file system cannot be mounted here");
    }
    let script = "head -c 1000000 /dev/zero | tr '\\0' x > big; echo said; exit $CODE";
    let run = |code: &str| {
        env.run([
            "exec",
            "--no-input",
            "-e",
            &format!("CODE={code}"),
            "--cache-dir",
            "disk/cache",
            "-o",
            "big",
            "--",
            "sh",
            "-c",
            script,
        ])
    };
    let (good, bad) = (run("0"), run("7"));
    let unmounted = std::process::Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    assert_eq!(
        (good.code, good.stdout.as_str()),
        (Some(0), "said\n"),
        "{}",
        good.story()
    );
    assert_eq!(
        (bad.code, bad.stdout.as_str()),
        (Some(7), "said\n"),
        "{}",
        bad.story()
    );
    assert_eq!(env.read("big").len(), 1_000_000);
    assert!(
        good.stderr.contains("warning: ") && good.stderr.contains("No space left on device"),
        "{}",
        good.story()
    );
}

#[test]
fn a_store_of_a_newer_format_runs_nothing() {
    let env = test_env();
    env.write("store/store.json", "{\"format\": 7}");
    let ran = env.run([
        "exec",
        "--no-input",
        "--cache-dir",
        "store",
        "--",
        "echo",
        "ran",
    ]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(125), ""),
        "{}",
        ran.story()
    );
    assert!(
        ran.stderr.starts_with(
            "error: the store `[DIR]/work/store` has format 7, this ibid knows format 1\n\nhint: "
        ),
        "{}",
        ran.story()
    );
}
