//! How runs end that do not end well: failures, retries, interrupts, panics.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ibid_core::engine::schedule::Finished;
use ibid_core::engine::{Error, NotStored};
use ibid_core::exec::Status;
use ibid_core::pipeline::{Pipeline, StepId};

use super::bench::{Bench, Steps, Told, Went, all, with_files};

const SIGINT: i32 = 2;

/// 0 fails; 1 and 2 hang on it; 3 and 4 do not.
fn one_fails(script: &str) -> Pipeline {
    let mut steps = Steps::default();
    steps.add(script, &[]);
    steps.add("echo 1", &[0]);
    steps.add("echo 2", &[1]);
    steps.add("echo 3", &[]);
    steps.add("echo 4", &[3]);
    steps.pipeline()
}

#[test]
fn a_failure_ends_the_run_and_skips_what_hangs_on_it() {
    let went = Bench::new().run(&all(&one_fails("exit 3"), 1));
    let (skipped, not) = ("skipped by 0", "not started");
    assert_eq!(went.became(), ["failed", skipped, skipped, not, not]);
    let failed = &went.report.finished[&StepId::new(0)];
    assert!(
        matches!(failed, Finished::Failed(outcome) if outcome.status == Status::Exited(3)),
        "{failed:?}"
    );
    assert_eq!(went.report.interrupted, None);
}

#[test]
fn who_keeps_going_does_all_that_does_not_hang_on_the_failure() {
    for script in ["exit 3", "kill -9 $$"] {
        let pipeline = one_fails(script);
        let mut order = all(&pipeline, 2);
        order.keep_going = true;
        let skipped = "skipped by 0";
        assert_eq!(
            Bench::new().run(&order).became(),
            ["failed", skipped, skipped, "ran", "ran"]
        );
    }
}

#[test]
fn a_step_that_cannot_be_tried_counts_as_one_that_failed() {
    let mut pipeline = one_fails("cat there-is-none");
    with_files(&mut pipeline.steps[0], &["there-is-none"], &[]);
    let mut order = all(&pipeline, 2);
    order.keep_going = true;
    let went = Bench::new().run(&order);
    let skipped = "skipped by 0";
    assert_eq!(went.became(), ["error", skipped, skipped, "ran", "ran"]);
}

#[test]
fn running_steps_end_by_themselves_when_another_one_fails() {
    let bench = Bench::new();
    bench.pipes(&["p", "q"]);
    let mut steps = Steps::default();
    // The second has begun when the first fails, and ends after the test heard of the failure.
    steps.add("cat ../p; exit 1", &[]);
    steps.add("echo p > ../p; cat ../q", &[]);
    steps.add("echo never", &[]);
    let pipeline = steps.pipeline();
    let went = bench.run_and(&all(&pipeline, 2), &|told, _| {
        if *told == Told::Finished(0, "failed".to_owned()) {
            bench.write("../q", "go on\n");
        }
    });
    assert_eq!(went.became(), ["failed", "ran", "not started"]);
}

#[test]
fn a_command_that_runs_out_of_time_or_does_not_write_its_outputs_failed() {
    let mut pipeline = one_fails("exec sleep 600");
    pipeline.steps[0].step.policy.timeout = Some(Duration::from_millis(50));
    with_files(&mut pipeline.steps[3], &[], &["out"]);
    let mut order = all(&pipeline, 1);
    order.keep_going = true;
    let went = Bench::new().run(&order);
    let (skipped, of_3) = ("skipped by 0", "skipped by 3");
    assert_eq!(went.became(), ["failed", skipped, skipped, "failed", of_3]);
    assert_eq!(not_stored(&went, 0), Some(NotStored::TimedOut));
    let missing = not_stored(&went, 3);
    assert!(
        matches!(missing, Some(NotStored::Outputs(_))),
        "{missing:?}"
    );
}

fn not_stored(went: &Went, step: usize) -> Option<NotStored> {
    let Finished::Failed(outcome) = &went.report.finished[&StepId::new(step)] else {
        return None;
    };
    match &outcome.decision {
        ibid_core::engine::Decision::Ran { not_stored, .. } => not_stored.clone(),
        _ => None,
    }
}

/// Succeeds when it runs for the third time.
const THIRD: &str = "echo x >> ../tries; test $(wc -l < ../tries) -ge 3";

fn retries(went: &Went) -> Vec<(u32, u32)> {
    let retry = |told: &Told| match told {
        Told::Retrying(_, attempt, of) => Some((*attempt, *of)),
        _ => None,
    };
    went.told.iter().filter_map(retry).collect()
}

#[test]
fn a_failed_command_is_tried_as_often_as_it_may_be() {
    for (may, became) in [(3, "ran"), (2, "ran"), (1, "failed")] {
        let bench = Bench::new();
        let mut steps = Steps::default();
        steps.add(THIRD, &[]).retries = may;
        let pipeline = steps.pipeline();
        let went = bench.run(&all(&pipeline, 1));
        assert_eq!(went.became(), [became], "{may} retries");
        let again = (2..=(may + 1).min(3)).map(|attempt| (attempt, may + 1));
        assert_eq!(retries(&went), again.collect::<Vec<_>>());
    }
}

