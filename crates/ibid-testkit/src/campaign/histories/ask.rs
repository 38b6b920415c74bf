//! One worker: what it asks the binary for, and what it thinks of the answers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::super::family::{self, Victims};
use super::super::random::Random;
use super::super::snapshot::remove;
use super::{KEYS, Leases, Round};

/// A folder with three files and a link, and a line; all of one run, all with its number.
const SCRIPT: &str = "mkdir -p out/d && for f in a b d/c; do echo $NUMBER > out/$f; done && \
                      ln -s a out/l && head -c 3000 /dev/zero >> out/b && echo $NUMBER && \
                      echo $NUMBER >> \"$NOTES/$1\"";

/// Two steps, of which the second must fit the first.
const PIPELINE: &str = "[steps.one]\n\
    run = 'cat in.txt > one.txt; echo $NUMBER >> one.txt'\n\
    inputs = ['in.txt']\noutputs = ['one.txt']\npass_env = ['NUMBER']\n\
    [steps.two]\n\
    run = 'mkdir two; cp one.txt two/copy; wc -c < one.txt > two/size'\n\
    inputs = ['one.txt']\noutputs = ['two/']\n";

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Asks for a key; what stands there from before may be gone.
    Exec {
        gone: bool,
        force: bool,
    },
    /// Runs the steps of a file, of which an input was edited.
    Run,
    Invalidate,
    Gc,
    Prune,
    Pin,
    Unpin,
    Fsck,
}

impl Act {
    pub(super) fn draw(random: &mut Random) -> Self {
        match random.below(100) {
            0..50 => Self::Exec {
                gone: true,
                force: false,
            },
            50..70 => Self::Exec {
                gone: false,
                force: false,
            },
            70..74 => Self::Exec {
                gone: true,
                force: true,
            },
            74..82 => Self::Run,
            82..85 => Self::Invalidate,
            85..91 => Self::Gc,
            91..96 => Self::Prune,
            96 => Self::Pin,
            97 | 98 => Self::Unpin,
            _ => Self::Fsck,
        }
    }
}

/// What happens to the process meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    None,
    Kill(Victims),
    Stop,
}

pub(super) struct Asker<'a> {
    round: &'a Round<'a>,
    worker: usize,
    work: PathBuf,
    key: usize,
}

impl<'a> Asker<'a> {
    pub(super) fn new(round: &'a Round<'a>, worker: usize) -> Self {
        let work = round.env.work(format!("{worker}/w"));
        for dir in ["", "pipe"] {
            fs::create_dir_all(work.join(dir)).expect("the folder is ours");
            fs::write(work.join(dir).join("in.txt"), "input\n").expect("the folder is ours");
        }
        fs::write(work.join("pipe/ibid.toml"), PIPELINE).expect("the folder is ours");
        Self {
            round,
            worker,
            work,
            key: 0,
        }
    }

    /// Does one thing and judges it.
    pub(super) fn act(&mut self, act: Act, random: &mut Random) {
        let blow = match random.below(40) {
            0 => Blow::Kill(Victims::Binary),
            1 => Blow::Kill(Victims::Family),
            2 => Blow::Stop,
            _ => Blow::None,
        };
        self.key = random.below(KEYS);
        match act {
            Act::Exec { gone, force } => self.exec(gone, force, blow, random),
            Act::Run => self.run(blow, random),
            Act::Invalidate => self.invalidate(),
            Act::Gc => self.maintain(&["gc"], blow, random),
            Act::Prune => {
                let size = ["40K", "400K", "4M"][random.below(3)];
                self.maintain(&["prune", "--max-size", size], blow, random);
            }
            Act::Pin => self.keep("pin"),
            Act::Unpin => self.keep("unpin"),
            Act::Fsck => self.maintain(&["fsck"], Blow::None, random),
        }
    }

