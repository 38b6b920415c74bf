//! What ibid would lose is kept, and what cannot be trusted is not stored; each in one line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use ibid_testkit::TestEnv;

use crate::test_env;

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo is there").success());
}

/// Runs a step that says when it has read its input, has `edit` done, and lets it end. Returns
/// what ibid said.
fn edited_meanwhile(env: &TestEnv, edit: impl Fn()) -> String {
    let go = env.work("../go");
    if !go.exists() {
        fifo(&go);
    }
    let script = "cat in.txt > out.txt; echo ready; read line < \"$GO\"";
    let mut child = env
        .command()
        .env("GO", &go)
        .args([
            "exec",
            "-i",
            "in.txt",
            "-i",
            "data",
            "-o",
            "out.txt",
            "--pass-env",
            "GO",
        ])
        .args(["--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary under test starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout.read_line(&mut line).expect("the step speaks");
    assert_eq!(line, "ready\n");
    edit();
    // Open for both, so that nobody waits where the step is gone.
    let mut go = std::fs::File::options()
        .read(true)
        .write(true)
        .open(go)
        .expect("it was made");
    go.write_all(b"\n").expect("a pipe takes a byte");
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut said).expect("it is text");
    let status = child.wait().expect("a child can be waited for");
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

#[test]
fn an_input_edited_while_the_command_runs_is_named_and_nothing_is_stored() {
    let env = test_env();
    env.write("in.txt", "before");
    env.write("data/sub/a", "a");
    let said = edited_meanwhile(&env, || {
        env.write("in.txt", "after");
        env.write("data/sub/b", "b");
    });
    assert_eq!(env.read("out.txt"), b"before", "the result counts");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines[0],
        "warning: `data/sub/b`, `in.txt` changed while the command ran; the result counts, but was \
         not stored"
    );
    assert!(lines[1].starts_with("ibid: ran, not stored, in "), "{said}");
    assert_eq!(lines.len(), 2, "{said}");

    // Neither the old content nor the new one gives a hit.
    std::fs::remove_file(env.work("data/sub/b")).expect("it was written");
    env.write("in.txt", "before");
    let said = edited_meanwhile(&env, || {});
    assert!(said.contains("ibid: ran in "), "{said}");
    let said = env.run(["log"]).stdout;
    assert!(
        said.lines()
            .nth(1)
            .is_some_and(|line| line.contains("uncacheable")),
        "{said}"
    );
}

#[test]
fn hand_made_files_in_an_output_folder_are_kept_and_told_in_one_line() {
    let env = test_env();
    env.write("in.txt", "in");
    env.write("res/notes.txt", "mine");
    env.write("res/sub/more", "mine too");
    let script = "mkdir res; cp in.txt res/r";
    let run = || {
        env.run([
            "exec", "-i", "in.txt", "-o", "res", "--", "sh", "-c", script,
        ])
    };
    let kept = |said: &str| {
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        let at = lines[0].rsplit('`').nth(1).expect("a path in backticks");
        env.work(at.strip_prefix("[DIR]/work/").expect("it lies in the root"))
    };
    let ran = run();
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(
        ran.stderr
            .starts_with("ibid: note: 2 replaced files kept in `"),
        "{}",
        ran.story()
    );
    let at = kept(&ran.stderr);
    let read = |path: &str| std::fs::read(at.join(path)).expect("it is kept");
    assert_eq!(read("res/notes.txt"), b"mine");
    assert_eq!(read("res/sub/more"), b"mine too");
    assert!(!env.work("res/notes.txt").exists() && !env.work("res/sub").exists());

    // The same where the result is already in place.
    env.write("res/later", "again");
    let ran = run();
    assert!(
        ran.stderr
            .ends_with("ibid: cleared the outputs of what is not theirs (saved [SPAN])\n"),
        "{}",
        ran.story()
    );
    let at = kept(&ran.stderr);
    assert_eq!(
        std::fs::read(at.join("res/later")).expect("it is kept"),
        b"again"
    );
    assert_eq!(
        env.run([
            "exec", "-q", "-i", "in.txt", "-o", "res", "--", "sh", "-c", script
        ])
        .stderr,
        ""
    );
}

#[test]
fn a_failing_run_gives_the_last_good_output_back() {
    let env = test_env();
    let run = |content: &str| {
        env.write("in.txt", content);
        let script = "cp in.txt out.txt; grep -q good in.txt";
        env.run([
            "exec", "-i", "in.txt", "-o", "out.txt", "--", "sh", "-c", script,
        ])
    };
    assert_eq!(run("good").code, Some(0));
    let ran = run("bad");
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    assert_eq!(env.read("out.txt"), b"good");
    assert!(
        ran.stderr
            .starts_with("ibid: note: the partial outputs of the failed run are kept in `"),
        "{}",
        ran.story()
    );
}
