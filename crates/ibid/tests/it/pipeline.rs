//! `ibid run`, `plan`, `status` and `init` as a user meets them: a file of steps in a folder.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use ibid_testkit::{Ran, TestEnv};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::{ok, test_env};

/// Three steps in a row beside one that hangs on nothing.
const CHAIN: &str = r#"
[steps.clean]
run = "tr a-z A-Z < {inputs.raw} > {outputs.table}"
inputs = { raw = "raw.csv" }
outputs = { table = "build/clean.csv" }

[steps.count]
run = "wc -l < {inputs} > {outputs}"
inputs = ["build/clean.csv"]
outputs = ["build/count.txt"]

[steps.report]
run = "cat {inputs} > {outputs}"
inputs = ["build/count.txt"]
outputs = ["build/report.txt"]

[steps.other]
run = "echo other > {outputs}"
outputs = ["build/other.txt"]
"#;

fn chain() -> TestEnv {
    let env = test_env();
    env.write("ibid.toml", CHAIN);
    env.write("raw.csv", "a,b\n1,2\n");
    env
}

/// Returns the steps that a run did something about, sorted, with the first word of what it was.
fn done(ran: &Ran) -> Vec<String> {
    let lines = ran.stderr.lines().filter(|line| line.starts_with('['));
    let mut done: Vec<String> = lines
        .filter_map(|line| {
            let (name, words) = line.split_once("] ")?.1.split_once(": ")?;
            let word = words.split(' ').next()?;
            (word != "up").then(|| format!("{name} {word}"))
        })
        .collect();
    done.sort();
    done
}

/// Returns how many steps went how, as a run says at its end.
fn summary(ran: &Ran) -> &str {
    let mut lines = ran.stderr.lines();
    let line = lines.rfind(|line| line.contains(" steps in "));
    line.and_then(|line| line.rsplit_once(": "))
        .unwrap_or_else(|| panic!("no summary\n{}", ran.story()))
        .1
}

#[test]
fn only_what_has_changed_runs_and_equal_outputs_cut_off_what_follows() {
    let env = chain();
    let first = ok(&env, &["run"]);
    let all = ["clean ran", "count ran", "other ran", "report ran"];
    assert_eq!(done(&first), all, "{}", first.story());
    assert_eq!(env.read("build/report.txt"), b"2\n");

    let again = ok(&env, &["run"]);
    assert_eq!(done(&again), [""; 0], "{}", again.story());
    assert!(
        summary(&again).starts_with("all up to date"),
        "{}",
        again.story()
    );

    // Other bytes, as many lines: `count` runs and gives what it gave.
    env.write("raw.csv", "a,b\n3,4\n");
    let cut = ok(&env, &["run"]);
    assert_eq!(done(&cut), ["clean ran", "count ran"], "{}", cut.story());
    assert!(
        cut.stderr
            .contains("clean: ran in [SPAN] — inputs changed: input/raw.csv"),
        "{}",
        cut.story()
    );

    env.write("raw.csv", "a,b\n1,2\n");
    let back = ok(&env, &["run"]);
    assert_eq!(done(&back), ["clean restored"], "{}", back.story());
}

#[test]
fn a_link_that_a_step_made_is_known_where_nothing_is_remembered() {
    let env = test_env();
    let file = r#"
        [steps.link]
        run = "echo {params.n} > out.real; ln -s ./out.real out.link"
        outputs = ["out.link", "out.real"]
        [params]
        n = 1
    "#;
    env.write("ibid.toml", file);
    ok(&env, &["run"]);
    std::fs::remove_dir_all(env.work(".ibid")).expect("it was made");
    std::fs::remove_dir_all(env.cache()).expect("it was made");
    env.write("ibid.toml", file.replace("n = 1", "n = 2"));
    let ran = ok(&env, &["run"]);
    assert_eq!(done(&ran), ["link ran"], "{}", ran.story());
    assert_eq!(env.read("out.link"), b"2\n");
}

#[test]
fn no_step_writes_what_the_pipeline_is_made_of() {
    let file = |output: &str| {
        format!(
            "[pipeline]\nparams_files = [\"conf/p.yaml\"]\ninclude = [\"more.toml\"]\n\
             [steps.a]\nrun = \"true\"\nmatrix = {{ x = {{ file = \"axis.txt\" }} }}\n\
             outputs = [\"{output}\"]\n"
        )
    };
    for (output, named) in [
        ("ibid.toml", "ibid.toml"),
        ("./conf/../ibid.toml", "ibid.toml"),
        ("*.toml", "ibid.toml"),
        ("conf/p.yaml", "conf/p.yaml"),
        ("conf/", "conf/p.yaml"),
        ("axis.txt", "axis.txt"),
        ("more.toml", "more.toml"),
    ] {
        let env = test_env();
        env.write("ibid.toml", file(output));
        env.write("more.toml", "[steps.b]\nrun = \"true\"\n");
        env.write("conf/p.yaml", "n: 1\n");
        env.write("axis.txt", "one\n");
        let ran = env.run(["run"]);
        assert_eq!(ran.code, Some(2), "{output}: {}", ran.story());
        let said = format!("writes `{named}`, of which the pipeline is made");
        assert!(ran.stderr.contains(&said), "{output}: {}", ran.story());
        assert_eq!(env.read("ibid.toml"), file(output).as_bytes());
    }
}

