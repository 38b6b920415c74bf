//! What programs and people see while steps run: events, each documented, and lines that move on a
//! terminal.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use ibid_testkit::TestEnv;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use crate::test_env;

const REFERENCE: &str = include_str!("../../../../docs/reference/json.md");

/// Steps that make a run tell nearly everything that it can.
const TALKATIVE: &str = r#"
[steps.good]
run = "echo said; printf '\\377' >&2; echo x > good.txt"
outputs = ["good.txt"]
resources = { cpus = 99 }

[steps.linked]
run = "cat < {inputs} | tee linked.txt"
inputs = ["good.txt"]
outputs = ["linked.txt"]

[steps.flaky]
run = "echo tried; exit 3"
retries = 1
outputs = ["flaky.txt"]

[steps.after]
run = "cat flaky.txt"
inputs = ["flaky.txt"]

[steps.unmade]
run = "true"
outputs = ["unmade.txt"]

[steps.absent]
run = "cat {inputs}"
inputs = ["absent.txt"]
"#;

fn events(text: &str) -> Vec<Value> {
    let line = |line| serde_json::from_str(line).expect("each line is JSON");
    text.lines().map(line).collect()
}

/// Says whether the reference has a word in backticks.
fn is_documented(word: &str) -> bool {
    REFERENCE.contains(&format!("`{word}`"))
}

#[test]
fn each_event_of_a_run_is_a_line_of_json_whose_words_are_documented() {
    let env = test_env();
    env.write("ibid.toml", TALKATIVE);
    let mut told = Vec::new();
    for words in [&["run", "-k"][..], &["run", "-k", "--force"], &["run"]] {
        let words = [words, &["--json", "--show-output", "all"]].concat();
        let ran = env.run(&words);
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (Some(1), ""),
            "{}",
            ran.story()
        );
        let events = events(&ran.stdout);
        assert_eq!(events.first().map(|e| &e["event"]), Some(&"began".into()));
        assert_eq!(events.last().map(|e| &e["event"]), Some(&"ended".into()));
        told.extend(events);
    }
    let has = |word: &str| told.iter().any(|event| event["event"] == word);
    for word in [
        "started", "prepared", "running", "retrying", "output", "note",
    ] {
        assert!(has(word), "no event `{word}`");
    }
    for event in &told {
        assert_eq!(event["v"], 1, "{event}");
        for (field, value) in event.as_object().expect("an event is an object") {
            assert!(is_documented(field), "field `{field}` of {event}");
            let is_word = ["event", "note", "warning", "work", "state", "decision"];
            if let Some(word) = value.as_str().filter(|_| is_word.contains(&&**field)) {
                assert!(is_documented(word), "`{word}` of {event}");
            }
        }
    }
}

#[test]
fn a_mistake_in_the_file_is_an_event_too() {
    let env = test_env();
    env.write("ibid.toml", "[steps.a]\nrum = \"x\"\n");
    let ran = env.run(["run", "--json"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(2), ""),
        "{}",
        ran.story()
    );
    let events = events(&ran.stderr);
    assert_eq!(events.len(), 1, "{}", ran.story());
    assert_eq!(
        (&events[0]["event"], &events[0]["exit_code"]),
        (&"error".into(), &2.into())
    );
    for field in events[0].as_object().expect("an event is an object").keys() {
        assert!(is_documented(field), "field `{field}`");
    }
}

#[test]
fn each_mistake_in_a_file_of_steps_reads_the_same_from_the_command_line() {
    let files = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../ibid-core/tests/pipelines/broken"
    );
    let written = std::fs::read_to_string(format!("{files}/messages.txt")).expect("it is there");
    let mut told = 0;
    for entry in std::fs::read_dir(files).expect("it is there") {
        let path = entry.expect("it can be listed").path();
        let name = path
            .file_name()
            .filter(|_| path.extension().is_some_and(|end| end == "toml"))
            .and_then(|name| name.to_str())
            .unwrap_or("no file of steps");
        // What a message says of the mistake in its first line, behind the place.
        let Some((place, what)) = written
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .find_map(|line| line.split_once(": "))
        else {
            continue;
        };
        let (what, meant) = what.split_once("; did you mean ").unwrap_or((what, ""));
        let env = test_env();
        for entry in std::fs::read_dir(files).expect("it is there") {
            let beside = entry.expect("it can be listed");
            let bytes = std::fs::read(beside.path()).expect("it is readable");
            env.write(beside.file_name(), bytes);
        }
        env.write("ibid.toml", env.read(name));
        for verb in ["run", "plan", "status"] {
            let ran = env.run([verb]);
            let first = ran.stderr.lines().next().unwrap_or_default();
            let expected = format!("ibid.toml{place}: {}", what.replace(name, "ibid.toml"));
            assert!(
                first.starts_with("error: ") && first.ends_with(&expected),
                "{expected}\n{}",
                ran.story()
            );
            let hint = format!("hint: did you mean {meant}");
            assert!(
                meant.is_empty() || ran.stderr.contains(&hint),
                "{}",
                ran.story()
            );
            assert_eq!(
                (ran.code, ran.stdout.as_str()),
                (Some(2), ""),
                "{}",
                ran.story()
            );
        }
        told += 1;
    }
    assert!(told >= 12, "only {told} files were tried");
}

