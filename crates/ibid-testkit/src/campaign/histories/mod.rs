//! Many processes use one store at once, in every way, and some are stopped or killed meanwhile.
//!
//! No command here is deterministic: each run writes a number of its own into all that it gives. So
//! a result that is put together of two runs, that no completed run gave, or that was invalidated
//! before it was asked for, is seen by its numbers. What the model knows is only what its own
//! processes were told; it never looks into the store.

mod ask;
mod model;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use self::ask::{Act, Asker};
use self::model::Model;
use super::random::Random;
use super::{Plan, Report};
use crate::TestEnv;

/// So many keys are fought over.
const KEYS: usize = 12;

/// How a round is played.
#[derive(Clone, Copy, Debug)]
struct Mode {
    workers: usize,
    leases: bool,
    /// The grace that collections go by.
    grace: &'static str,
}

const MODES: [Mode; 6] = [
    Mode {
        workers: 2,
        leases: true,
        grace: "0s",
    },
    Mode {
        workers: 8,
        leases: true,
        grace: "0s",
    },
    Mode {
        workers: 8,
        leases: false,
        grace: "0s",
    },
    Mode {
        workers: 16,
        leases: true,
        grace: "1s",
    },
    Mode {
        workers: 32,
        leases: false,
        grace: "1s",
    },
    Mode {
        workers: 64,
        leases: true,
        grace: "1h",
    },
];

/// What all workers of a round share.
struct Round<'a> {
    env: &'a TestEnv,
    mode: Mode,
    seed: u64,
    until: Instant,
    /// Operations that may still begin.
    left: AtomicU64,
    model: Model,
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
            mode,
            seed: plan.seed ^ (at as u64) << 32,
            until: report.began + plan.limit * turn / all,
            left: AtomicU64::new(share),
            model: Model::new(env.home("runs"), KEYS),
            found: Mutex::default(),
        };
        let found = round.play();
        report.say(format!(
            "{} processes, {}, grace {}: {} operations in {:.1} s: {} results asked for, {} commands \
             ran, {} collections, {} killed, {} stopped",
            mode.workers,
            if mode.leases { "leases" } else { "no leases" },
            mode.grace,
            found.asked + found.collections,
            began.elapsed().as_secs_f64(),
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
        while Instant::now() < self.until && self.take_turn() {
            let act = Act::draw(&mut random);
            asker.act(act, &mut random);
        }
    }

    fn take_turn(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok()
    }

    /// When all is quiet: every key can be had, the second time without its command, and the store
    /// is sound.
    fn rest(&self) {
        let mut asker = Asker::new(self, self.mode.workers);
        asker.settle();
    }

    fn violation(&self, text: String) {
        let mut found = self.found.lock().expect("no holder panics");
        found.violations.push(text);
    }

    fn add(&self, more: impl FnOnce(&mut Found)) {
        more(&mut self.found.lock().expect("no holder panics"));
    }
}
