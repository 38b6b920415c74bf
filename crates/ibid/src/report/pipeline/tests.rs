//! What is told of runs, event by event.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ibid_core::action::{Change, CommandLine, ComponentKind, ComponentName, Step, Trigger};
use ibid_core::digest::{Digest, Key};
use ibid_core::engine::{NotStored, Rerun, StepOutcome};
use ibid_core::exec::{Status, Stream};
use ibid_core::pipeline::{Graph, PipelineStep};
use serde_json::Value;

use super::*;
use crate::args::GlobalArgs;

/// Makes a pipeline of steps that hang on nothing.
fn pipeline(names: &[&str]) -> Pipeline {
    let steps = names.iter().map(|name| {
        let mut step = Step::new(CommandLine::Argv(vec![b"true".to_vec()]));
        step.policy.label = format!("penguins/{name}");
        PipelineStep::new(name, step)
    });
    let upstream = names.iter().map(|_| std::collections::BTreeSet::new());
    Pipeline {
        name: "penguins".to_owned(),
        steps: steps.collect(),
        graph: Graph::new(upstream.collect()).unwrap(),
        limits: BTreeMap::new(),
    }
}

fn outcome(decision: Decision, code: u8) -> StepOutcome {
    StepOutcome {
        key: Key::new(Digest::of(b"")),
        decision,
        status: Status::Exited(code),
        elapsed: Duration::from_millis(5),
    }
}

fn up_to_date() -> Finished {
    let saved = Duration::from_millis(400);
    Finished::Done(outcome(Decision::UpToDate { saved }, 0))
}

fn restored() -> Finished {
    let decision = Decision::Restored {
        outputs: 2,
        bytes: 1_234_567,
        saved: Duration::from_secs(3),
    };
    Finished::Done(outcome(decision, 0))
}

fn ran_because(input: &str) -> Decision {
    let change = Change {
        kind: ComponentKind::Input,
        name: ComponentName::Bytes(input.into()),
        old: None,
        new: None,
    };
    Decision::Ran {
        rerun: Rerun {
            triggers: [Trigger::Inputs].into(),
            changes: vec![change],
            ..Rerun::default()
        },
        took: Duration::from_millis(1200),
        not_stored: None,
    }
}

fn failed(code: u8) -> StepOutcome {
    let decision = Decision::Ran {
        rerun: Rerun {
            triggers: [Trigger::New].into(),
            ..Rerun::default()
        },
        took: Duration::from_millis(200),
        not_stored: Some(NotStored::Failed),
    };
    outcome(decision, code)
}

/// Drives a reporter, and returns what it printed.
struct Drive<'a> {
    reporter: PipelineReporter<'a>,
    finished: BTreeMap<StepId, Finished>,
}

impl<'a> Drive<'a> {
    fn new(console: &'a Console, pipeline: &'a Pipeline, show: ShowOutput) -> Self {
        let what = Telltale {
            show,
            ..Telltale::default()
        };
        let reporter = PipelineReporter::new(console, pipeline, what);
        reporter.event(&PipelineEvent::Began {
            steps: pipeline.steps.len(),
        });
        Self {
            reporter,
            finished: BTreeMap::new(),
        }
    }

    fn start(&self, step: usize) {
        let step = StepId::new(step);
        self.reporter.event(&PipelineEvent::Started { step });
    }

    fn step(&self, step: usize, event: &Event<'_>) {
        let step = StepId::new(step);
        self.reporter.event(&PipelineEvent::Step { step, event });
    }

    fn print(&self, step: usize, bytes: &[u8]) {
        let stream = Stream::Stderr;
        self.step(step, &Event::Output { stream, bytes });
    }

    fn finish(&mut self, step: usize, finished: Finished) {
        let step = StepId::new(step);
        let event = PipelineEvent::Finished {
            step,
            finished: &finished,
        };
        self.reporter.event(&event);
        self.finished.insert(step, finished);
    }

    fn end(self, interrupted: Option<i32>) {
        let report = RunReport {
            finished: self.finished,
            elapsed: Duration::from_millis(5200),
            interrupted,
        };
        self.reporter
            .event(&PipelineEvent::Ended { report: &report });
    }
}

fn plain() -> Console {
    Console::keeping(&GlobalArgs::default())
}

