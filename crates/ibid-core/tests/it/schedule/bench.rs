//! A workspace with a store, pipelines made by hand, and an ear for all that is told of a run.
//!
//! Every run is checked for the order of its events.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use ibid_core::action::{CommandLine, InputRequest, OutputKind, OutputSpec, Step};
use ibid_core::engine::schedule::{Finished, Order, PipelineEvent, PipelineSink, RunReport, run};
use ibid_core::engine::{Access, Clock, Context, Decision, Event, Provenance, Sink};
use ibid_core::environ::EnvSnapshot;
use ibid_core::exec::{Interrupt, Stream};
use ibid_core::pipeline::{Graph, Pipeline, PipelineStep, StepId};
use ibid_core::scan::StatCache;
use ibid_core::store::{LocalStore, StoreOptions};
use ibid_core::tree::{Place, RelPath};
use ibid_testkit::TempDir;

/// Longer than any test takes: a command that waits for one that never comes is ended.
const NEVER: Duration = Duration::from_mins(2);

/// What was told, without what hangs on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Began(usize),
    Started(usize),
    Output(usize, String),
    Note(usize, String),
    Waiting(usize),
    Other(usize),
    Retrying(usize, u32, u32),
    Finished(usize, String),
    Ended,
}

/// Something to do in the middle of a run.
type React<'a> = dyn Fn(&Told, &Interrupt) + Sync + 'a;

struct Ear<'a> {
    told: Mutex<Vec<Told>>,
    interrupt: &'a Interrupt,
    react: &'a React<'a>,
}

impl PipelineSink for Ear<'_> {
    fn event(&self, event: &PipelineEvent<'_>) {
        let told = told(event);
        self.told.lock().unwrap().push(told.clone());
        (self.react)(&told, self.interrupt);
    }
}

fn told(event: &PipelineEvent<'_>) -> Told {
    match event {
        PipelineEvent::Began { steps } => Told::Began(*steps),
        PipelineEvent::Started { step } => Told::Started(step.index()),
        PipelineEvent::Step { step, event } => match event {
            Event::Output {
                stream: Stream::Stdout,
                bytes,
            } => Told::Output(step.index(), String::from_utf8_lossy(bytes).into_owned()),
            Event::Note(note) => Told::Note(step.index(), note.to_string()),
            Event::Warning(warning) => Told::Note(step.index(), warning.to_string()),
            Event::Waiting { .. } => Told::Waiting(step.index()),
            _ => Told::Other(step.index()),
        },
        PipelineEvent::Retrying { step, attempt, of } => {
            Told::Retrying(step.index(), *attempt, *of)
        }
        PipelineEvent::Finished { step, finished } => {
            Told::Finished(step.index(), became(finished))
        }
        PipelineEvent::Ended { .. } => Told::Ended,
        other => panic!("an event that is not known here: {other:?}"),
    }
}

/// Says in a word or two how a step went.
pub(super) fn became(finished: &Finished) -> String {
    match finished {
        Finished::Done(outcome) => match &outcome.decision {
            Decision::UpToDate { .. } => "up to date".to_owned(),
            Decision::Restored { .. } => "restored".to_owned(),
            Decision::Ran { .. } => "ran".to_owned(),
        },
        Finished::Failed(_) => "failed".to_owned(),
        Finished::Error(_) => "error".to_owned(),
        Finished::Skipped { because } => format!("skipped by {}", because.index()),
        Finished::NotStarted => "not started".to_owned(),
    }
}

struct Deaf;

impl Sink for Deaf {
    fn event(&self, event: &Event<'_>) {
        panic!("told past the sink of the run: {event:?}");
    }
}

/// A workspace with its own store.
pub(super) struct Bench {
    dir: TempDir,
    root: PathBuf,
    env: EnvSnapshot,
    stats: StatCache,
    pub(super) with_store: bool,
}

/// How a run went.
pub(super) struct Went {
    pub(super) report: RunReport,
    pub(super) told: Vec<Told>,
}

impl Went {
    /// Says in a word or two how each step went.
    pub(super) fn became(&self) -> Vec<String> {
        self.report.finished.values().map(became).collect()
    }

    /// Returns notes and warnings.
    pub(super) fn notes(&self) -> Vec<&str> {
        let told = self.told.iter();
        told.filter_map(|told| match told {
            Told::Note(_, note) => Some(note.as_str()),
            _ => None,
        })
        .collect()
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let dir = TempDir::new();
        let root = dir.join("work");
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(dir.join("tmp")).unwrap();
        Self {
            dir,
            root,
            env: [("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")]
                .into_iter()
                .collect(),
            stats: StatCache::off(),
            with_store: true,
        }
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.root.join(path), text).unwrap();
    }

    /// Reads a file; one that is not there is empty.
    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// Makes pipes with names, beside the root.
    pub(super) fn pipes(&self, names: &[&str]) {
        let mut mkfifo = std::process::Command::new("mkfifo");
        let made = mkfifo.args(names).current_dir(self.dir.join("")).status();
        assert!(made.unwrap().success());
    }

    pub(super) fn run(&self, order: &Order<'_>) -> Went {
        self.run_and(order, &|_, _| {})
    }

    /// Runs an order and does something at each event.
    pub(super) fn run_and(&self, order: &Order<'_>, react: &React<'_>) -> Went {
        let store = LocalStore::open(&self.dir.join("store"), StoreOptions::default()).unwrap();
        let provenance = Provenance::default();
        let interrupt = Interrupt::new();
        let ear = Ear {
            told: Mutex::default(),
            interrupt: &interrupt,
            react,
        };
        let cx = Context {
            root: &self.root,
            env: &self.env,
            store: self.with_store.then_some(&store),
            cache_dir: &self.dir.join("store"),
            stats: &self.stats,
            spool_dir: &self.dir.join("tmp"),
            provenance: &provenance,
            clock: Clock::starting(SystemTime::now()),
            interrupt: &interrupt,
            sink: &Deaf,
            access: Access::default(),
            caller: None,
            memo: None,
        };
        let report = run(order, &cx, &ear);
        let told = ear.told.into_inner().unwrap();
        check_events(order, &told, &report);
        Went { report, told }
    }
}