    /// Asks for a key, and looks whether the answer is one run's.
    fn exec(&mut self, gone: bool, force: bool, blow: Blow, random: &mut Random) {
        if gone {
            remove(&self.work.join("out"));
        }
        let (key, asked) = (self.key, Instant::now());
        let operation = self.round.model.begin();
        let mut command = self.exec_command("exec", key, operation);
        if force {
            command.env("IBID_MODE", "write-only");
        }
        let output = self.finish(command, blow, random);
        self.round.model.end(operation);
        let Some(output) = output else {
            self.wait_for_command();
            return;
        };
        self.tell(&output, "exec");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let number = stdout.trim_end().parse::<u64>();
        let problem = match number {
            _ if output.status.code() != Some(0) => Some(format!("ended with {}", output.status)),
            Err(_) => Some(format!("said {stdout:?}")),
            Ok(run) => {
                self.round.add(|found| {
                    found.asked += 1;
                    found.ran += u64::from(run == operation);
                });
                let model = &self.round.model;
                torn(&self.work.join("out"), run).or_else(|| model.judge(key, run, asked))
            }
        };
        self.complain(problem, operation, &format!("exec of key {key}"), &output);
    }

    /// Edits an input and runs the steps; the second step's output must be of the first's.
    fn run(&mut self, blow: Blow, random: &mut Random) {
        let pipe = self.work.join("pipe");
        let text = format!("input {}\n", self.key);
        fs::write(pipe.join("in.txt"), &text).expect("the folder is ours");
        if random.below(2) == 0 {
            remove(&pipe.join("two"));
        }
        let operation = self.round.model.begin();
        let mut command = self.command(&["run", "-j2", "-q"]);
        command
            .current_dir(&pipe)
            .env("NUMBER", operation.to_string());
        let output = self.finish(command, blow, random);
        self.round.model.end(operation);
        let Some(output) = output else {
            self.wait_for_command();
            return;
        };
        self.tell(&output, "run");
        self.round.add(|found| found.asked += 1);
        let one = fs::read_to_string(pipe.join("one.txt")).unwrap_or_default();
        let copy = fs::read_to_string(pipe.join("two/copy")).unwrap_or_default();
        let size = fs::read_to_string(pipe.join("two/size")).unwrap_or_default();
        let problem = if output.status.code() != Some(0) {
            Some(format!("ended with {}", output.status))
        } else if !one.starts_with(&text) {
            Some(format!("the first step gave {one:?} for {text:?}"))
        } else if copy != one || size.trim() != one.len().to_string() {
            Some(format!(
                "the second step gave {copy:?}, {size:?} for {one:?}"
            ))
        } else {
            None
        };
        self.complain(problem, operation, "run", &output);
    }

    fn invalidate(&mut self) {
        let Some(key) = self.key_text() else { return };
        let began = Instant::now();
        let command = self.command(&["invalidate", &key]);
        let output = plain(command);
        if output.status.success() {
            self.round.model.invalidated(self.key, began);
        }
        self.tell(&output, "invalidate");
        let problem = (output.status.code() != Some(0)).then(|| output.status.to_string());
        self.complain(problem, 0, "invalidate", &output);
    }

    fn keep(&mut self, verb: &'static str) {
        let Some(key) = self.key_text() else { return };
        let command = self.command(&[verb, &key]);
        let output = plain(command);
        // There may be nothing to pin, or no pin.
        let is_answer = matches!(output.status.code(), Some(0 | 1));
        let problem = (!is_answer).then(|| output.status.to_string());
        self.complain(problem, 0, verb, &output);
    }

