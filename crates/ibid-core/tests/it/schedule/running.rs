//! What runs, in which order, how much at once, and what need not run.

use ibid_core::engine::schedule::Finished;
use ibid_core::pipeline::{Pipeline, Settled};
use ibid_core::tree::RelPath;

use super::bench::{Bench, Steps, Told, all, ids, most_at_once, with_files};

/// `src` -> `mid` (in capitals) -> `out`, and `other` beside them.
fn chain() -> Pipeline {
    let mut steps = Steps::default();
    let upper = steps.add("echo s0 >> ../log; tr a-z A-Z < src > mid", &[]);
    with_files(upper, &["src"], &["mid"]);
    let copy = steps.add("echo s1 >> ../log; cat mid > out", &[0]);
    with_files(copy, &["mid"], &["out"]);
    let other = steps.add("echo s2 >> ../log; echo x > other", &[]);
    with_files(other, &[], &["other"]);
    steps.pipeline()
}

#[test]
fn each_step_runs_after_those_it_waits_for_and_then_all_are_up_to_date() {
    let bench = Bench::new();
    bench.write("src", "a");
    let pipeline = chain();
    assert_eq!(bench.run(&all(&pipeline, 1)).became(), ["ran"; 3]);
    assert_eq!(bench.read("../log"), "s0\ns1\ns2\n");
    assert_eq!(bench.read("out"), "A");
    let again = bench.run(&all(&pipeline, 2));
    assert_eq!(again.became(), ["up to date"; 3]);
    assert_eq!(bench.read("../log"), "s0\ns1\ns2\n");
}

#[test]
fn a_step_that_runs_again_with_equal_outputs_leaves_those_below_alone() {
    let bench = Bench::new();
    bench.write("src", "a");
    let pipeline = chain();
    bench.run(&all(&pipeline, 2));
    bench.write("src", "A");
    let cut_off = ["ran", "up to date", "up to date"];
    assert_eq!(bench.run(&all(&pipeline, 2)).became(), cut_off);
    let mut forced = all(&pipeline, 2);
    forced.forced = ids([0]);
    assert_eq!(bench.run(&forced).became(), cut_off);
    bench.write("src", "b");
    assert_eq!(
        bench.run(&all(&pipeline, 2)).became(),
        ["ran", "ran", "up to date"]
    );
}

#[test]
fn a_step_that_always_runs_does_not_make_those_below_run() {
    let bench = Bench::new();
    bench.write("src", "a");
    let mut pipeline = chain();
    pipeline.steps[0].always = true;
    bench.run(&all(&pipeline, 1));
    let again = bench.run(&all(&pipeline, 1));
    assert_eq!(again.became(), ["ran", "up to date", "up to date"]);
}

#[test]
fn what_is_not_in_the_order_is_taken_as_it_stands() {
    let bench = Bench::new();
    bench.write("src", "a");
    let pipeline = chain();
    let mut only = all(&pipeline, 1);
    only.steps = ids([1]);
    assert_eq!(bench.run(&only).became(), ["error"], "`mid` is not there");
    bench.write("mid", "by hand");
    assert_eq!(bench.run(&only).became(), ["ran"]);
    assert_eq!(bench.read("out"), "by hand");
}

#[test]
fn an_order_of_nothing_is_over_at_once() {
    let bench = Bench::new();
    let pipeline = chain();
    let mut nothing = all(&pipeline, 1);
    nothing.steps.clear();
    assert_eq!(
        bench.run(&nothing).told,
        [Told::Began(0), Told::Ended],
        "no step is heard of"
    );
}

#[test]
fn as_many_run_at_once_as_there_are_processors() {
    let bench = Bench::new();
    bench.pipes(&["p", "q", "r"]);
    let mut steps = Steps::default();
    // Each waits for another one: only together can they end.
    steps.add("echo p > ../p; cat ../r", &[]);
    steps.add("cat ../p; echo q > ../q", &[]);
    steps.add("cat ../q; echo r > ../r", &[]);
    let pipeline = steps.pipeline();
    assert_eq!(bench.run(&all(&pipeline, 3)).became(), ["ran"; 3]);
}

/// Steps that write when they start and end; they take long enough to meet.
fn busy(count: usize) -> Steps {
    let mut steps = Steps::default();
    for step in 0..count {
        let script = format!(
            "echo start {step} >> ../log; ls / > /dev/null; ls / > /dev/null; echo end {step} >> ../log"
        );
        steps.add(&script, &[]);
    }
    steps
}

