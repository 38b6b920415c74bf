//! Pipelines made by hand, planned and run in a workspace of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ibid_core::action::{InputRequest, OutputKind, OutputSpec, Step};
use ibid_core::engine::schedule::{Expected, Order, PlannedStep, plan};
use ibid_core::engine::{Decision, Forecast, StepOutcome, step};
use ibid_core::fs::{Host, Timestamp};
use ibid_core::pipeline::{Graph, Pipeline, PipelineStep, StepId};
use ibid_core::scan::{StatCache, StatCacheOptions, StatPolicy, StatWrites};
use ibid_core::store::{Access, LocalStore, StoreOptions};

use crate::engine::{Bench, Heard, inside, shell};

/// A pipeline in a workspace.
pub(crate) struct Chain {
    pub(crate) bench: Bench,
    pub(crate) pipeline: Pipeline,
}

/// A step as the tests write it: a trailing slash is a folder, a `*` a pattern.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) script: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) upstream: Vec<usize>,
}

pub(crate) fn link(
    name: &str,
    script: &str,
    inputs: &[&str],
    outputs: &[&str],
    upstream: &[usize],
) -> Link {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Link {
        name: name.to_owned(),
        script: script.to_owned(),
        inputs: owned(inputs),
        outputs: owned(outputs),
        upstream: upstream.to_vec(),
    }
}

fn declared(link: &Link) -> Step {
    let mut step = shell(&link.script, &[], &[]);
    let place = |text: &str| inside(text.trim_end_matches('/'));
    let input = |text: &String| {
        if text.contains('*') {
            let pattern = text.clone();
            return InputRequest::Glob { pattern };
        }
        InputRequest::Path {
            place: place(text),
            dir_only: text.ends_with('/'),
            way: None,
        }
    };
    let output = |text: &String| OutputSpec {
        kind: match text {
            text if text.contains('*') => OutputKind::Glob(text.clone()),
            text if text.ends_with('/') => OutputKind::Dir(place(text)),
            text => OutputKind::Path(place(text)),
        },
        optional: false,
        keep: false,
    };
    step.inputs = link.inputs.iter().map(input).collect();
    step.outputs = link.outputs.iter().map(output).collect();
    step.policy.label = format!("work/{}", link.name);
    step.policy.manifest = Some(link.name.clone());
    step
}

impl Chain {
    pub(crate) fn new(links: &[Link]) -> Self {
        Self::of(links, |_| {})
    }

    pub(crate) fn of(links: &[Link], change: impl Fn(&mut Step)) -> Self {
        let steps = links.iter().map(|link| {
            let mut step = declared(link);
            change(&mut step);
            PipelineStep::new(&link.name, step)
        });
        let upstream = links.iter().map(|link| {
            let ids = link.upstream.iter().copied();
            ids.map(StepId::new).collect()
        });
        Self {
            bench: Bench::new(),
            pipeline: Pipeline {
                name: "work".to_owned(),
                steps: steps.collect(),
                graph: Graph::new(upstream.collect()).unwrap(),
                limits: BTreeMap::new(),
            },
        }
    }

