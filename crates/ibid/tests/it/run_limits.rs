//! Runs that are cut short, or have little to live on: interrupts, kills, few descriptors, streams
//! that are closed or full, more output than anybody reads.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use ibid_testkit::TestEnv;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{by_shell, ok, test_env};

/// Steps that append their number and process to a file which they do not declare, and of which
/// the last ones wait for a word that does not come while `gate` is a pipe.
fn many(env: &TestEnv) {
    let step = |number: usize| {
        let wait = if number < 20 {
            ""
        } else {
            "read word < gate; "
        };
        format!(
            "[steps.s{number}]\nrun = \"echo $$ > pids; {wait}echo {number} >> $PWD/done.log; \
             echo {number} > {{outputs}}\"\nignore_args = [\"pids\", \"gate\", \"done.log\"]\n\
             outputs = [\"out/{number}\"]\n"
        )
    };
    let steps: String = (0..50).map(step).collect();
    env.write("ibid.toml", steps);
}

fn pipe(env: &TestEnv, name: &str) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, env.work(name), mode).expect("the folder is writable");
}

/// Returns the steps whose commands came to their end, in order.
fn completed(env: &TestEnv) -> Vec<usize> {
    let text = String::from_utf8(env.read("done.log")).expect("it is text");
    let number = |line: &str| line.parse().expect("a number");
    text.lines().map(number).collect()
}

fn is_running(process: Pid) -> bool {
    test_kill_process(process).is_ok() && {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }
}