#[test]
fn no_more_run_at_once_than_resources_allow() {
    let bench = Bench::new();
    let pipeline = busy(12).pipeline();
    bench.run(&all(&pipeline, 3));
    let log = bench.read("../log");
    assert_eq!(log.lines().count(), 24);
    assert!(most_at_once(&log) <= 3, "{log}");

    let bench = Bench::new();
    let mut steps = busy(8);
    steps.limit("gpus", 1);
    let mut pipeline = steps.pipeline();
    for step in &mut pipeline.steps {
        step.resources.others.insert("gpus".to_owned(), 1);
    }
    bench.run(&all(&pipeline, 4));
    assert_eq!(most_at_once(&bench.read("../log")), 1);

    let bench = Bench::new();
    let mut pipeline = busy(8).pipeline();
    for step in &mut pipeline.steps {
        step.resources.memory = Some(3);
    }
    let mut order = all(&pipeline, 8);
    order.memory = Some(7);
    bench.run(&order);
    assert!(most_at_once(&bench.read("../log")) <= 2);
}

#[test]
fn steps_that_ask_for_more_than_there_is_run_alone_and_it_is_told_once() {
    let bench = Bench::new();
    let mut pipeline = busy(6).pipeline();
    for step in [1, 4] {
        pipeline.steps[step].resources.cpus = 64;
    }
    let went = bench.run(&all(&pipeline, 2));
    assert_eq!(went.became(), ["ran"; 6]);
    let log = bench.read("../log");
    for step in [1, 4] {
        assert!(
            log.contains(&format!("start {step}\nend {step}\n")),
            "{log}"
        );
    }
    assert_eq!(
        went.notes(),
        ["asks for 64 of `cpus`, and there is 2: nothing else runs beside it"]
    );
    let again = bench.run(&all(&pipeline, 2));
    assert_eq!(again.notes(), [] as [&str; 0], "nothing ran");
}

#[test]
fn equal_actions_run_once() {
    let bench = Bench::new();
    let mut steps = Steps::default();
    for _ in 0..8 {
        steps.add("echo ran >> ../count; echo hello", &[]);
    }
    let pipeline = steps.pipeline();
    let went = bench.run(&all(&pipeline, 4));
    assert_eq!(bench.read("../count"), "ran\n");
    for step in 0..8 {
        let hello = Told::Output(step, "hello\n".to_owned());
        assert!(went.told.contains(&hello), "a hit replays its streams");
    }
}

#[test]
fn a_thousand_steps_in_a_chain_and_as_many_beside_each_other() {
    let bench = Bench::new();
    let mut steps = Steps::default();
    steps.add("echo ran >> ../count", &[]);
    for step in 1..500 {
        steps.add("echo ran >> ../count", &[step - 1]);
    }
    for _ in 500..999 {
        steps.add("echo ran >> ../count", &[499]);
    }
    let last: Vec<usize> = (500..999).collect();
    steps.add("echo ran >> ../count", &last);
    let pipeline = steps.pipeline();
    let went = bench.run(&all(&pipeline, 4));
    assert_eq!(bench.read("../count"), "ran\n");
    assert!(
        went.report
            .finished
            .values()
            .all(|finished| matches!(finished, Finished::Done(_)))
    );
}

#[test]
fn what_matches_a_pattern_and_is_no_output_is_told_when_the_command_runs() {
    let bench = Bench::new();
    let mut steps = Steps::default();
    with_files(steps.add("echo a > a.csv", &[]), &[], &["a.csv"]);
    let join = steps.add("cat a.csv > all", &[0]);
    with_files(join, &["a.csv"], &["all"]).settled = vec![Settled {
        pattern: "*.csv".to_owned(),
        outputs: vec![RelPath::new("a.csv").unwrap()],
    }];
    let pipeline = steps.pipeline();
    for name in ["old-1.csv", "old-2.csv"] {
        bench.write(name, "left over");
    }
    let went = bench.run(&all(&pipeline, 1));
    let told = "`*.csv` stands for outputs of other steps; what else matches does not count: \
                `old-1.csv`, `old-2.csv`";
    assert_eq!(
        (went.became(), went.notes()),
        (vec!["ran".to_owned(); 2], vec![told])
    );
    assert_eq!(bench.run(&all(&pipeline, 1)).notes(), [] as [&str; 0]);
}

#[test]
fn without_a_store_everything_runs() {
    let mut bench = Bench::new();
    bench.with_store = false;
    bench.write("src", "a");
    let pipeline = chain();
    for _ in 0..2 {
        assert_eq!(bench.run(&all(&pipeline, 2)).became(), ["ran"; 3]);
    }
    assert_eq!(bench.read("out"), "A");
}

#[test]
fn the_time_of_a_step_is_its_own() {
    let bench = Bench::new();
    bench.write("src", "a");
    let pipeline = chain();
    let report = bench.run(&all(&pipeline, 1)).report;
    let of_steps = report.finished.values().map(|finished| match finished {
        Finished::Done(outcome) => outcome.elapsed,
        other => panic!("{other:?}"),
    });
    let sum: std::time::Duration = of_steps.sum();
    assert!(sum <= report.elapsed, "one after the other: {sum:?}");
}
