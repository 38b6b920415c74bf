//! A process that stays and asks through the library, as the campaign tells it.
//!
//! It is quicker than a process for each request by far, so that most requests of a long history
//! are made here. It is stopped and killed like the others, and another takes its place.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::super::family::{self, Victims};
use super::super::random::Random;
use super::super::snapshot::remove;
use super::{KEYS, Leases, Round};

/// The command that residents ask for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// A script for `sh`; its first argument is the key, and the environment has the rest.
    pub script: &'static str,
    /// Where it writes, in the workspace.
    pub outputs: [&'static str; 4],
}

/// Three files of one run, all with its number, and one that is as that of every fourth run, of
/// whichever key; in one process.
pub const RESIDENT: Asked = Asked {
    script: "for f in a b d/c; do echo $NUMBER > out/$f; done; echo $((NUMBER % 4)) > out/p; \
             echo $NUMBER; echo $NUMBER >> \"$NOTES/$1\"",
    outputs: ["out/a", "out/b", "out/d/c", "out/p"],
};

/// Who is being told what to do.
pub(super) struct Resident<'a> {
    round: &'a Round<'a>,
    worker: usize,
    program: PathBuf,
    work: PathBuf,
    process: Option<Process>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What happens to the process meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blow {
    None,
    Kill(Victims),
    Stop,
}

impl<'a> Resident<'a> {
    pub(super) fn new(round: &'a Round<'a>, worker: usize, program: PathBuf) -> Self {
        let work = round.env.work(format!("{worker}/r"));
        fs::create_dir_all(&work).expect("the folder is ours");
        fs::write(work.join("in.txt"), "input\n").expect("the folder is ours");
        Self {
            round,
            worker,
            program,
            work,
            process: None,
        }
    }

    /// Does one thing and judges it.
    pub(super) fn act(&mut self, random: &mut Random) {
        let blow = match random.below(400) {
            0 => Blow::Kill(Victims::Binary),
            1 => Blow::Kill(Victims::Family),
            2..4 => Blow::Stop,
            _ => Blow::None,
        };
        // Keys of its own, beside those of the others.
        let key = KEYS + random.below(KEYS);
        match random.below(1000) {
            0..820 => self.exec(key, random.below(40) == 0, blow, random),
            820..900 => self.invalidate(key, random),
            900..940 => self.other("collect all", blow, random),
            940..985 => {
                let size = ["40960", "409600", "4096000"][random.below(3)];
                self.other(&format!("collect {size}"), blow, random);
            }
            985..990 => self.other(&format!("pin {key}"), Blow::None, random),
            990..998 => self.other(&format!("unpin {key}"), Blow::None, random),
            _ => self.other("fsck", Blow::None, random),
        }
    }

    fn exec(&mut self, key: usize, force: bool, blow: Blow, random: &mut Random) {
        if random.below(4) != 0 {
            remove(&self.work.join("out"));
        }
        let asked = Instant::now();
        let operation = self.round.model.begin();
        let how = if force { "force" } else { "-" };
        let answer = self.ask(&format!("exec {key} {operation} {how}"), blow, random);
        self.round.model.end(operation);
        let Some(answer) = answer else {
            remove(&self.work.join("out"));
            return;
        };
        let said = answer["stdout"].as_str().unwrap_or_default().trim_end();
        let problem = match said.parse::<u64>() {
            _ if answer["ok"] != true => Some("failed".to_owned()),
            Err(_) => Some(format!("said {said:?}")),
            Ok(run) => {
                self.round.add(|found| {
                    found.asked += 1;
                    found.ran += u64::from(run == operation);
                });
                let model = &self.round.model;
                self.torn(run).or_else(|| model.judge(key, run, asked))
            }
        };
        self.complain(
            problem,
            &format!("operation {operation}, exec of key {key}"),
            &answer,
        );
    }

    fn invalidate(&mut self, key: usize, random: &mut Random) {
        let began = Instant::now();
        let Some(answer) = self.ask(&format!("invalidate {key}"), Blow::None, random) else {
            return;
        };
        if answer["ok"] == true {
            self.round.model.invalidated(key, began);
        }
        self.judge_other("invalidate", &answer);
    }

    fn other(&mut self, line: &str, blow: Blow, random: &mut Random) {
        if let Some(answer) = self.ask(line, blow, random) {
            self.judge_other(line, &answer);
        }
    }

