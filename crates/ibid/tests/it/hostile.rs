//! Workspaces that try to get a stale or foreign result, or to lose a file: each was once served.

use std::os::unix::fs::symlink;

use ibid_testkit::{Ran, TestEnv};

use crate::test_env;

/// Runs `exec` with these flags before a shell line.
fn shell(env: &TestEnv, flags: &[&str], line: &str) -> Ran {
    let words = [&["exec"], flags, &["--", "sh", "-c", line]].concat();
    let ran = env.run(words);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    ran
}

/// Says that what `line` makes of `read` in `out` follows the content of `read`.
fn follows(env: &TestEnv, flags: &[&str], read: &str, line: &str) {
    let flags = [flags, &["-o", "out"]].concat();
    for content in ["one\n", "two\n"] {
        env.write(read, content);
        let ran = shell(env, &flags, line);
        assert_eq!(env.read("out"), content.as_bytes(), "{}", ran.story());
    }
}

#[test]
fn a_file_that_a_declared_folder_leaves_out_counts_where_a_word_names_it() {
    let env = test_env();
    env.write("data/a.csv", "1");
    follows(&env, &["-i", "."], ".git/HEAD", "cat .git/HEAD > out");
    let flags = ["-i", "data", "--exclude", "*.log"];
    follows(&env, &flags, "data/x.log", "cat data/x.log > out");
    symlink("sub", env.work("data/way")).expect("a link can be made");
    let flags = ["-i", "data", "--exclude", "data/sub/x"];
    follows(&env, &flags, "data/sub/x", "cat data/way/x > out");
}

#[test]
fn two_dots_behind_a_link_lead_where_the_system_goes() {
    let env = test_env();
    env.write("b", "at the root");
    env.write("else/dir/x", "");
    symlink("else/dir", env.work("a")).expect("a link can be made");
    follows(&env, &["-i", "a/../b"], "else/b", "cat a/../b > out");
    follows(&env, &["--no-input"], "else/b", "cat a/../b > out");
    follows(&env, &["-i", "a/../*.t"], "else/c.t", "cat else/c.t > out");
    env.write("keep", "untouched");
    shell(
        &env,
        &["--no-input", "-o", "a/../keep"],
        "echo 1 > a/../keep",
    );
    assert_eq!(env.read("keep"), b"untouched");
    assert_eq!(env.read("else/keep"), b"1\n");
}

#[test]
fn a_stored_failure_is_no_success_without_its_outputs() {
    let env = test_env();
    let line = "echo x > out; exit 3";
    let flags = ["exec", "--no-input", "--optional-output", "out"];
    let run = |flag: &[&str]| {
        let ran = env.run([&flags[..], flag, &["--", "sh", "-c", line]].concat());
        assert_eq!(ran.code, Some(3), "{}", ran.story());
    };
    run(&["--cache-failures"]);
    assert!(!env.work("out").exists());
    run(&["--ok-exit", "3"]);
    assert_eq!(env.read("out"), b"x\n");
}

#[test]
fn a_link_that_an_earlier_command_made_is_not_the_users_way_to_another_file() {
    let env = test_env();
    env.write("other", "precious");
    let flags = |p: &'static str| ["--no-input", "-p", p, "-o", "out"];
    for _ in 0..2 {
        shell(&env, &flags("p=1"), "ln -s oth?r out");
        shell(&env, &flags("p=2"), "echo two > out");
        assert_eq!(env.read("other"), b"precious");
        let kind = std::fs::symlink_metadata(env.work("out")).expect("it is there");
        assert!(kind.is_file());
    }
}

#[test]
fn a_command_that_links_to_its_input_runs_again_with_and_without_a_store() {
    let env = test_env();
    let flags = ["-i", "in", "-o", "out"];
    for content in ["1", "2"] {
        env.write("in", content);
        shell(&env, &flags, "ln -s in out");
        assert_eq!(env.read("in"), content.as_bytes());
    }
    std::fs::remove_dir_all(env.cache()).expect("the cache can be removed");
    shell(&env, &flags, "ln -s in out");
    assert_eq!(env.read("out"), b"2");
}

#[test]
fn a_command_meets_no_earlier_outputs_where_the_store_is_away() {
    let env = test_env();
    env.write("blocked", "a file where the store should be");
    for round in 0..2 {
        let words = ["--cache-dir", "blocked", "exec", "--no-input", "-o", "out"];
        let ran = env.run([&words[..], &["--", "sh", "-c", "mkdir out; echo a > out/a"]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        assert!(ran.stderr.contains("warning: "), "{}", ran.story());
        assert_eq!(
            ran.stderr.contains(".ibid/replaced"),
            round == 1,
            "{}",
            ran.story()
        );
    }
}

#[test]
fn a_cache_inside_a_declared_folder_is_no_input() {
    let env = test_env();
    let run = || {
        let words = ["--cache-dir", "c", "exec", "-i", ".", "-o", "out", "--"];
        env.run([&words[..], &["sh", "-c", "echo hi > out"]].concat())
    };
    let first = run();
    assert_eq!(first.code, Some(0), "{}", first.story());
    let second = run();
    assert!(second.stderr.contains("up to date"), "{}", second.story());
}

#[test]
fn a_plain_word_that_is_more_than_the_input_is_refused() {
    let env = test_env();
    env.write("foo", "foo\n");
    env.write("bar", "foo\n");
    let count = |name: &str, file: &str| {
        let words = ["exec", "--input-by-content", file, "--ok-exit", "1", "--"];
        env.run([&words[..], &["grep", "-c", name, file]].concat())
    };
    assert_eq!(count("foo", "foo").code, Some(2));
    assert_eq!(count("foo", "./foo").stdout, "1\n");
    assert_eq!(count("bar", "./bar").stdout, "0\n");
}

#[test]
fn output_that_is_lost_is_no_success() {
    let env = test_env();
    for _ in 0..2 {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = env.command();
        command.args(["exec", "--no-input", "--", "echo", "hi"]);
        let status = command.stdout(full.expect("it is there")).status();
        assert_eq!(status.expect("it starts").code(), Some(125));
    }
}

#[test]
fn a_pipe_that_does_not_block_loses_nothing() {
    use std::io::Read as _;
    let env = test_env();
    let (mut reader, writer) = std::io::pipe().expect("there are pipes");
    rustix::io::ioctl_fionbio(&writer, true).expect("it is a pipe");
    let mut command = env.command();
    command.args(["exec", "--no-input", "--", "seq", "100000"]);
    let mut child = command.stdout(writer).spawn().expect("it starts");
    drop(command);
    // It has more to say than the pipe holds before anybody reads.
    let mut read = String::new();
    reader.read_to_string(&mut read).expect("it is text");
    assert_eq!(read.lines().count(), 100_000);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_pattern_sweeps_no_data_out_of_a_folder_that_is_read() {
    let env = test_env();
    env.write("raw/a.csv", "mine");
    let line = "ls raw > o.csv; echo 1 > raw/made.csv";
    let words = [
        "exec", "-i", "raw", "-o", "**/*.csv", "--", "sh", "-c", line,
    ];
    let ran = env.run(words);
    assert_eq!(ran.code, Some(2), "{}", ran.story());
    assert_eq!(env.read("raw/a.csv"), b"mine");
    std::fs::rename(env.work("raw/a.csv"), env.work("raw/a.txt")).expect("it can be renamed");
    // What the command itself made there is a leftover, and makes way.
    for salt in ["1", "2", "1"] {
        let ran = env.run([&words[..1], &["--salt", salt], &words[1..]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.story());
        assert_eq!(env.read("o.csv"), b"a.txt\n");
    }
}