#[test]
fn each_step_has_a_line_and_the_run_a_summary() {
    let pipeline = pipeline(&["clean", "fit@Adelie", "table", "report"]);
    let console = plain();
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    for (step, finished) in [
        Finished::Done(outcome(ran_because("build/clean.csv"), 0)),
        restored(),
        up_to_date(),
        up_to_date(),
    ]
    .into_iter()
    .enumerate()
    {
        drive.start(step);
        drive.print(step, b"not shown\n");
        drive.finish(step, finished);
    }
    drive.end(None);
    assert_eq!(
        console.kept(),
        "[1/4] clean: ran in 1.2 s — inputs changed: input/build/clean.csv\n\
         [2/4] fit@Adelie: restored 2 outputs, 1.2 MB (saved 3.0 s)\n\
         [3/4] table: up to date\n\
         [4/4] report: up to date\n\
         ibid: 4 steps in 5.2 s: 1 ran, 1 restored, 2 up to date, saved 3.8 s\n"
    );
}

#[test]
fn of_many_steps_that_are_up_to_date_only_their_number_is_told() {
    let names: Vec<String> = (0..1000).map(|step| format!("s{step}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pipeline = pipeline(&names);
    for some_run in [true, false] {
        let console = plain();
        let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
        for step in 0..1000 {
            drive.start(step);
            if step == 500 && some_run {
                drive.finish(step, Finished::Done(outcome(ran_because("a"), 0)));
            } else {
                drive.finish(step, up_to_date());
            }
        }
        drive.end(None);
        let expected = if some_run {
            "[ 501/1000] s500: ran in 1.2 s — inputs changed: input/a\n\
             ibid: 1000 steps in 5.2 s: 1 ran, 999 up to date, saved 6 min 40 s\n"
        } else {
            "ibid: 1000 steps in 5.2 s: all up to date, saved 6 min 40 s\n"
        };
        assert_eq!(console.kept(), expected);
    }
}

#[test]
fn a_failure_shows_its_last_lines_where_its_outputs_lie_and_what_hangs_on_it() {
    let pipeline = pipeline(&["fit", "table", "report"]);
    let console = plain();
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    drive.start(0);
    for line in 0..30 {
        drive.print(0, format!("line {line}\n").as_bytes());
    }
    let partial = Note::Partial(PathBuf::from(".ibid/partial/1"));
    drive.step(0, &Event::Note(partial));
    drive.finish(0, Finished::Failed(failed(3)));
    let because = StepId::new(0);
    drive.finish(1, Finished::Skipped { because });
    drive.finish(2, Finished::NotStarted);
    drive.end(None);
    let kept = console.kept();
    let lines: Vec<&str> = kept.lines().collect();
    assert_eq!(
        lines[0],
        "[1/3] fit: failed with exit code 3 after 200 ms — no earlier run"
    );
    assert_eq!(
        lines[1],
        "  | … (`ibid run --show-output all fit` shows what comes before)"
    );
    assert_eq!((lines[2], lines[21]), ("  | line 10", "  | line 29"));
    assert_eq!(
        lines[22..],
        [
            "  the partial outputs of the failed run are kept in `.ibid/partial/1`",
            "ibid: 3 steps in 5.2 s: 1 failed, 1 skipped, 1 not started",
            "ibid: failed: fit",
            "ibid: skipped, since fit failed: table",
            "ibid: not started after the failure: report; `--keep-going` starts what does not \
             hang on it",
        ]
    );
}

#[test]
fn quiet_leaves_failures_and_warnings() {
    let pipeline = pipeline(&["fit", "table"]);
    let console = Console::keeping(&GlobalArgs {
        quiet: true,
        ..GlobalArgs::default()
    });
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    drive.start(0);
    drive.step(0, &Event::Note(Note::Implied(vec!["x".to_owned()])));
    drive.step(0, &Event::Warning(Warning::Store("full".to_owned())));
    drive.finish(0, Finished::Failed(failed(1)));
    drive.finish(1, restored());
    assert!(drive.reporter.cache_failed());
    drive.end(None);
    assert_eq!(
        console.kept(),
        "warning: fit: full\n\
         [1/2] fit: failed with exit code 1 after 200 ms — no earlier run\n  it printed nothing\n"
    );
}

#[test]
fn outputs_of_steps_never_mix() {
    let pipeline = pipeline(&["a", "b"]);
    let console = plain();
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::All);
    drive.start(0);
    drive.start(1);
    for piece in 0..3 {
        drive.print(0, format!("a{piece}\n").as_bytes());
        drive.print(1, format!("b{piece}").as_bytes());
    }
    drive.finish(1, up_to_date());
    drive.finish(0, restored());
    assert_eq!(
        console.kept(),
        "[1/2] b: up to date\n--- output of b ---\nb0b1b2\n\
         [2/2] a: restored 2 outputs, 1.2 MB (saved 3.0 s)\n--- output of a ---\na0\na1\na2\n"
    );
}

#[test]
fn an_attempt_that_failed_is_told_and_its_output_forgotten() {
    let mut pipeline = pipeline(&["fetch"]);
    pipeline.steps[0].retries = 2;
    let console = plain();
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    drive.start(0);
    drive.print(0, b"first\n");
    let label = "penguins/fetch";
    let ended = failed(6);
    drive.step(
        0,
        &Event::Finished {
            label,
            outcome: &ended,
        },
    );
    drive.reporter.event(&PipelineEvent::Retrying {
        step: StepId::new(0),
        attempt: 2,
        of: 3,
    });
    drive.print(0, b"second\n");
    drive.finish(0, Finished::Failed(failed(7)));
    assert_eq!(
        console.kept(),
        "ibid: fetch: failed with exit code 6 after 200 ms — no earlier run; attempt 2 of 3\n\
         [1/1] fetch: failed with exit code 7 after 200 ms — no earlier run\n  | second\n"
    );
}

#[test]
fn what_holds_of_many_steps_is_said_of_the_first() {
    let pipeline = pipeline(&["fit@a", "fit@b"]);
    let console = plain();
    let drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    for step in 0..2 {
        drive.start(step);
        let note = Note::Implied(vec!["implied/m.nii".to_owned()]);
        drive.step(step, &Event::Note(note));
    }
    assert_eq!(
        console.kept(),
        "ibid: note: fit@a: keyed without being declared: implied/m.nii\n"
    );
}

#[test]
fn names_and_outputs_cannot_drive_the_terminal() {
    let pipeline = pipeline(&["a\x1b[2Jb"]);
    let console = plain();
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    drive.start(0);
    drive.print(0, b"\x1b]0;title\x07x\x1b[2J\x08y\n");
    drive.finish(0, Finished::Failed(failed(1)));
    drive.end(None);
    let kept = console.kept();
    let wild = |letter: char| letter.is_control() && letter != '\n';
    assert!(!kept.contains(wild), "{kept:?}");
    assert!(kept.contains("a\\u{1b}[2Jb: failed"), "{kept}");
}

#[test]
fn an_interrupted_run_says_what_is_left_and_blames_nobody() {
    let pipeline = pipeline(&["clean", "fit", "table", "page"]);
    let console = plain();
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    drive.start(0);
    drive.print(0, b"half way\n");
    drive.reporter.what.interrupt.raise(2);
    let ended = StepOutcome {
        status: Status::Signalled { signal: 2 },
        ..failed(0)
    };
    drive.finish(0, Finished::Failed(ended));
    let mut survived = failed(0);
    if let Decision::Ran { not_stored, .. } = &mut survived.decision {
        *not_stored = Some(NotStored::Signalled(2));
    }
    drive.start(1);
    drive.finish(1, Finished::Failed(survived));
    let because = StepId::new(0);
    drive.finish(2, Finished::Skipped { because });
    drive.finish(3, Finished::NotStarted);
    drive.end(Some(2));
    assert_eq!(
        console.kept(),
        "[1/4] clean: interrupted after 5 ms\n\
         [2/4] fit: interrupted after 5 ms\n\
         ibid: 4 steps in 5.2 s: 2 interrupted, 2 not started\n\
         ibid: interrupted; the same command goes on with: clean, fit, table, page\n"
    );
}

#[test]
fn programs_get_an_object_for_each_event() {
    let pipeline = pipeline(&["fit", "table"]);
    let console = Console::keeping(&GlobalArgs {
        json: true,
        ..GlobalArgs::default()
    });
    let mut drive = Drive::new(&console, &pipeline, ShowOutput::Failed);
    drive.start(0);
    drive.print(0, b"no luck\n");
    drive.finish(0, Finished::Failed(failed(3)));
    let because = StepId::new(0);
    drive.finish(1, Finished::Skipped { because });
    drive.end(None);
    let kept = console.kept();
    let events: Vec<Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let words: Vec<_> = events.iter().map(|event| event["event"].as_str()).collect();
    let expected = [
        "began", "started", "output", "finished", "finished", "ended",
    ];
    assert_eq!(words, expected.map(Some));
    assert!(events.iter().all(|event| event["v"] == 1), "{kept}");
    assert_eq!(events[2]["text"], "no luck\n");
    assert_eq!(events[3]["step"], "fit");
    assert_eq!(events[3]["label"], "penguins/fit");
    assert_eq!(
        (&events[3]["state"], &events[3]["exit_code"]),
        (&"failed".into(), &3.into())
    );
    assert_eq!(
        (&events[4]["state"], &events[4]["because"]),
        (&"skipped".into(), &"fit".into())
    );
    assert_eq!(
        (&events[5]["failed"], &events[5]["skipped"]),
        (&1.into(), &1.into())
    );
}