    fn judge_other(&self, what: &str, answer: &Value) {
        self.round.add(|found| found.collections += 1);
        let is_fine = answer["ok"] == true || answer["unknown"] == true;
        self.complain((!is_fine).then(|| "failed".to_owned()), what, answer);
    }

    /// Asks for each key twice, when all others have ended.
    pub(super) fn settle(&mut self, random: &mut Random) {
        for key in KEYS..2 * KEYS {
            let mut answers = Vec::new();
            for _ in 0..2 {
                remove(&self.work.join("out"));
                let operation = self.round.model.begin();
                let line = format!("exec {key} {operation} -");
                let answer = self.ask(&line, Blow::None, random).unwrap_or_default();
                self.round.model.end(operation);
                answers.push(answer["stdout"].clone());
            }
            if answers[0] != answers[1] || !answers[0].is_string() {
                let text = format!("at rest key {key} gave {answers:?}");
                self.round.violation(text);
            }
        }
    }

    /// Tells the process a line; `None` where it was killed.
    fn ask(&mut self, line: &str, blow: Blow, random: &mut Random) -> Option<Value> {
        let mut process = self.process.take().unwrap_or_else(|| self.start());
        let told = writeln!(process.input, "{line}").and_then(|()| process.input.flush());
        if blow != Blow::None {
            thread::sleep(Duration::from_micros(random.below(4_000) as u64));
        }
        match blow {
            Blow::None => {}
            Blow::Kill(victims) => {
                family::kill(process.child, victims);
                self.round.add(|found| found.killed += 1);
                return None;
            }
            Blow::Stop => {
                let pid = i32::try_from(process.child.id())
                    .ok()
                    .and_then(Pid::from_raw);
                let send = |signal| pid.map(|pid| kill_process(pid, signal));
                send(Signal::STOP);
                thread::sleep(Duration::from_millis(1 + random.below(20) as u64));
                send(Signal::CONT);
                self.round.add(|found| found.stopped += 1);
            }
        }
        let mut answer = String::new();
        let heard = told.and_then(|()| process.output.read_line(&mut answer));
        if heard.is_ok_and(|length| length > 0) {
            self.process = Some(process);
            return Some(serde_json::from_str(&answer).unwrap_or_default());
        }
        let ended = process.child.wait();
        let said = fs::read_to_string(self.words()).unwrap_or_default();
        let worker = self.worker;
        self.round.violation(format!(
            "resident {worker} died at `{line}`: {ended:?} {said}"
        ));
        None
    }

    fn start(&self) -> Process {
        let leases = (self.round.mode.leases != Leases::Off).to_string();
        let words = fs::File::create(self.words()).expect("the folder is ours");
        let mut child = Command::new(&self.program)
            .arg("resident")
            .args([self.round.env.cache(), self.work.clone()])
            .arg(self.round.env.home("runs"))
            .arg(leases)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(&self.work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(words)
            .spawn()
            .expect("a resident starts");
        Process {
            input: child.stdin.take().expect("it is piped"),
            output: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
        }
    }

    /// Returns where its last words stand.
    fn words(&self) -> PathBuf {
        self.round.env.home(format!("../tmp/words-{}", self.worker))
    }

    fn torn(&self, run: u64) -> Option<String> {
        RESIDENT.outputs.iter().find_map(|output| {
            let number = if output.ends_with('p') { run % 4 } else { run };
            let found = fs::read_to_string(self.work.join(output));
            match found {
                Ok(text) if text == format!("{number}\n") => None,
                found => Some(format!("`{output}` is not of run {run}: {found:?}")),
            }
        })
    }

    fn complain(&self, problem: Option<String>, what: &str, answer: &Value) {
        for warning in answer["warnings"].as_array().into_iter().flatten() {
            let gist: String = warning
                .as_str()
                .unwrap_or_default()
                .chars()
                .take(30)
                .collect();
            self.round
                .add(|found| *found.warnings.entry(gist).or_default() += 1);
        }
        if let Some(problem) = problem {
            let worker = self.worker;
            self.round
                .violation(format!("resident {worker}, {what}: {problem}: {answer}"));
        }
    }
}

impl Drop for Resident<'_> {
    fn drop(&mut self) {
        if let Some(Process {
            mut child, input, ..
        }) = self.process.take()
        {
            drop(input);
            let _ = child.wait();
        }
    }
}