#[test]
fn the_reference_names_every_event_that_the_program_can_tell() {
    // The words stand in the code as `"event": "word"`.
    for source in [
        include_str!("../../src/report/events.rs"),
        include_str!("../../src/report/pipeline/json.rs"),
        include_str!("../../src/report/json.rs"),
    ] {
        for rest in source.split("\"event\": \"").skip(1) {
            let word = rest.split('"').next().unwrap_or_default();
            let row = format!("| `{word}` |");
            assert!(REFERENCE.contains(&row), "no row for the event `{word}`");
        }
    }
}

/// A run on a terminal of its own.
struct Watched {
    terminal: std::fs::File,
    screen: vt100::Parser,
    child: Child,
}

impl Watched {
    fn start(env: &TestEnv, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).expect("there are terminals");
        grantpt(&terminal).expect("it is ours");
        unlockpt(&terminal).expect("it is ours");
        let name = ptsname(&terminal, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let side: OwnedFd = open(&name, flags, Mode::empty()).expect("it is ours");
        let shape = Winsize {
            ws_row: 12,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&side, shape).expect("it has a size");
        let mut command = env.command();
        command.args(["run", "-j", "2"]).env("TERM", "xterm");
        let side = Stdio::from(side);
        let child = command.stdout(Stdio::null()).stderr(side).spawn();
        // The command holds the other side of the terminal, whose end would not come otherwise.
        drop(command);
        Self {
            terminal: terminal.into(),
            screen: vt100::Parser::new(12, columns, 100),
            child: child.expect("the binary under test starts"),
        }
    }

    fn rows(&self) -> Vec<String> {
        let screen = self.screen.screen();
        let rows = screen.rows(0, screen.size().1);
        rows.map(|row| row.trim_end().to_owned())
            .filter(|row| !row.is_empty())
            .collect()
    }

    /// Reads until the screen is as wished; says whether it ever was. Nothing hangs on how long that
    /// takes, but a test must not wait for ever.
    fn until(&mut self, wished: impl Fn(&[String]) -> bool) -> bool {
        let mut bytes = [0; 1];
        while !wished(&self.rows()) {
            let patience = Timespec {
                tv_sec: 60,
                tv_nsec: 0,
            };
            let mut fds = [PollFd::new(&self.terminal, PollFlags::IN)];
            if poll(&mut fds, Some(&patience)) == Ok(0) {
                return false;
            }
            match self.terminal.read(&mut bytes) {
                Ok(1..) => self.screen.process(&bytes),
                // Linux says so when nobody holds the other side any more.
                _ => return false,
            }
        }
        true
    }

    /// Reads to the end; returns what then stands there.
    fn end(mut self) -> Vec<String> {
        self.until(|_| false);
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "{status}");
        self.rows()
    }
}

fn starts(rows: &[String], at: usize, start: &str) -> bool {
    rows.get(at).is_some_and(|row| row.starts_with(start))
}

#[test]
fn each_running_step_has_one_line_and_finished_ones_scroll_up() {
    let env = test_env();
    let file: String = ["one", "two"]
        .map(|name| {
            format!(
                "[steps.{name}]\nrun = \"read word < {name}.go; echo $word > {{outputs}}\"\n\
                 ignore_args = [\"{name}.go\"]\noutputs = [\"{name}.txt\"]\n"
            )
        })
        .concat();
    env.write("ibid.toml", file);
    let go = |name: &str| {
        let path = env.work(format!("{name}.go"));
        let mut pipe = std::fs::File::options()
            .write(true)
            .open(path)
            .expect("the step reads it");
        pipe.write_all(b"go\n").expect("the step reads it");
    };
    for columns in [100, 24] {
        for name in ["one", "two"] {
            let _ = std::fs::remove_file(env.work(format!("{name}.txt")));
            let _ = std::fs::remove_file(env.work(format!("{name}.go")));
            let path = env.work(format!("{name}.go"));
            mkfifoat(CWD, path, Mode::from_raw_mode(0o600)).expect("the folder is writable");
        }
        std::fs::remove_dir_all(env.work(".ibid")).unwrap_or_default();
        std::fs::remove_dir_all(env.cache()).unwrap_or_default();

        let mut watched = Watched::start(&env, columns);
        // A line for each step, and one for all.
        let both = |rows: &[String]| {
            rows.len() == 3
                && rows.iter().any(|row| row.contains("one"))
                && rows.iter().any(|row| row.contains("two"))
        };
        assert!(watched.until(both), "{:?}", watched.rows());
        go("one");
        // What is done stands above what runs, and that above the line for all.
        let one_done = |rows: &[String]| {
            let last = rows.len().saturating_sub(1);
            starts(rows, 0, "[1/2] one: ran in")
                && starts(rows, last.saturating_sub(1), "two  running ")
                && starts(rows, last, "[=")
        };
        assert!(watched.until(one_done), "{:?}", watched.rows());
        go("two");
        let rows = watched.end();
        let text = rows.concat();
        assert!(text.contains("[2/2] two: ran in"), "{rows:?}");
        assert!(text.contains("ibid: 2 steps in"), "{rows:?}");
        // Nothing of the lines that moved is left: each step is named once.
        assert_eq!(text.matches("two").count(), 1, "{rows:?}");
    }
}