    fn maintain(&mut self, words: &[&'static str], blow: Blow, random: &mut Random) {
        let command = self.command(words);
        if let Some(output) = self.finish(command, blow, random) {
            self.round.add(|found| found.collections += 1);
            self.tell(&output, words[0]);
            // Neither a collection nor a check is disturbed by others, and nothing is damaged.
            let problem = (!output.status.success()).then(|| {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                format!("{}: {said:?}", output.status)
            });
            self.complain(problem, 0, words[0], &output);
        }
    }

    /// When all others have ended: each key twice, the second time without its command, and then
    /// the whole store.
    pub(super) fn settle(&mut self) {
        for key in 0..KEYS {
            let mut answers = Vec::new();
            for _ in 0..2 {
                remove(&self.work.join("out"));
                let operation = self.round.model.begin();
                let command = self.exec_command("exec", key, operation);
                let output = plain(command);
                self.round.model.end(operation);
                let said = String::from_utf8_lossy(&output.stdout)
                    .trim_end()
                    .to_owned();
                if !output.status.success() {
                    self.complain(
                        Some("failed at rest".to_owned()),
                        operation,
                        "exec",
                        &output,
                    );
                }
                answers.push(said);
            }
            if answers.len() != 2 || answers[0] != answers[1] {
                let text = format!("at rest key {key} gave {answers:?}");
                self.round.violation(text);
            }
        }
        let command = self.command(&["fsck"]);
        let output = plain(command);
        let problem = (!output.status.success()).then(|| "not sound at rest".to_owned());
        self.complain(problem, 0, "fsck", &output);
    }

    fn key_text(&self) -> Option<String> {
        let output = plain(self.exec_command("key", self.key, 0));
        // The key stands on the first line; what it is made of follows.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let key = text.lines().next()?.to_owned();
        output.status.success().then_some(key)
    }

    fn exec_command(&self, verb: &str, key: usize, operation: u64) -> Command {
        let mut command = self.command(&[verb, "--pass-env", "NUMBER", "--pass-env", "NOTES"]);
        command
            .args([
                "-i", "in.txt", "-o", "out/", "--", "sh", "-euc", SCRIPT, "sh",
            ])
            .arg(key.to_string())
            .env("NUMBER", operation.to_string());
        command
    }

    fn command(&self, words: &[&str]) -> Command {
        let mode = self.round.mode;
        let mut command = self.round.env.command();
        command
            .current_dir(&self.work)
            .env("NOTES", self.round.env.home("runs"))
            .env("IBID_LEASES", (mode.leases != Leases::Off).to_string())
            .env("IBID_GRACE", mode.grace)
            .env("IBID_MAX_SIZE", mode.budget)
            .args(words);
        command
    }

    /// Runs a command; `None` where it was killed.
    fn finish(&self, mut command: Command, blow: Blow, random: &mut Random) -> Option<Output> {
        if blow == Blow::None {
            return Some(plain(command));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the binary under test starts");
        thread::sleep(Duration::from_micros(random.below(12_000) as u64));
        match blow {
            Blow::Kill(victims) => {
                family::kill(child, victims);
                self.round.add(|found| found.killed += 1);
                None
            }
            Blow::Stop | Blow::None => {
                let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                let send = |signal| pid.map(|pid| kill_process(pid, signal));
                send(Signal::STOP);
                thread::sleep(Duration::from_millis(5 + random.below(60) as u64));
                send(Signal::CONT);
                self.round.add(|found| found.stopped += 1);
                Some(child.wait_with_output().expect("the child is ours"))
            }
        }
    }

    /// A command whose binary was killed may still be writing here; `family::kill` has waited for
    /// it, and what it left is no output of anybody.
    fn wait_for_command(&self) {
        remove(&self.work.join("out"));
    }

    fn tell(&self, output: &Output, what: &str) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let warnings = stderr.lines().filter(|line| line.starts_with("warning: "));
        for warning in warnings {
            let words = warning
                .split_whitespace()
                .filter(|word| !word.contains(['/', '`', '0']));
            let gist: Vec<_> = words.take(9).collect();
            let gist = format!("{what}: {}", gist.join(" "));
            self.round
                .add(|found| *found.warnings.entry(gist).or_default() += 1);
        }
        if stderr.contains("panicked") {
            self.round.violation(format!("{what} panicked: {stderr}"));
        }
    }

    fn complain(&self, problem: Option<String>, operation: u64, what: &str, output: &Output) {
        let Some(problem) = problem else { return };
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = stderr.lines().take(6).collect();
        self.round.violation(format!(
            "worker {}, operation {operation}, {what}: {problem}; it said: {}",
            self.worker,
            said.join(" / ")
        ));
    }
}

/// Says what of an output folder is not of this run.
fn torn(out: &Path, run: u64) -> Option<String> {
    let read = |name: &str| -> io::Result<Vec<u8>> { fs::read(out.join(name)) };
    let line = format!("{run}\n").into_bytes();
    let long = [line.clone(), vec![0; 3000]].concat();
    for (name, expected) in [("a", &line), ("b", &long), ("d/c", &line), ("l", &line)] {
        match read(name) {
            Ok(bytes) if bytes == *expected => {}
            Ok(bytes) => {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
                return Some(format!("`{name}` is not of run {run}: {shown:?}"));
            }
            Err(error) => return Some(format!("`{name}` of run {run}: {error}")),
        }
    }
    let names = fs::read_dir(out).map_or(0, Iterator::count);
    (names != 4).then(|| format!("{names} names in the output, not 4"))
}

/// Runs a command to its end.
fn plain(mut command: Command) -> Output {
    command.output().expect("the binary under test starts")
}
