//! The pure parts of scheduling: who is next, and what becomes of those below a failure.

use std::collections::{BTreeMap, BTreeSet};

use super::progress::Progress;
use super::queue::Queue;
use super::supply::Supply;
use super::{Finished, Order};
use crate::action::{CommandLine, Step};
use crate::engine::event::Note;
use crate::pipeline::{Graph, Pipeline, PipelineStep, StepId};

/// A pipeline of steps that wait for those of `upstream`.
fn pipeline(upstream: &[&[usize]]) -> Pipeline {
    let step = |name: usize| {
        let step = Step::new(CommandLine::Argv(Vec::new()));
        PipelineStep::new(&name.to_string(), step)
    };
    let upstream = upstream.iter().map(|steps| ids(steps)).collect::<Vec<_>>();
    Pipeline {
        name: "p".to_owned(),
        steps: (0..upstream.len()).map(step).collect(),
        graph: Graph::new(upstream).unwrap(),
        limits: BTreeMap::new(),
    }
}

/// Independent steps with these needs: processors, and gpus of two.
fn needing(needs: &[(u64, u64)]) -> Pipeline {
    let mut pipeline = pipeline(&vec![[].as_slice(); needs.len()]);
    pipeline.limits.insert("gpus".to_owned(), 2);
    for (step, (cpus, gpus)) in pipeline.steps.iter_mut().zip(needs) {
        step.resources.cpus = *cpus;
        step.resources.others.insert("gpus".to_owned(), *gpus);
    }
    pipeline
}

fn order(pipeline: &Pipeline, cpus: u64) -> Order<'_> {
    Order {
        pipeline,
        steps: (0..pipeline.steps.len()).map(StepId::new).collect(),
        forced: BTreeSet::new(),
        cpus,
        memory: None,
        open_files: None,
        keep_going: false,
    }
}

fn ids(steps: &[usize]) -> BTreeSet<StepId> {
    steps.iter().copied().map(StepId::new).collect()
}

/// A queue with all steps of an order in it, and what it takes from.
struct Bench<'a> {
    queue: Queue,
    supply: Supply<'a>,
}

impl<'a> Bench<'a> {
    fn new(order: &Order<'a>) -> Self {
        let supply = Supply::new(order);
        let mut queue = Queue::new(order, &supply);
        for step in &order.steps {
            queue.add(*step);
        }
        Self { queue, supply }
    }

    /// Takes all that can start at once.
    fn take(&mut self) -> Vec<usize> {
        std::iter::from_fn(|| self.queue.take(&mut self.supply))
            .map(StepId::index)
            .collect()
    }

    fn end(&mut self, step: usize) {
        self.queue.give_back(StepId::new(step), &mut self.supply);
    }
}

#[test]
fn no_more_starts_than_there_are_processors_and_in_order_of_declaration() {
    let pipeline = needing(&[(1, 0), (2, 0), (1, 0), (1, 0)]);
    let mut bench = Bench::new(&order(&pipeline, 3));
    assert_eq!(bench.take(), [0, 1]);
    bench.end(0);
    assert_eq!(bench.take(), [2]);
    bench.end(1);
    assert_eq!(bench.take(), [3]);
}

#[test]
fn the_longest_way_to_the_end_comes_first() {
    // 3 -> 4 -> 5 is longer than 1 -> 2; 0 stands alone.
    let pipeline = pipeline(&[&[], &[], &[1], &[], &[3], &[4]]);
    let order = order(&pipeline, 1);
    let supply = Supply::new(&order);
    let mut queue = Queue::new(&order, &supply);
    for step in [0, 1, 3] {
        queue.add(StepId::new(step));
    }
    let mut bench = Bench { queue, supply };
    for expected in [3, 1, 0] {
        assert_eq!(bench.take(), [expected]);
        bench.end(expected);
    }
}

#[test]
fn a_large_step_is_not_overtaken_by_small_ones() {
    let pipeline = needing(&[(1, 0), (3, 0), (1, 0), (1, 0)]);
    let mut bench = Bench::new(&order(&pipeline, 3));
    assert_eq!(
        bench.take(),
        [0],
        "two processors stay free for the large step"
    );
    bench.end(0);
    assert_eq!(bench.take(), [1]);
    bench.end(1);
    assert_eq!(bench.take(), [2, 3]);
}