    pub(crate) fn order(&self) -> Order<'_> {
        Order {
            pipeline: &self.pipeline,
            steps: (0..self.pipeline.steps.len()).map(StepId::new).collect(),
            forced: BTreeSet::new(),
            cpus: 1,
            memory: None,
            open_files: None,
            keep_going: false,
        }
    }

    fn stats(&self, writes: StatWrites) -> StatCache {
        StatCache::open(StatCacheOptions {
            dir: Some(self.bench.dir.join("stats")),
            probe_dirs: vec![self.bench.dir.join("tmp")],
            policy: StatPolicy::Trust,
            writes,
            host: Host::default(),
            clock: Timestamp::default,
        })
    }

    /// Plans, and checks that no file was changed.
    pub(crate) fn plan_of(&self, order: &Order<'_>) -> Vec<PlannedStep> {
        let options = StoreOptions {
            access: Access::ReadOnly,
            ..StoreOptions::default()
        };
        let before = snapshot(self.bench.dir.path());
        let planned = {
            let store = LocalStore::open(&self.bench.dir.join("store"), options).unwrap();
            let stats = self.stats(StatWrites::Forbidden);
            let heard = Heard::default();
            self.bench
                .within(&store, &stats, &heard, |cx| plan(order, cx))
        };
        assert_eq!(before, snapshot(self.bench.dir.path()));
        planned
    }

    pub(crate) fn plan(&self) -> Vec<PlannedStep> {
        self.plan_of(&self.order())
    }

    /// Runs every step after those that it waits for.
    pub(crate) fn run(&self) -> BTreeMap<StepId, StepOutcome> {
        let (store, stats) = (self.bench.store(), self.stats(StatWrites::Allowed));
        let heard = Heard::default();
        let one = |id: &StepId| {
            let asked = &self.pipeline.step(*id).step;
            let went = self
                .bench
                .within(&store, &stats, &heard, |cx| step(asked, cx));
            (*id, went.unwrap())
        };
        self.pipeline.graph.order().iter().map(one).collect()
    }

    pub(crate) fn run_only(&self, step: usize) {
        let went = self.bench.try_step(&self.pipeline.steps[step].step);
        went.unwrap();
    }

    /// Says in words what a plan expects.
    pub(crate) fn told(&self, planned: &[PlannedStep]) -> Vec<String> {
        planned.iter().map(|it| self.one(it)).collect()
    }

    pub(crate) fn one(&self, planned: &PlannedStep) -> String {
        let name = |id: &StepId| self.pipeline.step(*id).name.as_str();
        let what = match &planned.expected {
            Expected::Foreseen(foreseen) => match &foreseen.forecast {
                Forecast::UpToDate { .. } => "up to date".to_owned(),
                Forecast::Restore { .. } => "restore".to_owned(),
                Forecast::Run { rerun } => {
                    let words: Vec<_> = rerun.triggers.iter().map(|it| it.word()).collect();
                    format!("run: {}", words.join(" "))
                }
            },
            Expected::Unknown { until } => {
                let names: Vec<_> = until.iter().map(name).collect();
                format!("unknown until {}", names.join(" "))
            }
            Expected::Error(error) => format!("error: {error}"),
        };
        format!("{} {what}", name(&planned.step))
    }

    pub(crate) fn expects(&self, lines: &[&str]) {
        assert_eq!(self.told(&self.plan()), lines);
    }

    /// Plans and runs, and checks that they agree. Returns the steps whose command ran.
    pub(crate) fn agrees(&self) -> Vec<String> {
        let planned = self.plan();
        let mut outcomes = self.run();
        let mut ran = Vec::new();
        for one in &planned {
            let outcome = outcomes.remove(&one.step).unwrap();
            let said = self.one(one);
            if matches!(outcome.decision, Decision::Ran { .. }) {
                ran.push(self.pipeline.step(one.step).name.clone());
            }
            let Expected::Foreseen(foreseen) = &one.expected else {
                continue;
            };
            assert_eq!(foreseen.key, outcome.key, "{said}");
            match (&foreseen.forecast, &outcome.decision) {
                (Forecast::UpToDate { .. }, Decision::UpToDate { .. })
                | (Forecast::Restore { .. }, Decision::Restored { .. }) => {}
                (Forecast::Run { rerun: said }, Decision::Ran { rerun, .. }) => {
                    assert_eq!(said, rerun);
                }
                (_, did) => panic!("{said}, and it did {did:?}"),
            }
        }
        ran
    }

    /// Checks that nothing is unknown but what hangs on a command.
    pub(crate) fn is_exact(&self) {
        let mut open = BTreeSet::new();
        for planned in self.plan() {
            let is_open = match &planned.expected {
                Expected::Foreseen(foreseen) => matches!(foreseen.forecast, Forecast::Run { .. }),
                Expected::Unknown { until } => {
                    assert!(!until.is_empty() && until.iter().all(|step| open.contains(step)));
                    true
                }
                Expected::Error(error) => panic!("{error}"),
            };
            if is_open {
                open.insert(planned.step);
            }
        }
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.bench.root.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Every path below a folder with what tells that it was changed.
pub(crate) fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, u32, u64)> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let status = fs::symlink_metadata(&path).unwrap();
        if status.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        let what = (
            status.ino(),
            status.ctime(),
            status.ctime_nsec(),
            status.mode(),
            status.size(),
        );
        found.insert(path, what);
    }
    found
}
