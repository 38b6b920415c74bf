//! A blob that a commit reuses and that is collected meanwhile: the outputs still stand in place, so
//! they are captured once more, and only then the run is not stored.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::SystemTime;

use ibid_core::action::Step;
use ibid_core::digest::BlobId;
use ibid_core::engine::{
    Clock, Context, Decision, Event, NotStored, Provenance, Sink, StepOutcome, Work, step,
};
use ibid_core::exec::{Interrupt, Status};
use ibid_core::scan::StatCache;

use super::engine::{Bench, is_restored, shell};

/// Removes one blob more for good whenever outputs have been captured.
struct Collecting {
    blobs: Mutex<Vec<PathBuf>>,
    storing: Mutex<bool>,
}

impl Sink for Collecting {
    fn event(&self, event: &Event<'_>) {
        let mut storing = self.storing.lock().unwrap();
        match event {
            Event::WorkBegan { work, .. } => *storing = matches!(work, Work::Storing),
            Event::WorkEnded if std::mem::take(&mut *storing) => {
                if let Some(blob) = self.blobs.lock().unwrap().pop() {
                    std::fs::remove_file(blob).unwrap();
                }
            }
            _ => {}
        }
    }
}

fn copying() -> Step {
    shell(
        "cat in > log; echo 1 > out; echo 2 > more",
        &["in"],
        &["out", "more"],
    )
}

/// Runs a step whose outputs are stored already, while some of them go away one by one.
fn run_while_collected(bench: &Bench, gone: &[&[u8]]) -> StepOutcome {
    let copy = copying();
    bench.write("in", "first");
    bench.step(&copy);
    bench.write("in", "second");
    let (store, stats) = (bench.store(), StatCache::off());
    let blobs = store.dir().join("v1/blobs");
    let place = |content: &&[u8]| {
        let hex = BlobId::of(content).hex();
        blobs.join(&hex[..2]).join(&hex)
    };
    let sink = Collecting {
        blobs: Mutex::new(gone.iter().map(place).collect()),
        storing: Mutex::new(false),
    };
    let (provenance, interrupt) = (Provenance::default(), Interrupt::new());
    let context = Context {
        root: &bench.root,
        env: &bench.env,
        store: Some(&store),
        cache_dir: store.dir(),
        stats: &stats,
        spool_dir: &bench.dir.join("tmp"),
        provenance: &provenance,
        clock: Clock::starting(SystemTime::now()),
        interrupt: &interrupt,
        sink: &sink,
        access: bench.access,
        caller: None,
        memo: None,
    };
    let outcome = step(&copy, &context).unwrap();
    let left = sink.blobs.lock().unwrap().len();
    assert_eq!(left, 0, "it was captured as often");
    outcome
}

#[test]
fn outputs_are_captured_once_more_when_a_reused_blob_is_collected() {
    let bench = Bench::new();
    let outcome = run_while_collected(&bench, &[b"1\n"]);
    let Decision::Ran { not_stored, .. } = outcome.decision else {
        panic!("the input changed");
    };
    assert_eq!(not_stored, None);
    std::fs::remove_file(bench.root.join("out")).unwrap();
    let copy = copying();
    assert!(is_restored(&bench.step(&copy)));
    assert_eq!(bench.read("out"), "1\n");
}

#[test]
fn a_run_whose_blobs_go_on_vanishing_is_not_stored_and_counts() {
    let bench = Bench::new();
    let outcome = run_while_collected(&bench, &[b"1\n", b"2\n"]);
    let Decision::Ran { not_stored, .. } = outcome.decision else {
        panic!("the input changed");
    };
    assert!(
        matches!(&not_stored, Some(NotStored::Store(why)) if why.contains("vanished")),
        "{not_stored:?}"
    );
    assert_eq!(outcome.status, Status::Exited(0));
    assert_eq!(bench.read("out"), "1\n");
    // What stands for the key names a blob that is gone: the next run makes it whole.
    std::fs::remove_file(bench.root.join("out")).unwrap();
    let copy = copying();
    assert!(!is_restored(&bench.step(&copy)));
    std::fs::remove_file(bench.root.join("out")).unwrap();
    assert!(is_restored(&bench.step(&copy)));
}