#[test]
fn a_stored_failure_is_neither_replayed_for_a_retry_nor_tried_again_later() {
    let bench = Bench::new();
    let mut steps = Steps::default();
    let step = steps.add("echo x >> ../tries; exit 1", &[]);
    step.retries = 2;
    step.step.policy.cache_failures = true;
    let pipeline = steps.pipeline();
    assert_eq!(bench.run(&all(&pipeline, 1)).became(), ["failed"]);
    assert_eq!(bench.read("../tries"), "x\nx\nx\n");
    let again = bench.run(&all(&pipeline, 1));
    assert_eq!(
        (again.became(), retries(&again)),
        (vec!["failed".to_owned()], vec![])
    );
    assert_eq!(bench.read("../tries"), "x\nx\nx\n");
}

#[test]
fn what_cannot_be_tried_is_not_tried_again() {
    let mut steps = Steps::default();
    let step = steps.add("true", &[]);
    with_files(step, &["there-is-none"], &[]).retries = 5;
    let pipeline = steps.pipeline();
    let went = Bench::new().run(&all(&pipeline, 1));
    assert_eq!(
        (went.became(), retries(&went)),
        (vec!["error".to_owned()], vec![])
    );
}

/// Ten steps that end and forty that wait until `go` is there.
fn fifty() -> Pipeline {
    let mut steps = Steps::default();
    for step in 0..50 {
        let wait = if step < 10 {
            ""
        } else {
            "; test -e ../go || { echo $$; exec sleep 600; }"
        };
        let output = format!("out-{step}");
        let script = format!("echo {step} > {output}{wait}");
        with_files(steps.add(&script, &[]), &[], &[&output]);
    }
    steps.pipeline()
}

fn count(went: &Went, of: &str) -> usize {
    went.became().iter().filter(|became| *became == of).count()
}

#[test]
fn an_interrupt_leaves_nothing_running_and_the_next_run_does_the_rest() {
    let bench = Bench::new();
    let pipeline = fifty();
    let waiting = Mutex::new(BTreeSet::new());
    let went = bench.run_and(&all(&pipeline, 4), &|told, interrupt| {
        if let Told::Output(_, pid) = told {
            let mut waiting = waiting.lock().unwrap();
            waiting.insert(pid.trim().to_owned());
            if waiting.len() == 4 {
                interrupt.raise(SIGINT);
            }
        }
    });
    let counts = ["ran", "failed", "not started"].map(|of| count(&went, of));
    assert_eq!(counts, [10, 4, 36]);
    assert_eq!(went.report.interrupted, Some(SIGINT));
    for pid in waiting.into_inner().unwrap() {
        let at = format!("/proc/{pid}/stat");
        assert!(!std::fs::exists(at).unwrap(), "{pid} lives on");
    }
    bench.write("../go", "");
    let rest = bench.run(&all(&pipeline, 4));
    assert_eq!((count(&rest, "up to date"), count(&rest, "ran")), (10, 40));
    assert_eq!(rest.report.interrupted, None);
}

#[test]
fn a_second_interrupt_kills_what_does_not_want_to_end() {
    let mut steps = Steps::default();
    let script = "trap '' INT TERM; echo up; sleep 600 & wait";
    steps.add(script, &[]).retries = 9;
    steps.add("true", &[0]);
    let pipeline = steps.pipeline();
    let mut order = all(&pipeline, 1);
    order.keep_going = true;
    let went = Bench::new().run_and(&order, &|told, interrupt| {
        if matches!(told, Told::Output(..)) {
            interrupt.raise(SIGINT);
            interrupt.raise(SIGINT);
        }
    });
    assert_eq!(went.became(), ["failed", "skipped by 0"]);
    assert_eq!(retries(&went), [], "what the user ended is not tried again");
}

#[test]
fn an_interrupt_ends_the_wait_for_somebody_else_with_the_same_action() {
    let bench = Bench::new();
    let mut steps = Steps::default();
    for _ in 0..2 {
        steps.add("echo up; exec sleep 600", &[]);
    }
    let pipeline = steps.pipeline();
    // One command is up, and the other step was told that it has to wait.
    let heard = AtomicUsize::new(0);
    let (up, waiting) = (1, 100);
    let went = bench.run_and(&all(&pipeline, 2), &|told, interrupt| {
        let new = match told {
            Told::Output(..) => up,
            Told::Waiting(_) => waiting,
            _ => return,
        };
        if heard.fetch_add(new, Ordering::SeqCst) + new == up + waiting {
            interrupt.raise(SIGINT);
        }
    });
    let mut became = went.became();
    became.sort_unstable();
    assert_eq!(became, ["failed", "not started"]);
}

#[test]
fn an_interrupt_before_the_start_starts_nothing() {
    let went = Bench::new().run_and(&all(&one_fails("true"), 2), &|told, interrupt| {
        if matches!(told, Told::Began(_)) {
            interrupt.raise(SIGINT);
        }
    });
    assert_eq!(went.became(), ["not started"; 5]);
    assert!(
        !went
            .told
            .iter()
            .any(|told| matches!(told, Told::Started(_)))
    );
}

#[test]
fn a_panic_at_one_step_is_an_error_of_that_step() {
    let pipeline = one_fails("echo up; exec sleep 600");
    let mut order = all(&pipeline, 1);
    order.keep_going = true;
    let went = Bench::new().run_and(&order, &|told, _| {
        assert!(!matches!(told, Told::Output(0, _)), "planted");
    });
    let skipped = "skipped by 0";
    assert_eq!(went.became(), ["error", skipped, skipped, "ran", "ran"]);
    let error = &went.report.finished[&StepId::new(0)];
    assert!(
        matches!(error, Finished::Error(Error::Panicked { message }) if message == "planted"),
        "{error:?}"
    );
}
