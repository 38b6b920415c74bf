//! `ibid exec`: what a user sees of runs, hits and failures.

use ibid_testkit::{Ran, TestEnv};

use crate::test_env;

/// Runs `exec` with these flags and a script.
fn exec(env: &TestEnv, flags: &[&str], script: &str) -> Ran {
    env.run([&["exec"], flags, &["--", "sh", "-c", script]].concat())
}

const COPY: [&str; 4] = ["-i", "in.txt", "-o", "out.txt"];

#[test]
fn a_step_runs_once_is_left_alone_and_comes_back() {
    let env = test_env();
    env.write("in.txt", "some bytes");
    let copy = || exec(&env, &COPY, "echo hello; cp in.txt out.txt");
    assert_eq!(
        copy().story(),
        "exit: 0\n-- stdout\nhello\n-- stderr\nibid: ran in [SPAN] — no earlier run\n"
    );
    assert_eq!(
        copy().story(),
        "exit: 0\n-- stdout\nhello\n-- stderr\nibid: up to date ([SPAN])\n"
    );
    env.write("out.txt", "junk");
    let again = copy();
    assert!(
        again
            .stderr
            .ends_with("ibid: restored 1 output, 10 B (saved [SPAN])\n"),
        "{}",
        again.story()
    );
    assert_eq!(env.read("out.txt"), b"some bytes");
    env.write("in.txt", "other bytes");
    let changed = copy();
    assert!(
        changed
            .stderr
            .ends_with("ibid: ran in [SPAN] — inputs changed: input/in.txt\n"),
        "{}",
        changed.story()
    );
}

#[test]
fn explain_prints_old_and_new_values_before_the_command_speaks() {
    let env = test_env();
    let run = |value: &str| {
        let flag = format!("LEVEL={value}");
        exec(
            &env,
            &["--no-input", "--explain", "--label", "x", "-e", &flag],
            "echo said >&2",
        )
    };
    run("1");
    let text = run("2").stderr;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("ibid: runs because of: env"), "{text}");
    assert_eq!(
        &lines[2..4],
        ["  env/LEVEL: \"1\" → \"2\"", "said"],
        "{text}"
    );
}

#[test]
fn exit_codes_and_signals_of_the_command_come_through() {
    let env = test_env();
    for code in [1, 2, 125, 255] {
        let ran = exec(&env, &["--no-input"], &format!("exit {code}"));
        assert_eq!(ran.code, Some(code), "{}", ran.story());
        assert!(
            ran.stderr.starts_with(&format!(
                "ibid: failed with exit code {code} after [SPAN] — "
            )),
            "{}",
            ran.story()
        );
    }
    for signal in [2, 6, 9, 15] {
        let ran = exec(&env, &["--no-input"], &format!("kill -{signal} $$"));
        assert_eq!(
            (ran.code, ran.signal),
            (None, Some(signal)),
            "{}",
            ran.story()
        );
    }
    let ran = exec(&env, &["--no-input", "--timeout", "50ms"], "exec sleep 60");
    assert_eq!(ran.code, Some(143), "{}", ran.story());
    assert!(
        ran.stderr.starts_with("ibid: ran out of time after"),
        "{}",
        ran.story()
    );
}

#[test]
fn programs_that_cannot_run_have_their_own_codes() {
    let env = test_env();
    let ran = env.run(["exec", "--no-input", "--", "no-such-program"]);
    assert_eq!(ran.code, Some(127), "{}", ran.story());
    let line = env.run(["exec", "--no-input", "--", "cat a > b"]);
    assert_eq!(line.code, Some(127), "{}", line.story());
    assert!(line.stderr.contains("`sh -c 'LINE'`"), "{}", line.story());
    env.write("plain.sh", "echo");
    let ran = env.run(["exec", "--no-input", "--", "./plain.sh"]);
    assert_eq!(ran.code, Some(126), "{}", ran.story());
    assert!(ran.stderr.contains("\n\nhint: "), "{}", ran.story());
}

#[test]
fn quiet_leaves_the_command_alone_on_both_streams() {
    let env = test_env();
    for _ in 0..2 {
        let ran = exec(&env, &["--no-input", "--quiet"], "printf a; printf b >&2");
        assert_eq!(ran.raw, (b"a".to_vec(), b"b".to_vec()));
    }
}

