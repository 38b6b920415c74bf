//! Many processes use one store at once, in every way, and some are stopped or killed meanwhile.
//!
//! No command here is deterministic: each run writes a number of its own into all that it gives. So
//! a result that is put together of two runs, that no completed run gave, or that was invalidated
//! before it was asked for, is seen by its numbers. What the model knows is only what its own
//! processes were told; it never looks into the store.

mod ask;
mod model;
mod passing;
mod resident;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::Instant;

use self::ask::{Act, Asker};
use self::model::Model;
use self::resident::Resident;
pub use self::resident::{Asked, RESIDENT};
use super::random::Random;
use super::{Plan, Report};
use crate::TestEnv;

/// So many keys are fought over.
const KEYS: usize = 12;

/// An hour passes each time that so many operations have begun.
const AN_HOUR: u64 = 40;

/// The same where residents ask, who are that much quicker.
const A_QUICK_HOUR: u64 = 600;

/// Whether the processes of a round can agree on who does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leases {
    On,
    Off,
    /// They are asked for, and no file can be made where they lie.
    Failing,
}

/// How a round is played.
#[derive(Clone, Copy, Debug)]
struct Mode {
    workers: usize,
    leases: Leases,
    /// The grace that collections go by.
    grace: &'static str,
    /// The budget of the store. A small one makes runs collect by themselves.
    budget: &'static str,
}

const fn mode(workers: usize, leases: Leases, grace: &'static str, budget: &'static str) -> Mode {
    Mode {
        workers,
        leases,
        grace,
        budget,
    }
}

const MODES: [Mode; 8] = [
    mode(2, Leases::On, "0s", "600K"),
    mode(8, Leases::On, "0s", "2M"),
    mode(8, Leases::Off, "0s", "300K"),
    mode(8, Leases::Failing, "0s", "600K"),
    mode(16, Leases::On, "1s", "600K"),
    mode(32, Leases::Off, "1s", "2M"),
    mode(32, Leases::Failing, "1h", "600K"),
    mode(64, Leases::On, "1h", "2M"),
];

/// What all workers of a round share.
struct Round<'a> {
    env: &'a TestEnv,
    /// The program that is a resident, if there is one.
    resident: Option<PathBuf>,
    mode: Mode,
    seed: u64,
    until: Instant,
    /// Operations that may still begin.
    left: AtomicU64,
    model: Model,
    /// Held by everybody who is at work, and alone by whoever lets an hour pass.
    at_work: RwLock<()>,
    found: Mutex<Found>,
}

/// What a round came to.
#[derive(Debug, Default)]
struct Found {
    violations: Vec<String>,
    asked: u64,
    ran: u64,
    collections: u64,
    killed: u64,
    stopped: u64,
    hours: u64,
    warnings: std::collections::BTreeMap<String, u64>,
}

/// Plays `plan.times` operations.
pub fn histories(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    let share = plan.times.div_ceil(MODES.len()) as u64;
    for (at, mode) in MODES.into_iter().enumerate() {
        if plan.only.is_some_and(|only| only != at as u64) {
            continue;
        }
        let turn = u32::try_from(at + 1).unwrap_or(1);
        let all = u32::try_from(MODES.len()).unwrap_or(1);
        let env = TestEnv::new(&plan.binary);
        let began = Instant::now();
        let round = Round {
            env: &env,
            resident: plan.resident.clone(),
            mode,
            seed: plan.seed ^ (at as u64) << 32,
            until: report.began + plan.limit * turn / all,
            left: AtomicU64::new(share),
            model: Model::new(env.home("runs"), 2 * KEYS),
            at_work: RwLock::default(),
            found: Mutex::default(),
        };
        let found = round.play();
        report.say(format!(
            "{} processes, {}, grace {}, budget {}: {} operations in {:.1} s and {} hours: {} \
             results asked for, {} commands ran, {} collections, {} killed, {} stopped",
            mode.workers,
            match mode.leases {
                Leases::On => "leases",
                Leases::Off => "no leases",
                Leases::Failing => "failing leases",
            },
            mode.grace,
            mode.budget,
            found.asked + found.collections,
            began.elapsed().as_secs_f64(),
            found.hours,
            found.asked,
            found.ran,
            found.collections,
            found.killed,
            found.stopped
        ));
        for (warning, times) in &found.warnings {
            report.say(format!("    {times} × {warning}"));
        }
        report.count("concurrent operations", found.asked + found.collections);
        for violation in found.violations {
            report.violation(format!("--only {at}: {violation}"));
        }
    }
    report
}

impl Round<'_> {
    fn play(self) -> Found {
        fs::create_dir(self.env.home("runs")).expect("the folder is ours");
        if self.mode.leases == Leases::Failing {
            let version = self.version();
            fs::create_dir_all(&version).expect("the folder is ours");
            // Nobody can make a file there, root neither.
            symlink("/proc/self/fdinfo", version.join("leases")).expect("the folder is ours");
        }
        thread::scope(|scope| {
            for worker in 0..self.mode.workers {
                let round = &self;
                scope.spawn(move || round.work(worker));
            }
        });
        self.rest();
        self.found.into_inner().expect("no holder panics")
    }

    /// One worker, with a workspace of its own.
    fn work(&self, worker: usize) {
        let mut random = Random::new(self.seed ^ worker as u64);
        let mut asker = Asker::new(self, worker);
        let is_resident = |program: &PathBuf| (!worker.is_multiple_of(4)).then(|| program.clone());
        let resident = self.resident.as_ref().and_then(is_resident);
        let mut resident = resident.map(|program| Resident::new(self, worker, program));
        while Instant::now() < self.until {
            let Some(left) = self.take_turn() else { return };
            let hour = match self.resident {
                Some(_) => A_QUICK_HOUR,
                None => AN_HOUR,
            };
            if left.is_multiple_of(hour) {
                let _alone = self.at_work.write().expect("no holder panics");
                passing::pass_an_hour(&self.version());
                self.add(|found| found.hours += 1);
            }
            let _at_work = self.at_work.read().expect("no holder panics");
            if let Some(resident) = &mut resident {
                resident.act(&mut random);
                continue;
            }
            let act = Act::draw(&mut random);
            asker.act(act, &mut random);
        }
    }

    /// Returns how many operations are left, this one included.
    fn take_turn(&self) -> Option<u64> {
        let less = |left: u64| left.checked_sub(1);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.ok()
    }

    fn version(&self) -> PathBuf {
        self.env.cache().join("v1")
    }

    /// When all is quiet: every key can be had, the second time without its command, and the store
    /// is sound.
    fn rest(&self) {
        let mut asker = Asker::new(self, self.mode.workers);
        asker.settle();
        if let Some(program) = &self.resident {
            let mut resident = Resident::new(self, self.mode.workers, program.clone());
            resident.settle(&mut Random::new(self.seed));
        }
    }

    fn violation(&self, text: String) {
        let mut found = self.found.lock().expect("no holder panics");
        found.violations.push(text);
    }

    fn add(&self, more: impl FnOnce(&mut Found)) {
        more(&mut self.found.lock().expect("no holder panics"));
    }
}