#[test]
fn who_needs_nothing_of_what_a_waiting_step_needs_overtakes_it() {
    let pipeline = needing(&[(1, 2), (1, 1), (1, 0), (1, 1), (1, 0)]);
    let mut bench = Bench::new(&order(&pipeline, 3));
    assert_eq!(bench.take(), [0, 2, 4]);
    bench.end(2);
    assert_eq!(bench.take(), [] as [usize; 0], "the gpus are taken");
    bench.end(0);
    assert_eq!(bench.take(), [1, 3]);
}

#[test]
fn what_a_waiting_step_needs_is_kept_until_it_is_whole() {
    // Step 1 needs both gpus; step 2 could use the free one, one after the other.
    let pipeline = needing(&[(1, 1), (1, 2), (1, 1)]);
    let mut bench = Bench::new(&order(&pipeline, 8));
    assert_eq!(bench.take(), [0]);
    bench.end(0);
    assert_eq!(bench.take(), [1]);
    bench.end(1);
    assert_eq!(bench.take(), [2]);
}

#[test]
fn a_step_that_asks_for_more_than_there_is_runs_alone() {
    let pipeline = needing(&[(1, 0), (9, 0), (1, 3), (1, 0), (1, 0)]);
    let order = order(&pipeline, 2);
    let mut bench = Bench::new(&order);
    for (expected, rest) in [(0, 4), (1, 3), (2, 2)] {
        assert_eq!(bench.take(), [expected], "{rest} steps wait");
        bench.end(expected);
    }
    assert_eq!(bench.take(), [3, 4]);
    let excess = |step: usize| bench.supply.excess(&pipeline.steps[step].resources);
    let told = |resource: &str, asked, limit| Note::RunsAlone {
        resource: resource.to_owned(),
        asked,
        limit,
    };
    assert_eq!(excess(0), []);
    assert_eq!(excess(1), [told("cpus", 9, 2)]);
    assert_eq!(excess(2), [told("gpus", 3, 2)]);
}

#[test]
fn memory_counts_where_it_is_known_and_what_has_no_limit_does_not() {
    let mut pipeline = needing(&[(1, 0), (1, 0), (1, 0)]);
    for step in &mut pipeline.steps {
        step.resources.memory = Some(6);
        step.resources.others.insert("licences".to_owned(), 99);
    }
    let mut order = order(&pipeline, 3);
    assert_eq!(Bench::new(&order).take(), [0, 1, 2]);
    order.memory = Some(13);
    assert_eq!(Bench::new(&order).take(), [0, 1]);
    order.memory = Some(5);
    assert_eq!(Bench::new(&order).take(), [0]);
}

#[test]
fn no_more_steps_run_at_once_than_files_can_be_opened_for() {
    let pipeline = needing(&[(1, 0); 16]);
    let mut order = order(&pipeline, 16);
    let many = |order: &Order<'_>| Bench::new(order).take().len();
    assert_eq!(many(&order), 16);
    for (files, steps) in [(1024, 16), (64, 4), (48, 2), (20, 1), (0, 1)] {
        order.open_files = Some(files);
        assert_eq!(many(&order), steps, "{files}");
    }
}

#[test]
fn a_step_that_waits_only_for_what_is_not_in_the_order_is_free() {
    let pipeline = pipeline(&[&[], &[0], &[1]]);
    let mut order = order(&pipeline, 1);
    order.steps = ids(&[0, 2]);
    let first: Vec<_> = Progress::new(&order).first().map(StepId::index).collect();
    assert_eq!(first, [0, 2]);
}

#[test]
fn all_that_hangs_on_a_failure_is_skipped_because_of_the_first_one() {
    let pipeline = pipeline(&[&[], &[], &[0, 1], &[2], &[1], &[]]);
    let order = order(&pipeline, 1);
    let mut progress = Progress::new(&order);
    let fail = |progress: &mut Progress<'_>, step| {
        let skipped = progress.failed(StepId::new(step), Finished::NotStarted);
        skipped.into_iter().map(StepId::index).collect::<Vec<_>>()
    };
    assert_eq!(fail(&mut progress, 0), [2, 3]);
    assert_eq!(fail(&mut progress, 1), [4]);
    let rest: Vec<_> = progress.abandon().into_iter().map(StepId::index).collect();
    assert_eq!(rest, [5]);
    for (step, because) in [(2, 0), (3, 0), (4, 1)] {
        let of = progress.of(StepId::new(step));
        assert!(matches!(of, Finished::Skipped { because: it } if it.index() == because));
    }
}