/// Checks that each step of the order is heard of as is promised.
fn check_events(order: &Order<'_>, told: &[Told], report: &RunReport) {
    assert_eq!(told.first(), Some(&Told::Began(order.steps.len())));
    assert_eq!(told.last(), Some(&Told::Ended));
    let listed: Vec<_> = report.finished.keys().copied().collect();
    assert!(order.steps.iter().eq(&listed), "{listed:?}");
    for step in &order.steps {
        let of = |told: &&Told| match told {
            Told::Began(_) | Told::Ended => false,
            Told::Started(it)
            | Told::Output(it, _)
            | Told::Note(it, _)
            | Told::Waiting(it)
            | Told::Other(it)
            | Told::Retrying(it, ..)
            | Told::Finished(it, _) => *it == step.index(),
        };
        let heard: Vec<_> = told.iter().filter(of).collect();
        let count = |is: fn(&Told) -> bool| heard.iter().filter(|told| is(told)).count();
        let started = count(|told| matches!(told, Told::Started(_)));
        assert_eq!(
            count(|told| matches!(told, Told::Finished(..))),
            1,
            "{heard:?}"
        );
        let became = became(&report.finished[step]);
        assert_eq!(
            heard.last(),
            Some(&&Told::Finished(step.index(), became.clone()))
        );
        assert!(
            matches!(heard[0], Told::Started(_) | Told::Finished(..)),
            "{heard:?}"
        );
        let may_start = usize::from(!became.starts_with("skipped"));
        assert!(started <= may_start, "{heard:?}");
        assert!(started == 1 || heard.len() == 1, "{heard:?}");
    }
}

/// A pipeline in the making.
#[derive(Default)]
pub(super) struct Steps {
    made: Vec<PipelineStep>,
    upstream: Vec<BTreeSet<StepId>>,
    limits: BTreeMap<String, u64>,
}

impl Steps {
    /// Adds a step that runs a line of shell.
    pub(super) fn add(&mut self, script: &str, upstream: &[usize]) -> &mut PipelineStep {
        let name = format!("s{}", self.made.len());
        let words = ["sh", "-c", script].map(|word| word.as_bytes().to_vec());
        let mut step = Step::new(CommandLine::Argv(words.to_vec()));
        step.policy.label = format!("p/{name}");
        step.policy.timeout = Some(NEVER);
        self.made.push(PipelineStep::new(&name, step));
        self.upstream.push(ids(upstream.iter().copied()));
        self.made.last_mut().unwrap()
    }

    pub(super) fn limit(&mut self, name: &str, limit: u64) {
        self.limits.insert(name.to_owned(), limit);
    }

    pub(super) fn pipeline(self) -> Pipeline {
        Pipeline {
            name: "p".to_owned(),
            steps: self.made,
            graph: Graph::new(self.upstream).unwrap(),
            limits: self.limits,
        }
    }
}

/// Declares what a step reads and writes.
pub(super) fn with_files<'a>(
    step: &'a mut PipelineStep,
    inputs: &[&str],
    outputs: &[&str],
) -> &'a mut PipelineStep {
    let inside = |path: &str| Place::Inside(RelPath::new(path).unwrap());
    let input = |path: &&str| InputRequest::Path {
        place: inside(path),
        dir_only: false,
        way: None,
    };
    let output = |path: &&str| OutputSpec {
        kind: OutputKind::Path(inside(path)),
        optional: false,
        keep: false,
    };
    step.step.inputs = inputs.iter().map(input).collect();
    step.step.outputs = outputs.iter().map(output).collect();
    step
}

pub(super) fn ids(steps: impl IntoIterator<Item = usize>) -> BTreeSet<StepId> {
    steps.into_iter().map(StepId::new).collect()
}

/// All steps, on so many processors.
pub(super) fn all(pipeline: &Pipeline, cpus: u64) -> Order<'_> {
    Order {
        pipeline,
        steps: ids(0..pipeline.steps.len()),
        forced: BTreeSet::new(),
        cpus,
        memory: None,
        open_files: None,
        keep_going: false,
    }
}

/// Returns the largest number of steps between whose `start` and `end` the log has another's.
pub(super) fn most_at_once(log: &str) -> usize {
    let mut most = 0;
    let mut now = 0_usize;
    for line in log.lines() {
        if line.starts_with("start") {
            now += 1;
        } else {
            now -= 1;
        }
        most = most.max(now);
    }
    most
}