#[test]
fn outputs_that_are_gone_come_back_without_running() {
    let env = chain();
    ok(&env, &["run"]);
    std::fs::remove_dir_all(env.work("build")).expect("it was made");
    let ran = ok(&env, &["run"]);
    let all = [
        "clean restored",
        "count restored",
        "other restored",
        "report restored",
    ];
    assert_eq!(done(&ran), all, "{}", ran.story());
    assert_eq!(env.read("build/report.txt"), b"2\n");
}

#[test]
fn names_bring_what_they_wait_for_and_only_and_downstream_say_otherwise() {
    let env = chain();
    let ran = ok(&env, &["run", "count"]);
    assert_eq!(done(&ran), ["clean ran", "count ran"], "{}", ran.story());
    let ran = ok(&env, &["run", "--force", "--only", "count"]);
    assert_eq!(done(&ran), ["count ran"], "{}", ran.story());
    let ran = ok(&env, &["run", "--downstream", "c*"]);
    assert_eq!(done(&ran), ["report ran"], "{}", ran.story());
    let ran = ok(&env, &["run", "--force", "report"]);
    assert_eq!(done(&ran), ["report ran"], "{}", ran.story());
}

#[test]
fn an_unknown_step_is_told_with_what_was_meant() {
    let env = chain();
    let ran = env.run(["run", "cleen"]);
    assert_eq!(
        ran.story(),
        "exit: 2\n-- stderr\nerror: no step is called `cleen`\n\nhint: did you mean `clean`?\n"
    );
}

#[test]
fn without_a_file_of_steps_run_says_how_to_get_one() {
    let env = test_env();
    for verb in ["run", "plan", "status"] {
        let ran = env.run([verb]);
        assert_eq!(ran.code, Some(2), "{}", ran.story());
        assert!(
            ran.stderr.contains("there is no `ibid.toml`"),
            "{}",
            ran.story()
        );
        assert!(
            ran.stderr.contains("hint: `ibid init` writes one"),
            "{}",
            ran.story()
        );
    }
}

const FAILING: &str = r#"
[steps.bad]
run = "echo so far > half.txt; for i in 1 2 3; do echo line $i; done; exit 3"
outputs = ["half.txt"]

[steps.after]
run = "cat half.txt > after.txt"
inputs = ["half.txt"]
outputs = ["after.txt"]

[steps.good]
run = "echo good > good.txt"
outputs = ["good.txt"]
after = ["bad"]
"#;

#[test]
fn a_failure_names_step_exit_code_last_lines_and_partial_outputs() {
    let env = test_env();
    env.write("ibid.toml", FAILING);
    let ran = env.run(["run", "after"]);
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    assert_eq!(ran.stdout, "");
    let expected = "[1/2] bad: failed with exit code 3 after [SPAN] — no earlier run\n  \
                    | line 1\n  | line 2\n  | line 3\n  the partial outputs of the failed run are \
                    kept in `[DIR]/work/.ibid/";
    assert!(ran.stderr.starts_with(expected), "{}", ran.story());
    assert!(
        ran.stderr
            .contains("ibid: skipped, since bad failed: after\n"),
        "{}",
        ran.story()
    );
    assert!(!env.work("half.txt").exists());
}

#[test]
fn keep_going_does_what_does_not_hang_on_the_failure() {
    let env = test_env();
    env.write("ibid.toml", FAILING.replace("after = [\"bad\"]\n", ""));
    let ran = env.run(["run", "-k", "-j", "1"]);
    assert_eq!(ran.code, Some(1), "{}", ran.story());
    assert_eq!(done(&ran), ["bad failed", "good ran"], "{}", ran.story());
    assert_eq!(env.read("good.txt"), b"good\n");
}

#[test]
fn output_is_shown_whole_or_never_as_asked() {
    let env = test_env();
    env.write(
        "ibid.toml",
        "[steps.a]\nrun = \"echo out; echo err >&2; echo x > a.txt\"\noutputs = [\"a.txt\"]\n",
    );
    let never = ok(&env, &["run"]);
    assert!(!never.stderr.contains("output of a"), "{}", never.story());
    for _ in 0..2 {
        // Also where it is replayed.
        let all = ok(&env, &["run", "--show-output", "all"]);
        let (_, block) = all
            .stderr
            .split_once("--- output of a ---\n")
            .unwrap_or_default();
        assert!(block.starts_with("out\nerr\n"), "{}", all.story());
        assert_eq!(all.stdout, "");
    }
}

