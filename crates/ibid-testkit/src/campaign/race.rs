//! Many processes, each with a workspace of its own, ask one store for the same keys at once.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::random::Random;
use super::{Plan, Report};
use crate::TestEnv;

const SCRIPT: &str =
    "echo $1 >> \"$RUNS/$1\"; sleep 0.01; echo \"result of $1\"; echo \"output of $1\" > out";

/// Asks for `plan.times` keys from `plan.workers` workers, with leases and without them.
pub fn race(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    for leases in [true, false] {
        race_once(plan, leases, &mut report);
    }
    report
}

fn race_once(plan: &Plan, leases: bool, report: &mut Report) {
    let env = TestEnv::new(&plan.binary);
    fs::create_dir(env.home("runs")).expect("the folder is ours");
    let wrong = Mutex::new(Vec::new());
    let began = Instant::now();
    let over = || began.elapsed() > plan.limit;
    thread::scope(|scope| {
        for worker in 0..plan.workers {
            let (env, wrong) = (&env, &wrong);
            scope.spawn(move || {
                let mut keys: Vec<usize> = (0..plan.times).collect();
                Random::new(plan.seed ^ worker as u64).shuffle(&mut keys);
                for key in keys {
                    if over() {
                        wrong
                            .lock()
                            .expect("no holder panics")
                            .push("out of time".to_owned());
                        return;
                    }
                    if let Some(what) = ask(env, worker, key, leases) {
                        let what = format!("worker {worker}, key {key}: {what}");
                        wrong.lock().expect("no holder panics").push(what);
                    }
                }
            });
        }
    });
    let counts = count(&env);
    let (total, more) = (
        counts.values().sum::<usize>(),
        counts.values().filter(|count| **count > 1).count(),
    );
    let (workers, keys, seconds) = (plan.workers, plan.times, began.elapsed().as_secs_f64());
    let with = if leases {
        "with leases"
    } else {
        "without leases"
    };
    let wrong = wrong.into_inner().expect("no holder panics");
    report.say(format!(
        "{workers} processes × {keys} keys {with} in {seconds:.1} s: {} asked, {} wrong, {total} \
         commands ran, {more} keys ran more than once",
        workers * keys,
        wrong.len()
    ));
    report.violations.extend(wrong);
    if counts.len() != keys {
        report.violation(format!("{with}: only {} of {keys} keys ran", counts.len()));
    }
    if leases && more > 0 {
        report.violation(format!("{with}: {more} keys ran more than once"));
    }
}

/// Asks for one key in a worker's own workspace; returns what was wrong.
fn ask(env: &TestEnv, worker: usize, key: usize, leases: bool) -> Option<String> {
    // A folder of its own, in which no input is a link to somebody else's: a link changes ctime.
    let work = env.work(format!("{worker}/w"));
    if !work.exists() {
        fs::create_dir_all(&work).expect("the folder is ours");
        fs::write(work.join("in.txt"), "input\n").expect("the folder is ours");
    }
    let out = work.join("out");
    let _ = fs::remove_file(&out);
    let ran = env.finish(
        env.command()
            .current_dir(&work)
            .env("RUNS", env.home("runs"))
            .env("IBID_LEASES", if leases { "true" } else { "false" })
            .args([
                "exec",
                "--quiet",
                "--pass-env",
                "RUNS",
                "-i",
                "in.txt",
                "-o",
                "out",
            ])
            .args(["--", "sh", "-c", SCRIPT, "sh", &key.to_string()]),
    );
    let is_right = ran.code == Some(0)
        && ran.raw == (format!("result of {key}\n").into_bytes(), Vec::new())
        && fs::read(&out).is_ok_and(|got| got == format!("output of {key}\n").into_bytes());
    (!is_right).then(|| ran.story())
}

/// Counts how often each key's command ran.
fn count(env: &TestEnv) -> BTreeMap<String, usize> {
    let marks = fs::read_dir(env.home("runs"))
        .into_iter()
        .flatten()
        .flatten();
    marks
        .map(|mark| {
            let text = fs::read_to_string(mark.path()).unwrap_or_default();
            (
                mark.file_name().to_string_lossy().into_owned(),
                text.lines().count(),
            )
        })
        .collect()
}
