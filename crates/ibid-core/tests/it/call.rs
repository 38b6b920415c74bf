//! Steps that are functions of this process: called on a miss, cited on a hit, never believed where
//! they stand.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ibid_core::action::{CommandLine, Component, InputRequest, OutputKind, OutputSpec, Step, Word};
use ibid_core::engine::{
    self, Caller, Context, Decision, Error, Event, Made, NotStored, Sink, StepOutcome,
};
use ibid_core::exec::{Status, Stream};
use ibid_core::scan::StatCache;
use ibid_core::tree::{Place, RelPath};

use crate::engine::{Bench, Heard, inside};

/// Writes what it is told to where the result is to stand, and counts.
#[derive(Debug)]
struct Writes {
    text: &'static str,
    made: Made,
    calls: AtomicUsize,
}

impl Writes {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            made: Made::Whole,
            calls: AtomicUsize::new(0),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Caller for Writes {
    fn call(&self, root: &Path, print: &mut dyn FnMut(Stream, &[u8])) -> Made {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let place = root.join("value");
        assert!(!place.exists(), "what stood there is out of the way");
        std::fs::write(place, self.text).unwrap();
        print(Stream::Stderr, b"wri");
        print(Stream::Stdout, b"\xff\n");
        print(Stream::Stderr, b"tten\n");
        self.made.clone()
    }
}

/// Hears what is printed.
#[derive(Default)]
struct Printed(Mutex<Vec<(Stream, Vec<u8>)>>);

impl Sink for Printed {
    fn event(&self, event: &Event<'_>) {
        if let Event::Output { stream, bytes } = event {
            self.0.lock().unwrap().push((*stream, bytes.to_vec()));
        }
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
        made: Made::Nothing,
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

#[test]
fn what_a_call_prints_is_replayed_and_not_told_while_it_runs() {
    let bench = Bench::new();
    let (store, stats, heard) = (bench.store(), StatCache::off(), Heard::default());
    let (writes, printed) = (Writes::new("one"), Printed::default());
    let once = || {
        bench.within(&store, &stats, &heard, |cx| {
            let cx = Context {
                caller: Some(&writes),
                sink: &printed,
                ..*cx
            };
            engine::step(&call("a"), &cx).unwrap()
        });
        printed.0.lock().unwrap().clone()
    };
    assert_eq!(once(), []);
    let pieces: [(Stream, &[u8]); 3] = [
        (Stream::Stderr, b"wri"),
        (Stream::Stdout, b"\xff\n"),
        (Stream::Stderr, b"tten\n"),
    ];
    assert_eq!(
        once(),
        pieces.map(|(stream, bytes)| (stream, bytes.to_vec()))
    );
}

#[test]
fn what_is_unfit_counts_and_is_not_stored() {
    let bench = Bench::new();
    let unfit = Writes {
        made: Made::Unfit(vec!["an output is missing".to_owned()]),
        ..Writes::new("one")
    };
    for calls in 1..3 {
        let went = try_call(&bench, &call("a"), Some(&unfit)).unwrap();
        assert_eq!(went.status, Status::Exited(0));
        let Decision::Ran { not_stored, .. } = went.decision else {
            panic!("it is not stored");
        };
        assert_eq!(not_stored.unwrap().to_string(), "an output is missing");
        assert_eq!(
            (bench.read("value").as_str(), unfit.calls()),
            ("one", calls)
        );
    }
}

#[test]
fn a_command_that_others_run_is_keyed_by_its_words_its_programs_and_its_image() {
    let bench = Bench::new();
    let tool = |text: &str| {
        bench.write("bin/tool", text);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bench.root.join("bin/tool"), executable).unwrap();
    };
    bench.write("in", "content");
    tool("#!/bin/sh\n");
    let words = |text: &[u8]| vec![Word::Plain(b"tool".to_vec()), Word::Plain(text.to_vec())];
    let key = |words: Vec<Word>, tools: &[&str], image: Option<&str>| {
        let step = Step {
            tools: tools.iter().map(|tool| tool.as_bytes().to_vec()).collect(),
            image: image.map(str::to_owned),
            ..Step::new(CommandLine::Delegated(words))
        };
        let (store, stats, heard) = (bench.store(), StatCache::off(), Heard::default());
        bench.within(&store, &stats, &heard, |cx| {
            engine::prepare(&step, cx).unwrap()
        })
    };
    let plain = key(words(b"in"), &[], None);
    let names: Vec<String> = plain
        .record
        .components()
        .iter()
        .map(Component::title)
        .collect();
    assert_eq!(
        names,
        [
            "command/dir",
            "command/argv",
            "command/env_mode",
            "platform"
        ]
    );
    assert_eq!(plain.key, key(words(b"in"), &[], None).key);
    assert_ne!(plain.key, key(words(b"other"), &[], None).key);
    assert_ne!(plain.key, key(words(b"in"), &[], Some("sha256:1")).key);
    let first = key(words(b"in"), &["bin/tool"], None);
    tool("#!/bin/sh\ntrue\n");
    assert_ne!(first.key, key(words(b"in"), &["bin/tool"], None).key);
}

#[test]
fn the_cache_is_no_part_of_an_input_outside_of_the_root() {
    let bench = Bench::new();
    let (store, stats, heard) = (bench.store(), StatCache::off(), Heard::default());
    let around = bench.dir.path().as_os_str().as_encoded_bytes();
    let step = Step {
        inputs: vec![InputRequest::ByContent {
            place: Place::resolve(around, &RelPath::ROOT, &bench.root),
            spelling: Vec::new(),
            way: None,
        }],
        ..Step::new(CommandLine::Delegated(vec![Word::Plain(b"tool".to_vec())]))
    };
    let key = || {
        bench.within(&store, &stats, &heard, |cx| {
            engine::prepare(&step, cx).unwrap().key
        })
    };
    std::fs::create_dir_all(store.dir()).unwrap();
    let before = key();
    std::fs::write(store.dir().join("something"), "of the cache").unwrap();
    assert_eq!(key(), before);
    // A link into it leads to what is not listed, so what it leads to counts.
    let link = bench.dir.join("link");
    std::os::unix::fs::symlink(store.dir().join("something"), link).unwrap();
    let linked = key();
    std::fs::write(store.dir().join("something"), "else").unwrap();
    assert_ne!(key(), linked);
}