#[test]
fn plan_says_what_run_then_does_and_changes_nothing() {
    let env = chain();
    ok(&env, &["run"]);
    env.write("raw.csv", "a,b\n3,4\n5,6\n");
    std::fs::remove_file(env.work("build/other.txt")).expect("it was made");
    let before = files(&env);
    let plan = ok(&env, &["plan"]);
    assert_eq!(files(&env), before, "plan changed something");
    let lines: Vec<_> = plan.stdout.lines().collect();
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(
        has("clean   will run — inputs changed: input/raw.csv (about [SPAN])"),
        "{}",
        plan.story()
    );
    assert!(has("    input/raw.csv: file "), "{}", plan.story());
    assert!(
        has("count   unknown until clean ran (about [SPAN] if it runs)"),
        "{}",
        plan.story()
    );
    assert!(
        has("other   hit: 1 output, 6 B from the store (saves [SPAN])"),
        "{}",
        plan.story()
    );
    assert!(
        has("4 steps: 1 will run, 2 unknown, 1 hit"),
        "{}",
        plan.story()
    );
    assert_eq!(plan.stdout, ok(&env, &["run", "--dry-run"]).stdout);

    let ran = ok(&env, &["run"]);
    let did = ["clean ran", "count ran", "other restored", "report ran"];
    assert_eq!(done(&ran), did, "{}", ran.story());
}

