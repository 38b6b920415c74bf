//! Campaigns against the built binary: damage, kill -9, failing calls, many processes at once,
//! read-only stores.
//!
//! Each is one function from a [`Plan`] to a [`Report`]. The tests run them small, the chore
//! `cargo xtask gate` runs them large; both look for the same violations. Everything happens
//! in a private folder, without a network, and only processes that the campaign started are
//! killed.

mod aftermath;
mod case;
mod damage;
mod family;
mod faults;
mod freshness;
mod harm;
mod histories;
mod hostile;
mod kill;
mod kills;
mod leftovers;
mod meetings;
mod pipeline;
mod points;
mod powercut;
mod promise;
mod race;
mod random;
mod read_only;
mod snapshot;
mod trace;
mod users;
mod workload;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use damage::damage;
pub use faults::faults;
pub use freshness::{Eyes, Look, freshness};
pub use histories::{Asked, RESIDENT, histories};
pub use hostile::hostile;
pub use kill::kill;
pub use kills::kills;
pub use meetings::meetings;
pub use powercut::{powercut, powercut_lacks};
pub use promise::promise;
pub use race::race;
pub use read_only::read_only;
pub use users::users;

/// How large a campaign is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The binary under test.
    pub binary: PathBuf,
    /// What every choice is drawn from.
    pub seed: u64,
    /// How many cases, kills or keys.
    pub times: usize,
    /// How many processes work at once, where several do.
    pub workers: usize,
    /// No further case begins after this time.
    pub limit: Duration,
    /// The program that asks through the library, started with the word `resident`; without it
    /// all requests are made by the binary under test.
    pub resident: Option<PathBuf>,
    /// Plays only the point of this number, to look into a violation.
    pub only: Option<u64>,
}

/// What a campaign did and found.
#[derive(Clone, Debug)]
pub struct Report {
    began: Instant,
    seed: u64,
    said: Vec<String>,
    counts: Vec<(&'static str, u64)>,
    violations: Vec<String>,
}

impl Report {
    fn new(plan: &Plan) -> Self {
        Self {
            began: Instant::now(),
            seed: plan.seed,
            said: Vec::new(),
            counts: Vec::new(),
            violations: Vec::new(),
        }
    }

    fn say(&mut self, line: impl Into<String>) {
        self.said.push(line.into());
    }

    /// Adds to what the record of a gate sums up: "kill points", "injections".
    fn count(&mut self, what: &'static str, more: u64) {
        match self.counts.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += more,
            None => self.counts.push((what, more)),
        }
    }

    fn violation(&mut self, line: impl Into<String>) {
        self.violations.push(line.into());
    }

    /// Makes the report of a part, which began when the whole did.
    fn begin_part(&self) -> Self {
        Self {
            began: self.began,
            seed: self.seed,
            said: Vec::new(),
            counts: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Adds what a part found.
    fn take(&mut self, part: Self) {
        for (what, count) in part.counts {
            self.count(what, count);
        }
        self.violations.extend(part.violations);
    }

    fn is_over(&self, plan: &Plan) -> bool {
        self.began.elapsed() > plan.limit
    }

    /// Returns how much was done, by what it is.
    pub fn counts(&self) -> &[(&'static str, u64)] {
        &self.counts
    }

    /// Returns what must not have happened.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.said {
            writeln!(f, "{line}")?;
        }
        for violation in &self.violations {
            writeln!(f, "violation: {violation}")?;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let (count, seed) = (self.violations.len(), self.seed);
        write!(f, "{count} violations, seed {seed}, {seconds:.1} s")
    }
}
