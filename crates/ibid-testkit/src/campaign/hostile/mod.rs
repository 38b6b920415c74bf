//! Hostile records, trees, paths and files: decoding and the rules for paths stand between them and
//! the user's files, since each planted blob has its right digest as its name.
//!
//! ```text
//! the store as it was ─▶ plant ─▶ questions ─▶ outputs gone, exec ─▶ repairs ─▶ outputs gone, exec
//! ```
//!
//! Whatever was planted: what a user gets is what a fresh run gives, nothing beside store, workspace
//! folder and declared outputs is touched, no process panics or outgrows its limits, and nothing
//! that ibid prints drives a terminal.

mod blobs;
mod cbor;
mod confined;
mod forms;
mod keys;
mod limits;
mod listings;
mod modes;
mod names;
mod notes;
mod pipelines;
mod places;
mod play;
mod printed;
mod results;
mod scene;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::random::Random;
use super::{Plan, Report};
use play::{Case, Met};
use scene::Scene;

/// What comes into a terminal by it: a title, a colour, a cleared screen, a line of its own.
const ESCAPES: &str = "\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}2J\r\nibid: forged\u{202e}\u{7f}\t";

/// Plants everything hostile, one case at a time; `strace` is where that program lies, for a path
/// audit of some of them.
pub fn hostile(plan: &Plan, strace: Option<&Path>) -> Report {
    let mut report = Report::new(plan);
    let mut cases = all();
    let known = cases.len();
    let mut numbered: Vec<_> = (1..).zip(cases.drain(..)).collect();
    match plan.only {
        Some(only) => numbered.retain(|(number, _)| *number == only),
        // So that a campaign that is out of time has seen some of everything.
        None => Random::new(plan.seed).shuffle(&mut numbered),
    }
    numbered.truncate(plan.times);
    let workers = plan
        .workers
        .min(thread::available_parallelism().map_or(1, usize::from) * 2);
    let next = AtomicUsize::new(0);
    let parts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let part = work(plan, strace, &numbered, &next);
                parts.lock().expect("no holder panics").push(part);
            });
        }
    });
    let mut kinds: BTreeMap<&'static str, [usize; 3]> = BTreeMap::new();
    for (part, met) in parts.into_inner().expect("no holder panics") {
        report.take(part);
        for (kind, counts) in met {
            let sum = kinds.entry(kind).or_default();
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    let played: usize = kinds
        .values()
        .map(|counts| counts.iter().sum::<usize>())
        .sum();
    report.say(format!(
        "{played} of {known} hostile cases: (served, ran instead, cannot be planted here)"
    ));
    for (kind, [served, ran, not]) in kinds {
        report.say(format!("  {kind:12} {served:4} {ran:4} {not:4}"));
    }
    report
}

type Kinds = BTreeMap<&'static str, [usize; 3]>;

/// Plays cases until none is left.
fn work(
    plan: &Plan,
    strace: Option<&Path>,
    cases: &[(u64, Case)],
    next: &AtomicUsize,
) -> (Report, Kinds) {
    let mut report = Report::new(plan);
    let mut kinds = Kinds::new();
    let mut scene = match Scene::new(plan) {
        Ok(scene) => scene,
        Err(why) => {
            report.violation(why);
            return (report, kinds);
        }
    };
    while let Some((number, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
        if report.is_over(plan) {
            break;
        }
        // An audit is slow: a sample says whether anything is written elsewhere.
        let strace = strace.filter(|_| number % 6 == 0 || plan.only.is_some());
        let (met, violations) = play::play(case, &scene, strace);
        report.count("hostile cases", 1);
        kinds.entry(case.kind).or_default()[match met {
            Met::Served => 0,
            Met::Ran => 1,
            Met::NotHere => 2,
        }] += 1;
        if violations.is_empty() {
            continue;
        }
        for violation in violations {
            report.violation(format!(
                "case {number}, {}: {}: {violation}",
                case.kind, case.name
            ));
        }
        // What was touched stays touched: the next case starts with another canary.
        match Scene::new(plan) {
            Ok(fresh) => scene = fresh,
            Err(why) => {
                report.violation(why);
                break;
            }
        }
    }
    (report, kinds)
}

fn all() -> Vec<Case> {
    let groups = [
        keys::cases(),
        results::cases(),
        listings::cases(),
        blobs::cases(),
        notes::cases(),
        places::cases(),
        names::cases(),
        modes::cases(),
        pipelines::cases(),
    ];
    groups.into_iter().flatten().collect()
}