/// Lists all files of the environment with their bytes and when they changed.
fn files(env: &TestEnv) -> Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut found = Vec::new();
    let mut open = vec![env.work(""), env.cache(), env.home("")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().expect("it was just listed");
            if kind.is_dir() {
                open.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap_or_default();
                let changed = entry.metadata().and_then(|data| data.modified());
                found.push((entry.path(), bytes, changed.expect("files have times")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn status_names_what_is_not_up_to_date_and_counts() {
    let env = chain();
    let fresh = ok(&env, &["status"]);
    assert!(
        fresh.stdout.ends_with("4 steps: 2 will run, 2 unknown\n"),
        "{}",
        fresh.story()
    );
    ok(&env, &["run"]);
    assert_eq!(ok(&env, &["status"]).stdout, "4 steps: all up to date\n");
    std::fs::remove_file(env.work("raw.csv")).expect("it was written");
    let ran = ok(&env, &["status"]);
    assert!(
        ran.stdout.contains("clean   cannot run: "),
        "{}",
        ran.story()
    );
    assert_eq!(env.run(["plan"]).code, Some(1));
}

#[test]
fn programs_get_events_of_a_run_and_a_document_of_a_plan() {
    let env = chain();
    let planned = ok(&env, &["plan", "--json"]);
    let plan: Value = serde_json::from_str(&planned.stdout).expect("it is JSON");
    assert_eq!((&plan["v"], &plan["pipeline"]), (&1.into(), &"work".into()));
    assert_eq!(plan["steps"][0]["step"], "clean");
    assert_eq!(plan["steps"][0]["expected"], "run");
    assert_eq!(plan["totals"]["unknown"], 2);

    let ran = ok(&env, &["run", "--json"]);
    assert_eq!(ran.stderr, "");
    let events: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect();
    let of = |word: &str| events.iter().filter(|event| event["event"] == word).count();
    assert_eq!(
        (of("began"), of("started"), of("finished"), of("ended")),
        (1, 4, 4, 1)
    );
    let last = events.last().expect("there are events");
    assert_eq!((&last["event"], &last["ran"]), (&"ended".into(), &4.into()));

    let status = ok(&env, &["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).expect("it is JSON");
    assert_eq!(status["totals"]["up_to_date"], 4);
}

#[test]
fn init_writes_a_file_that_plans_and_runs_and_overwrites_none() {
    let env = test_env();
    let ran = ok(&env, &["init"]);
    assert!(ran.stderr.contains("`ibid plan`"), "{}", ran.story());
    let plan = ok(&env, &["plan"]);
    assert!(
        plan.stdout.starts_with("hello  will run"),
        "{}",
        plan.story()
    );
    ok(&env, &["run"]);
    assert_eq!(env.read("build/hello.txt"), b"hello\n");

    env.write("ibid.toml", "# mine\n");
    let ran = env.run(["init"]);
    assert_eq!(ran.code, Some(2), "{}", ran.story());
    assert_eq!(env.read("ibid.toml"), b"# mine\n");
}

#[test]
fn the_examples_in_the_file_of_init_are_right() {
    let env = test_env();
    ok(&env, &["init"]);
    let text = String::from_utf8(env.read("ibid.toml")).expect("it is text");
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if !example.starts_with(' ') => example,
        _ => line,
    });
    let whole: Vec<_> = lines.collect();
    env.write("ibid.toml", whole.join("\n"));
    env.write("data/penguins.csv", "a\n");
    env.write("clean.py", "");
    env.write("fit.py", "");
    env.write("report.py", "");
    let plan = env.run(["plan"]);
    assert_ne!(plan.code, Some(2), "{}", plan.story());
    for name in ["hello", "clean", "fit@Adelie", "fit@Gentoo", "report"] {
        let there = plan.stdout.lines().any(|line| line.starts_with(name));
        assert!(there, "{name}: {}", plan.story());
    }
}

/// Starts a run whose step prints nothing, and waits for the file that says that it runs.
fn start(env: &TestEnv) -> (Child, Pid) {
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        env.work("pid.fifo"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .expect("the working folder is writable");
    let child = env
        .command()
        .args(["run", "-j", "2"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary under test starts");
    let fifo = std::fs::File::open(env.work("pid.fifo")).expect("the step writes to it");
    let mut line = String::new();
    BufReader::new(fifo)
        .read_line(&mut line)
        .expect("it writes a line");
    let pid = line.trim().parse().ok().and_then(Pid::from_raw);
    (child, pid.expect("a process id"))
}

#[test]
fn an_interrupt_ends_all_steps_and_a_later_run_goes_on() {
    let env = test_env();
    let long = "[steps.first]\nrun = \"echo 1 > first.txt\"\noutputs = [\"first.txt\"]\n\n\
                [steps.long]\nrun = \"RUN\"\ninputs = [\"first.txt\"]\noutputs = [\"long.txt\"]\n";
    let waits = "sleep 600 & echo $! > pid.fifo; wait";
    let file = long.replace("RUN", waits);
    // The pipe is no input: it is there to tell the test that the step runs.
    let file = file.replace(
        "outputs = [\"long",
        "ignore_args = [\"pid.fifo\"]\noutputs = [\"long",
    );
    env.write("ibid.toml", file);
    let (mut child, grandchild) = start(&env);
    kill_process(Pid::from_child(&child), Signal::INT).expect("ibid runs");
    let status = child.wait().expect("a child can be waited for");
    assert_eq!(status.code(), Some(130), "{status}");
    assert!(
        test_kill_process(grandchild).is_err(),
        "the step's child lives on"
    );

    env.write("ibid.toml", long.replace("RUN", "echo 2 > long.txt"));
    let ran = ok(&env, &["run"]);
    assert_eq!(done(&ran), ["long ran"], "{}", ran.story());
}

#[test]
fn a_step_and_exec_share_one_key() {
    let env = test_env();
    env.write(
        "ibid.toml",
        "[steps.copy]\nrun = [\"cp\", \"{inputs}\", \"{outputs}\"]\ninputs = [\"a\"]\n\
         outputs = [\"b\"]\n",
    );
    env.write("a", "1\n");
    ok(&env, &["exec", "-i", "a", "-o", "b", "--", "cp", "a", "b"]);
    std::fs::remove_file(env.work("b")).expect("it was made");
    let ran = ok(&env, &["run"]);
    assert_eq!(done(&ran), ["copy restored"], "{}", ran.story());
}

#[test]
fn nothing_moves_without_a_terminal() {
    let env = chain();
    for verb in ["run", "plan", "status"] {
        let ran = env.run([verb]);
        let wild = |byte: &u8| byte.is_ascii_control() && *byte != b'\n';
        assert!(!ran.raw.0.iter().any(&wild), "{}", ran.story());
        assert!(!ran.raw.1.iter().any(wild), "{}", ran.story());
    }
}

#[test]
fn a_step_that_always_runs_says_whether_that_was_declared_or_asked_for() {
    let env = test_env();
    env.write(
        "ibid.toml",
        "[steps.clock]\nrun = \"true\"\nalways = true\n",
    );
    for (words, why) in [
        (&["plan"][..], "will run — declared to run always"),
        (&["run"], "— declared to run always"),
        (&["run", "--force"], "— asked to run again"),
    ] {
        let ran = ok(&env, words);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains(why), "{words:?}: {told}");
    }
}

#[test]
fn a_folder_that_is_declared_as_code_is_told_where_it_belongs() {
    let env = test_env();
    env.write("lib/m.py", "x = 1\n");
    env.write(
        "ibid.toml",
        "[steps.a]\nrun = \"true\"\ncode = [\"lib/\"]\n",
    );
    let told = env.run(["plan"]).stdout;
    let hint = "hint: a folder can be declared as an input";
    assert!(told.contains(hint), "{told}");
}