#[test]
fn json_events_are_lines_beside_the_command() {
    let env = test_env();
    let ran = exec(&env, &["--no-input", "--json"], "printf data");
    assert_eq!(ran.stdout, "data");
    let events: Vec<serde_json::Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert!(events.iter().all(|event| event["v"] == 1), "{}", ran.stderr);
    let last = events.last().expect("there are events");
    assert_eq!(last["event"], "finished");
    assert_eq!(
        (&last["decision"], &last["exit_code"]),
        (&"ran".into(), &0.into())
    );
}

#[test]
fn standard_input_counts_when_it_is_asked_for() {
    let env = test_env();
    let pipe = |text: &str| {
        let file = env.write("piped", text);
        let file = std::fs::File::open(file).expect("just written");
        env.finish(
            env.command()
                .args(["exec", "--stdin", "--", "cat"])
                .stdin(file),
        )
    };
    assert_eq!(pipe("one").stdout, "one");
    assert!(pipe("one").stderr.starts_with("ibid: up to date"));
    assert_eq!(pipe("two").stdout, "two");
}

#[test]
fn a_cache_that_cannot_be_made_costs_a_warning_or_with_strict_the_run() {
    let env = test_env();
    env.write("file", "");
    let flags = ["--no-input", "--cache-dir", "file/cache"];
    let ran = exec(&env, &flags, "echo ran");
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "ran\n"),
        "{}",
        ran.story()
    );
    let warnings = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning: "));
    assert_eq!(warnings.count(), 1, "{}", ran.story());
    let ran = exec(&env, &[&flags[..], &["--strict"]].concat(), "echo ran");
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(125), ""),
        "{}",
        ran.story()
    );
}

#[test]
fn a_key_is_told_without_running_or_writing_anything() {
    let env = test_env();
    env.write("in.txt", "x");
    let ran = env.run(["key", "-i", "in.txt", "--", "touch", "ran"]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(
        ran.stdout.contains("\n  input/in.txt  file "),
        "{}",
        ran.story()
    );
    assert!(!env.work("ran").exists() && !env.cache().join("v1").exists());
}

#[test]
fn another_folder_is_where_the_command_and_its_paths_are() {
    let env = test_env();
    env.write("sub/in.txt", "x");
    let words = ["-C", "sub", "exec", "--env-mode", "loose", "-i", "in.txt"];
    let mut command = env.command();
    command.env("PWD", env.work(""));
    command
        .args(words)
        .args(["--", "sh", "-c", "pwd; echo $PWD; ls"]);
    let ran = env.finish(&mut command);
    let place = "[DIR]/work/sub";
    assert_eq!(
        ran.stdout,
        format!("{place}\n{place}\nin.txt\n"),
        "{}",
        ran.story()
    );
}

#[test]
fn a_way_back_that_leads_elsewhere_for_a_while_makes_no_result() {
    for (link, home, away) in [
        // Who takes `..` back before links are followed comes to the same file, or to another one.
        ("one/link", "deep", "../two/deep"),
        ("link", "one/deep", "two/deep"),
    ] {
        for flag in ["-i", "--input-by-content", "ibid.toml"] {
            let env = test_env();
            for of in ["one", "two"] {
                env.write(format!("{of}/deep/kept"), "");
                env.write(format!("{of}/f"), of);
            }
            let path = format!("{link}/../f");
            let turned =
                |to: &str| format!("if [ -e turns ]; then rm {link}; ln -s {to} {link}; fi\n");
            let read = format!("cat {path} > out\n");
            env.write("do.sh", [turned(away), read, turned(home)].concat());
            std::os::unix::fs::symlink(home, env.work(link)).unwrap();
            if flag == "ibid.toml" {
                let step = format!("inputs = ['{path}']\noutputs = ['out']\nrun = 'sh do.sh'\n");
                env.write(flag, format!("[steps.s]\n{step}"));
            }
            let run = || match flag {
                "ibid.toml" => env.run(["run"]),
                _ => env.run(["exec", flag, &path, "-o", "out", "--", "sh", "do.sh"]),
            };
            env.write("turns", "");
            let ran = run();
            assert_eq!(env.read("out"), b"two", "{link} {flag} {}", ran.story());
            std::fs::remove_file(env.work("turns")).unwrap();
            let ran = run();
            assert_eq!(env.read("out"), b"one", "{link} {flag} {}", ran.story());
        }
    }
}
