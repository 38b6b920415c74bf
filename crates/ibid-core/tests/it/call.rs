//! Steps that are functions of this process: called on a miss, cited on a hit, never believed where
//! they stand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use ibid_core::action::{CommandLine, OutputKind, OutputSpec, Step};
use ibid_core::engine::{self, Caller, Context, Decision, Error, NotStored, StepOutcome};
use ibid_core::exec::Status;
use ibid_core::scan::StatCache;

use crate::engine::{Bench, Heard, inside};

/// Writes what it is told to where the result is to stand, and counts.
#[derive(Debug)]
struct Writes {
    text: &'static str,
    succeeds: bool,
    calls: AtomicUsize,
}

impl Writes {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            succeeds: true,
            calls: AtomicUsize::new(0),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Caller for Writes {
    fn call(&self, root: &Path) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let place = root.join("value");
        assert!(!place.exists(), "what stood there is out of the way");
        std::fs::write(place, self.text).unwrap();
        self.succeeds
    }
}

fn call(code: &str) -> Step {
    Step {
        outputs: vec![OutputSpec {
            kind: OutputKind::Path(inside("value")),
            optional: false,
            keep: false,
        }],
        ..Step::new(CommandLine::Call {
            name: "study.fit".to_owned(),
            code: BTreeMap::from([("study.fit".to_owned(), code.into())]),
        })
    }
}

fn try_call(bench: &Bench, step: &Step, caller: Option<&Writes>) -> Result<StepOutcome, Error> {
    let (store, stats, heard) = (bench.store(), StatCache::off(), Heard::default());
    bench.within(&store, &stats, &heard, |cx| {
        let caller = caller.map(|caller| caller as &dyn Caller);
        engine::step(step, &Context { caller, ..*cx })
    })
}

#[test]
fn a_function_is_called_once_for_what_it_consists_of() {
    let bench = Bench::new();
    let writes = Writes::new("one");
    let first = try_call(&bench, &call("a"), Some(&writes)).unwrap();
    assert!(matches!(
        first.decision,
        Decision::Ran {
            not_stored: None,
            ..
        }
    ));
    let again = try_call(&bench, &call("a"), Some(&writes)).unwrap();
    assert!(matches!(again.decision, Decision::UpToDate { .. }));
    bench.write("value", "an edit");
    let put_right = try_call(&bench, &call("a"), Some(&writes)).unwrap();
    assert!(matches!(put_right.decision, Decision::Restored { .. }));
    assert_eq!((bench.read("value").as_str(), writes.calls()), ("one", 1));
    let changed = try_call(&bench, &call("b"), Some(&writes)).unwrap();
    assert_ne!(changed.key, first.key);
    assert_eq!(writes.calls(), 2);
}

#[test]
fn a_function_that_fails_is_not_stored() {
    let bench = Bench::new();
    let fails = Writes {
        succeeds: false,
        ..Writes::new("half")
    };
    for calls in 1..3 {
        let went = try_call(&bench, &call("a"), Some(&fails)).unwrap();
        assert_eq!(went.status, Status::Exited(1));
        assert!(matches!(
            went.decision,
            Decision::Ran {
                not_stored: Some(NotStored::Failed),
                ..
            }
        ));
        assert_eq!(fails.calls(), calls);
    }
    assert!(!bench.root.join("value").exists());
}

#[test]
fn where_nobody_can_call_it_a_function_is_cited_or_an_error() {
    let bench = Bench::new();
    let absent = try_call(&bench, &call("a"), None).unwrap_err();
    assert!(matches!(absent, Error::NotCallable(name) if name == "study.fit"));
    try_call(&bench, &call("a"), Some(&Writes::new("one"))).unwrap();
    let cited = try_call(&bench, &call("a"), None).unwrap();
    assert!(matches!(cited.decision, Decision::UpToDate { .. }));
}