#[test]
fn a_run_cut_short_leaves_nothing_behind_and_the_next_one_does_the_rest_once() {
    for signal in [Signal::INT, Signal::KILL] {
        let env = test_env();
        many(&env);
        pipe(&env, "gate");
        pipe(&env, "pids");
        let mut command = env.command();
        command.args(["run", "-j", "4"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary under test starts");

        // The first twenty do not wait; four are at the gate when no more begin.
        let open = std::fs::File::options()
            .read(true)
            .write(true)
            .open(env.work("pids"));
        let mut began = BufReader::new(open.expect("the steps write to it")).lines();
        let mut pids = Vec::new();
        while pids.len() < 24 {
            let line = began.next().expect("steps begin").expect("they write text");
            pids.push(
                line.parse()
                    .ok()
                    .and_then(Pid::from_raw)
                    .expect("a process id"),
            );
        }
        kill_process(Pid::from_child(&child), signal).expect("ibid runs");
        child.wait().expect("a child can be waited for");
        if signal == Signal::INT {
            let left: Vec<_> = pids.iter().filter(|pid| is_running(**pid)).collect();
            assert!(left.is_empty(), "{left:?} live on");
        }
        let first = completed(&env);
        assert_eq!(first.len(), 20, "{first:?}");

        for name in ["gate", "pids"] {
            std::fs::remove_file(env.work(name)).expect("it was made");
        }
        env.write("gate", "go\n");
        let ran = ok(&env, &["run", "-j", "4"]);
        let left: Vec<_> = pids.iter().filter(|pid| is_running(**pid)).collect();
        assert!(left.is_empty(), "{left:?} live on after {signal:?}");
        let all = completed(&env);
        let different: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(different, (0..50).collect(), "{}", ran.story());
        // A command that was killed between its last word and its result being stored runs again.
        let again = all.len() - different.len();
        let most = if signal == Signal::KILL { 4 } else { 0 };
        assert!(again <= most, "{again} ran twice: {}", ran.story());
        let idle = ok(&env, &["run"]);
        assert!(idle.stderr.contains(": all up to date"), "{}", idle.story());
    }
}

#[test]
fn few_descriptors_make_a_run_narrower_and_not_fail() {
    let env = test_env();
    let step = |number: usize| {
        format!(
            "[steps.s{number}]\nrun = \"mkdir -p o/{number}/a/b; echo {number} > o/{number}/a/b/c; \
             sleep 0.02\"\noutputs = [\"o/{number}/\"]\n"
        )
    };
    env.write("ibid.toml", (0..40).map(step).collect::<String>());
    let few = "ulimit -n 64; exec \"$@\"";
    let ran = by_shell(&env, few, &["run", "-j", "16"]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    std::fs::remove_dir_all(env.work("o")).expect("it was made");
    let ran = by_shell(&env, few, &["run", "-j", "16"]);
    assert_eq!(ran.code, Some(0), "{}", ran.story());
    assert!(ran.stderr.contains("40 restored"), "{}", ran.story());
}

const TWO: &str = "[steps.a]\nrun = \"echo hi; echo err >&2; echo x > a\"\noutputs = [\"a\"]\n";

#[test]
fn streams_that_are_closed_or_full_do_not_keep_steps_from_running() {
    let env = test_env();
    env.write("ibid.toml", TWO);
    for streams in [
        ">&-",
        "2>&-",
        "<&-",
        "<&- >&- 2>&-",
        "2>/dev/full",
        ">/dev/full 2>/dev/full",
    ] {
        for flags in [&[][..], &["--show-output", "all"], &["--json"]] {
            let words = [&["run", "--force"], flags].concat();
            let ran = by_shell(&env, &format!("exec \"$@\" {streams}"), &words);
            // Events are data: that they were lost is told by the exit code.
            let lost = flags.contains(&"--json") && streams.contains(">/dev/full 2");
            let code = if lost { 125 } else { 0 };
            assert_eq!(ran.code, Some(code), "{words:?} {streams}: {}", ran.story());
            assert_eq!(env.read("a"), b"x\n", "{words:?} {streams}");
            std::fs::remove_file(env.work("a")).expect("it was made");
        }
    }
}

#[test]
fn a_flood_of_output_is_cut_where_it_is_shown() {
    let env = test_env();
    let flood = "yes 0123456789 | head -c 20000000; echo the end; exit 3";
    env.write(
        "ibid.toml",
        format!("[steps.a]\nrun = \"{flood}\"\noutputs = [\"a\"]\n"),
    );
    for (show, most) in [("never", 1_000), ("failed", 10_000), ("all", 10_000_000)] {
        let ran = env.run(["run", "--show-output", show]);
        assert_eq!(ran.code, Some(1), "{show}");
        assert!(ran.raw.1.len() < most, "{show}: {} bytes", ran.raw.1.len());
        assert_eq!(ran.stderr.contains("the end"), show != "never", "{show}");
    }
}

#[test]
fn values_of_any_script_make_steps_and_files() {
    let env = test_env();
    let file = "[steps.fit]\nmatrix = { s = [\"Adélie\", \"日本語\", \"🐧\", \"a b\", \"'q'\", \"$HOME\", \"*\", \"-x\"] }\n\
                run = \"printf %s {matrix.s} > {outputs}\"\noutputs = [\"out/{matrix.s}.txt\"]\n";
    env.write("ibid.toml", file);
    ok(&env, &["run"]);
    for value in ["Adélie", "日本語", "🐧", "a b", "'q'", "$HOME", "*", "-x"] {
        assert_eq!(env.read(format!("out/{value}.txt")), value.as_bytes());
    }
    assert_eq!(ok(&env, &["status"]).stdout, "8 steps: all up to date\n");
    let why = ok(&env, &["why", "fit@日本語"]);
    assert!(why.stdout.contains("fit@日本語"), "{}", why.story());
}

#[test]
fn a_step_that_daemonises_is_not_stored_and_says_why() {
    let env = test_env();
    pipe(&env, "pid");
    env.write(
        "ibid.toml",
        "[steps.a]\nrun = \"setsid sh -c 'echo $$ > pid; exec sleep 600' > /dev/null 2>&1 & echo x > a\"\n\
         ignore_args = [\"pid\"]\noutputs = [\"a\"]\n",
    );
    let path = env.work("pid");
    let reader =
        std::thread::spawn(move || std::fs::read_to_string(path).expect("it is written to"));
    let ran = ok(&env, &["run"]);
    let text = reader.join().expect("the step writes its process id");
    let daemon = text
        .trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id");
    if is_running(daemon) {
        kill_process(daemon, Signal::KILL).expect("it is ours");
    }
    assert!(
        ran.stderr.contains("a: ran, not stored, in"),
        "{}",
        ran.story()
    );
    assert!(
        ran.stderr
            .contains("warning: a: still running after the command ended: "),
        "{}",
        ran.story()
    );
}
