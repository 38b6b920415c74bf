//! Laws of runs over random graphs with random failures.

use std::collections::{BTreeMap, BTreeSet};

use ibid_core::engine::schedule::Finished;
use ibid_core::pipeline::{Pipeline, StepId};
use proptest::prelude::*;

use super::bench::{Bench, Steps, Went, all, ids, most_at_once, with_files};

/// Which steps each step waits for, and whether it fails.
type Drawn = Vec<(BTreeSet<usize>, bool)>;

fn drawn() -> impl Strategy<Value = Drawn> {
    let fails = prop::bool::weighted(0.15);
    let above = prop::collection::btree_set(0_usize..1000, 0..4);
    prop::collection::vec((above, fails), 1..12).prop_map(|steps| {
        let earlier = |(at, (above, fails)): (usize, (BTreeSet<usize>, bool))| {
            let above = above.into_iter().filter(|_| at > 0);
            (above.map(|step| step % at).collect(), fails)
        };
        steps.into_iter().enumerate().map(earlier).collect()
    })
}

fn pipeline(drawn: &Drawn) -> Pipeline {
    let mut steps = Steps::default();
    for (step, (above, fails)) in drawn.iter().enumerate() {
        let above: Vec<usize> = above.iter().copied().collect();
        let inputs: Vec<String> = above.iter().map(|step| format!("out-{step}")).collect();
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let output = format!("out-{step}");
        let code = u8::from(*fails);
        let read = inputs.join(" ");
        let script = format!(
            "echo start {step} >> ../log; cat /dev/null {read} > {output}; echo {step} >> {output}; \
             echo end {step} >> ../log; exit {code}"
        );
        with_files(steps.add(&script, &above), &inputs, &[&output]);
    }
    steps.pipeline()
}

/// Returns the line of the log on which each step started or ended.
fn lines(log: &str, what: &str) -> BTreeMap<usize, usize> {
    let of = |(at, line): (usize, &str)| {
        let step = line.strip_prefix(what)?.trim().parse().expect("a step");
        Some((step, at))
    };
    log.lines().enumerate().filter_map(of).collect()
}

fn check(went: &Went, log: &str, drawn: &Drawn, keep_going: bool) -> Result<(), TestCaseError> {
    let (starts, ends) = (lines(log, "start"), lines(log, "end"));
    prop_assert_eq!(
        log.lines().count(),
        starts.len() + ends.len(),
        "at most once"
    );
    let mut gave = BTreeSet::new();
    for (step, (above, fails)) in drawn.iter().enumerate() {
        let all_gave = above.is_subset(&gave);
        let finished = &went.report.finished[&StepId::new(step)];
        let ran = starts.contains_key(&step);
        match finished {
            Finished::Done(_) => prop_assert!(ran && all_gave && !fails),
            Finished::Failed(_) => prop_assert!(ran && all_gave && *fails),
            Finished::Skipped { because } => {
                prop_assert!(!ran && !all_gave);
                prop_assert!(drawn[because.index()].1, "because of one that failed");
            }
            Finished::NotStarted => prop_assert!(!ran && !keep_going),
            Finished::Error(error) => prop_assert!(false, "{}", error),
        }
        if ran {
            let mut before = above.iter().map(|above| ends[above]);
            prop_assert!(before.all(|end| end < starts[&step]));
        }
        if matches!(finished, Finished::Done(_)) {
            gave.insert(step);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_step_runs_once_after_those_above_and_is_skipped_if_one_of_them_failed(
        drawn in drawn(), cpus in 1_u64..5, keep_going: bool,
    ) {
        let bench = Bench::new();
        let pipeline = pipeline(&drawn);
        let mut order = all(&pipeline, cpus);
        order.keep_going = keep_going;
        let went = bench.run(&order);
        let log = bench.read("../log");
        check(&went, &log, &drawn, keep_going)?;
        let most = u64::try_from(most_at_once(&log)).unwrap();
        prop_assert!(most <= cpus, "{}", log);

        // What succeeded is up to date in a run of its own, whatever failed beside it.
        let done = went.report.finished.iter();
        let done = done.filter(|(_, finished)| matches!(finished, Finished::Done(_)));
        order.steps = ids(done.map(|(step, _)| step.index()));
        let again = bench.run(&order);
        prop_assert!(again.became().iter().all(|became| became == "up to date"));
    }
}
