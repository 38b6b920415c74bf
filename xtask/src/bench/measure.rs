//! Running contestants in turn and taking their times.
//!
//! A round runs each command once (short ones several times) and starts with another command than
//! the round before, so that none is always the one that pays for its neighbour. Ratios are taken
//! within a round and by whoever reads the samples; nothing is judged here.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::contestant::Contestant;
use super::goals::{Figure, Goal};
use super::options::Options;
use crate::shell::{Outcome, command};

/// How long one run takes, and so how often it is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Milliseconds: several runs a round, and their mean counts.
    Short,
    /// Long enough to be timed one by one.
    Long,
    /// Seconds, and gigabytes written: three rounds at most.
    Heavy,
}

/// Rounds of a heavy contest: its ratios move little, and each round writes gigabytes.
const HEAVY_ROUNDS: usize = 3;

/// Commands that are compared; the first one is the reference of the ratios that are shown.
pub(super) struct Contest {
    contestants: Vec<Contestant>,
    pace: Pace,
    pub(super) goals: Vec<Goal>,
    /// Taken after the times, each alone.
    pub(super) figures: Vec<Figure>,
    /// What each run fills, where that is much.
    fills: Option<Memory>,
    /// What must live as long as the contest, such as a file system that was mounted for it.
    kept: Option<ibid_testkit::disks::Mount>,
}

/// What one command gave: as many samples as there were rounds, or why it dropped out.
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
}

impl Contest {
    fn new(pace: Pace, contestants: Vec<Contestant>) -> Self {
        Self {
            contestants,
            pace,
            goals: Vec::new(),
            figures: Vec::new(),
            fills: None,
            kept: None,
        }
    }

    /// A contest of commands that take milliseconds.
    pub(super) fn short(contestants: Vec<Contestant>) -> Self {
        Self::new(Pace::Short, contestants)
    }

    /// A contest of commands that take long enough to be timed one by one.
    pub(super) fn long(contestants: Vec<Contestant>) -> Self {
        Self::new(Pace::Long, contestants)
    }

    /// A contest of commands that take seconds.
    pub(super) fn heavy(contestants: Vec<Contestant>) -> Self {
        Self::new(Pace::Heavy, contestants)
    }

    /// Sees to it before each run that as much free memory as it fills is the machine's own. What was
    /// free for some seconds a virtual machine may have given back to its host, and who gets it
    /// again waits for that, page by page.
    pub(super) fn filling(mut self, mebibytes: u64, floor: &Path) -> Self {
        let floor = floor.to_owned();
        self.fills = Some(Memory { floor, mebibytes });
        self
    }

    /// Wants the command `ours` to take at most so many times what `peer` takes.
    pub(super) fn goal(mut self, ours: &'static str, at_most: f64, peer: &'static str) -> Self {
        self.goals.push(Goal::against(ours, at_most, peer));
        self
    }

    /// Wants the command `ours` to take at most so many milliseconds.
    pub(super) fn within(mut self, ours: &'static str, millis: f64) -> Self {
        self.goals.push(Goal::within(ours, millis));
        self
    }

    /// Ends it: what was mounted for it is unmounted.
    pub(super) fn end(self) {
        drop(self.kept);
    }

    /// Takes one more figure after the times.
    pub(super) fn figure(mut self, figure: Figure) -> Self {
        self.figures.push(figure);
        self
    }

    /// Keeps a file system mounted until the contest is over.
    pub(super) fn keeping(mut self, mount: ibid_testkit::disks::Mount) -> Self {
        self.kept = Some(mount);
        self
    }

    /// Runs all commands in turn. One that fails drops out and says why.
    pub(super) fn run(&mut self, options: &Options) -> Vec<Row> {
        let repeats = match self.pace {
            Pace::Short => options.repeats,
            Pace::Long | Pace::Heavy => 1,
        };
        let (warm_ups, rounds) = match self.pace {
            Pace::Heavy => (1, options.rounds.min(HEAVY_ROUNDS)),
            Pace::Short | Pace::Long => (options.warm_ups, options.rounds),
        };
        self.contestants.retain(|one| one.is_wanted(options));
        let mut rows: Vec<Row> = self
            .contestants
            .iter()
            .map(|one| Row {
                name: one.name().to_owned(),
                outcome: one.missing().map_or(Ok(Vec::new()), Err),
            })
            .collect();
        for round in 0..warm_ups + rounds {
            for place in 0..rows.len() {
                let turn = (place + round) % rows.len();
                let Ok(samples) = &mut rows[turn].outcome else {
                    continue;
                };
                let contestant = &mut self.contestants[turn];
                let heard = if round + 1 == warm_ups {
                    contestant.hear()
                } else {
                    Ok(())
                };
                match heard.and_then(|()| round_of(contestant, repeats, self.fills.as_ref())) {
                    Ok(sample) if round >= warm_ups => samples.push(sample),
                    Ok(_) => {}
                    Err(message) => rows[turn].outcome = Err(message),
                }
            }
        }
        rows
    }
}

/// Free memory, and the program that writes to it.
struct Memory {
    floor: PathBuf,
    mebibytes: u64,
}

impl Memory {
    fn touch(&self) -> Outcome {
        // What the kernel keeps about files takes memory, too.
        let mebibytes = (self.mebibytes + self.mebibytes / 4).to_string();
        let status = command(&self.floor.to_string_lossy(), &["touch", &mebibytes]).status();
        let status = status.map_err(|error| error.to_string())?;
        let failed = || format!("ibid-floor touch: {status}");
        status.success().then_some(()).ok_or_else(failed)
    }
}

/// Runs a command so many times, each prepared anew, and returns the mean.
fn round_of(
    contestant: &mut Contestant,
    repeats: usize,
    fills: Option<&Memory>,
) -> Outcome<Sample> {
    let (mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..repeats {
        contestant.prepare()?;
        fills.map_or(Ok(()), Memory::touch)?;
        let cpu_before = cpu_of_children();
        let start = Instant::now();
        let ended = contestant.run()?;
        wall += start.elapsed();
        cpu += cpu_of_children().saturating_sub(cpu_before);
        contestant.accept(ended)?;
    }
    let repeats = u32::try_from(repeats).unwrap_or(u32::MAX);
    let (wall, cpu) = (wall / repeats, cpu / repeats);
    Ok(Sample { wall, cpu })
}

/// Returns the processor time of all children that were waited for.
fn cpu_of_children() -> Duration {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |usage| {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(micros.try_into().unwrap_or(0))
    })
}
