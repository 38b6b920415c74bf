//! Running contestants in turn and taking their times.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::options::Options;
use crate::shell::{Outcome, which};

/// Prepares one run; it is never timed.
pub(super) type SetUp = Box<dyn FnMut() -> Outcome>;

/// One command of a contest.
pub(super) struct Contestant {
    name: String,
    command: Command,
    set_up: Option<SetUp>,
    missing: Option<String>,
}

/// Commands that are compared; the first one is the reference of the ratios.
#[derive(Debug)]
pub(super) struct Contest {
    contestants: Vec<Contestant>,
    /// Whether one run is too short to be timed alone.
    short: bool,
}

/// What one command gave.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) outcome: Result<Vec<Sample>, String>,
}

/// Times of one command in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// Wall time over that of the reference in the same round.
    pub(super) ratio: f64,
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contestant")
            .field("name", &self.name)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl Contestant {
    /// Takes a program and its arguments, to run in `dir` with nothing on any stream.
    ///
    /// A program that is not installed is skipped by name when its turn comes.
    pub(super) fn new(name: &str, dir: &Path, argv: &[&str]) -> Self {
        let program = Path::new(argv[0]);
        let mut command = Command::new(program);
        command
            .args(&argv[1..])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Settings of whoever measures must not take part.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("IBID_") {
                command.env_remove(name);
            }
        }
        let contestant = Self {
            name: name.to_owned(),
            command,
            set_up: None,
            missing: None,
        };
        contestant.needing(argv[0])
    }

    /// Skips the command where `program`, which it starts, is not installed.
    pub(super) fn needing(mut self, program: &str) -> Self {
        if !Path::new(program).is_absolute() && which(program).is_none() {
            self.missing = Some(format!("{program} is not installed"));
        }
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl Into<PathBuf>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Prepares each run by `set_up`, which may fail.
    pub(super) fn prepared_by(mut self, set_up: impl FnMut() -> Outcome + 'static) -> Self {
        self.set_up = Some(Box::new(set_up));
        self
    }

    /// Runs it once and takes the times of the whole process.
    fn once(&mut self) -> Outcome<(Duration, Duration)> {
        if let Some(set_up) = &mut self.set_up {
            set_up()?;
        }
        let cpu = cpu_of_children();
        let start = Instant::now();
        let status = self.command.status().map_err(|error| error.to_string())?;
        let wall = start.elapsed();
        if !status.success() {
            return Err(format!("it failed ({status}){}", self.complaint()));
        }
        Ok((wall, cpu_of_children().saturating_sub(cpu)))
    }

    /// Runs it once more and returns the first line that it says on standard error.
    fn complaint(&mut self) -> String {
        let output = self.command.stderr(Stdio::piped()).output();
        self.command.stderr(Stdio::null());
        let text = output.map(|output| output.stderr).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().next().unwrap_or_default();
        let line = line.replace('|', "/");
        if line.is_empty() {
            line
        } else {
            format!(": {line}")
        }
    }

    fn round(&mut self, repeats: usize) -> Outcome<(Duration, Duration)> {
        let (mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..repeats {
            let (more_wall, more_cpu) = self.once()?;
            wall += more_wall;
            cpu += more_cpu;
        }
        let repeats = u32::try_from(repeats).unwrap_or(u32::MAX);
        Ok((wall / repeats, cpu / repeats))
    }
}

impl Contest {
    /// A contest of commands that take milliseconds.
    pub(super) fn short(contestants: Vec<Contestant>) -> Self {
        Self {
            contestants,
            short: true,
        }
    }

    /// A contest of commands that take long enough to be timed one by one.
    pub(super) fn long(contestants: Vec<Contestant>) -> Self {
        Self {
            contestants,
            short: false,
        }
    }

    /// Runs all commands in turn. One that fails drops out and says why.
    pub(super) fn run(mut self, options: &Options) -> Vec<Row> {
        let repeats = if self.short { options.repeats } else { 1 };
        let mut rows: Vec<Row> = self
            .contestants
            .iter()
            .map(|contestant| Row {
                name: contestant.name.clone(),
                outcome: contestant.missing.clone().map_or(Ok(Vec::new()), Err),
            })
            .collect();
        for round in 0..options.warm_ups + options.rounds {
            let mut reference = None;
            for (contestant, row) in self.contestants.iter_mut().zip(&mut rows) {
                let Ok(samples) = &mut row.outcome else {
                    continue;
                };
                match contestant.round(repeats) {
                    Ok((wall, cpu)) if round >= options.warm_ups => {
                        let reference = *reference.get_or_insert(wall);
                        let ratio = wall.as_secs_f64() / reference.as_secs_f64().max(1e-9);
                        samples.push(Sample { wall, cpu, ratio });
                    }
                    Ok(_) => {}
                    Err(message) => row.outcome = Err(message),
                }
            }
            let (done, all) = (round + 1, options.warm_ups + options.rounds);
            eprintln!("round {done} of {all}");
        }
        rows
    }
}

/// Returns the processor time of all children that were waited for.
fn cpu_of_children() -> Duration {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |usage| {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(micros.try_into().unwrap_or(0))
    })
}
