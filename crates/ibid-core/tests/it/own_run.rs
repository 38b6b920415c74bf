//! Runs that a caller makes itself: on record only where nothing says that it could be another one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::time::{Duration, SystemTime};

use ibid_core::action::{CommandLine, OutputKind, OutputSpec, Packages, Step, Trigger};
use ibid_core::engine::{
    self, Context, Decision, NotStored, OwnRun, Prepared, StepOutcome, Unrecorded, Witness,
};
use ibid_core::scan::StatCache;

use crate::engine::{Bench, Heard, inside, shell};

/// A run that nobody starts from here.
fn own() -> Step {
    let declared = shell("", &["in"], &["out"]);
    let mut step = Step {
        inputs: declared.inputs,
        outputs: declared.outputs,
        packages: Packages::None,
        policy: declared.policy,
        ..Step::new(CommandLine::Call {
            name: "study.clean".to_owned(),
            code: BTreeMap::from([("study.clean".to_owned(), b"code".to_vec())]),
        })
    };
    step.policy.manifest = Some("own".to_owned());
    step
}

fn with<T>(bench: &Bench, step: &Step, act: impl FnOnce(&Prepared, &Context<'_>) -> T) -> T {
    let (store, stats, heard) = (bench.store(), StatCache::off(), Heard::default());
    bench.within(&store, &stats, &heard, |cx| {
        act(&engine::prepare(step, cx).unwrap(), cx)
    })
}

fn on_record(bench: &Bench, step: &Step) -> Result<(), Unrecorded> {
    with(bench, step, engine::on_record)
}

/// Does something between the preparation of a step and the record of its run.
fn record(bench: &Bench, witness: Witness, meanwhile: impl FnOnce()) -> Option<NotStored> {
    record_of(bench, &own(), witness, meanwhile)
}

fn record_of(
    bench: &Bench,
    step: &Step,
    witness: Witness,
    meanwhile: impl FnOnce(),
) -> Option<NotStored> {
    with(bench, step, |prepared, cx| {
        meanwhile();
        let run = OwnRun {
            started: cx.clock.now(),
            took: Duration::ZERO,
            witness,
        };
        not_stored(engine::record_own_run(prepared, &run, cx).unwrap())
    })
}

fn not_stored(outcome: StepOutcome) -> Option<NotStored> {
    match outcome.decision {
        Decision::Ran { not_stored, .. } => not_stored,
        other => panic!("{other:?}"),
    }
}

fn bring_back(bench: &Bench) -> Result<Decision, Unrecorded> {
    with(bench, &own(), |prepared, cx| {
        let brought = engine::bring_back_only(prepared, cx).unwrap();
        brought.map(|outcome| outcome.decision)
    })
}

fn triggers(found: Result<(), Unrecorded>) -> Vec<Trigger> {
    found.map_or_else(|why| why.triggers.into_iter().collect(), |()| Vec::new())
}

/// A workspace whose step has run, watched.
fn done() -> Bench {
    let bench = Bench::new();
    bench.write("in", "a");
    let write = || bench.write("out", "made of a");
    assert_eq!(record(&bench, Witness::Prepared, write), None);
    bench
}

/// Waits until the file system stamps what is written later than what was.
fn next_tick(bench: &Bench) {
    let stamp = || {
        bench.write("../tick", "");
        let written = fs::metadata(bench.root.join("../tick")).unwrap();
        written.modified().unwrap()
    };
    let first = stamp();
    while stamp() == first {}
}

#[test]
fn a_recorded_run_answers_for_the_next_one_until_something_differs() {
    let bench = done();
    assert_eq!(on_record(&bench, &own()), Ok(()));
    bench.write("in", "b");
    let why = on_record(&bench, &own()).unwrap_err();
    assert_eq!(why.changes.len(), 1);
    assert_eq!(why.changes[0].0, "input/in");
    assert_eq!(triggers(Err(why)), [Trigger::Inputs]);
    bench.write("in", "a");
    bench.write("out", "edited");
    let why = on_record(&bench, &own()).unwrap_err();
    assert_eq!(why.reason, "the output `out` was edited");
    assert_eq!(triggers(Err(why)), [Trigger::Outputs]);
}

#[test]
fn the_record_is_the_manifest_whatever_the_store_knows() {
    let bench = done();
    fs::remove_dir_all(bench.dir.join("store")).unwrap();
    assert_eq!(on_record(&bench, &own()), Ok(()));
    let bench = done();
    fs::remove_dir_all(bench.root.join(".ibid")).unwrap();
    assert_eq!(triggers(on_record(&bench, &own())), [Trigger::New]);
}

#[test]
fn a_result_that_was_invalidated_answers_no_more() {
    let bench = done();
    let key = with(&bench, &own(), |prepared, _| prepared.key);
    bench.store().invalidate(&key, 1, "a bug").unwrap();
    let why = on_record(&bench, &own()).unwrap_err();
    assert!(why.reason.contains("a bug"), "{}", why.reason);
    assert_eq!(triggers(Err(why)), [Trigger::Forced]);
    assert!(bring_back(&bench).is_err());
    assert_eq!(record(&bench, Witness::Prepared, || ()), None);
    assert_eq!(on_record(&bench, &own()), Ok(()));
}

#[test]
fn a_record_counts_for_its_time_to_live_from_its_own_end() {
    let mut bench = done();
    let mut step = own();
    step.policy.ttl = Some(Duration::from_mins(1));
    assert_eq!(on_record(&bench, &step), Ok(()));
    bench.age = Duration::from_mins(2);
    assert_eq!(triggers(on_record(&bench, &step)), [Trigger::Ttl]);
    assert_eq!(on_record(&bench, &own()), Ok(()));
    // Recorded by a clock that was ahead.
    assert_eq!(record(&bench, Witness::Prepared, || ()), None);
    bench.age = Duration::ZERO;
    assert_eq!(triggers(on_record(&bench, &step)), [Trigger::Ttl]);
}

#[test]
fn outputs_stay_where_they_are_while_they_are_recorded() {
    let bench = Bench::new();
    bench.write("in", "a");
    bench.write("out", "old");
    let inode = || fs::metadata(bench.root.join("out")).map(|it| it.modified().unwrap());
    let before = inode().unwrap();
    assert_eq!(record(&bench, Witness::Prepared, || ()), None);
    assert_eq!(inode().unwrap(), before);
    assert!(!bench.root.join(".ibid/replaced").exists());
    fs::remove_file(bench.root.join("out")).unwrap();
    let missing = record(&bench, Witness::Prepared, || ());
    assert!(
        matches!(missing, Some(NotStored::Outputs(_))),
        "{missing:?}"
    );
}

#[test]
fn an_input_that_changed_since_it_was_keyed_is_named_and_nothing_recorded() {
    let bench = Bench::new();
    bench.write("in", "a");
    bench.write("out", "made of a");
    let changed = record(&bench, Witness::Prepared, || bench.write("in", "b"));
    assert_eq!(changed, Some(NotStored::InputsChanged(vec!["in".into()])));
    let and_back = record(&bench, Witness::Prepared, || {
        bench.write("in", "c");
        bench.write("in", "b");
    });
    assert_eq!(and_back, Some(NotStored::InputsChanged(vec!["in".into()])));
    assert_eq!(triggers(on_record(&bench, &own())), [Trigger::New]);
}

#[test]
fn of_a_run_that_nobody_watched_stamps_have_to_tell() {
    let bench = Bench::new();
    let code = bench.root.join("code.py");
    let stamps = || Witness::Stamps(vec![code.clone()]);
    let younger = |path: &str| Some(NotStored::InputsYounger(vec![path.into()]));
    bench.write("code.py", "");
    bench.write("in", "a");
    next_tick(&bench);
    bench.write("out", "made of a");
    assert_eq!(record(&bench, stamps(), || ()), None);
    next_tick(&bench);
    bench.write("in", "b");
    assert_eq!(record(&bench, stamps(), || ()), younger("in"));
    // Its content can be given any time, its status not.
    let file = fs::File::open(bench.root.join("in")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(record(&bench, stamps(), || ()), younger("in"));
    next_tick(&bench);
    bench.write("out", "made of b");
    assert_eq!(record(&bench, stamps(), || ()), None);
    next_tick(&bench);
    bench.write("code.py", "edited");
    assert_eq!(record(&bench, stamps(), || ()), younger("code.py"));
}

#[test]
fn stamps_of_one_tick_tell_nothing() {
    let bench = Bench::new();
    bench.write("in", "");
    // One file under two names is written in one moment by any clock.
    fs::hard_link(bench.root.join("in"), bench.root.join("out")).unwrap();
    bench.write("in", "a");
    let written = fs::metadata(bench.root.join("out")).unwrap();
    let content = (written.mtime(), written.mtime_nsec());
    assert_eq!(content, (written.ctime(), written.ctime_nsec()));
    let told = record(&bench, Witness::Stamps(Vec::new()), || ());
    assert_eq!(told, Some(NotStored::InputsYounger(vec!["in".into()])));
}

#[test]
fn a_run_without_outputs_leaves_no_sign_of_when_it_was() {
    let bench = Bench::new();
    bench.write("in", "a");
    let mut step = own();
    step.outputs.clear();
    let unwitnessed = record_of(&bench, &step, Witness::Stamps(Vec::new()), || ());
    assert_eq!(unwitnessed, Some(NotStored::Unwitnessed));
}

#[test]
fn stamps_of_links_and_folders_on_the_way_count() {
    let bench = Bench::new();
    bench.write("v1/sub/x", "1");
    bench.write("v2/sub/x", "2");
    symlink("v1", bench.root.join("now")).unwrap();
    symlink("now", bench.root.join("again")).unwrap();
    let mut step = own();
    step.inputs = shell("", &["again/sub", "v1/sub/x"], &[]).inputs;
    let try_record = || record_of(&bench, &step, Witness::Stamps(Vec::new()), || ());
    next_tick(&bench);
    bench.write("out", "made of v1");
    assert_eq!(try_record(), None);
    next_tick(&bench);
    fs::remove_file(bench.root.join("now")).unwrap();
    symlink("v2", bench.root.join("now")).unwrap();
    let younger = Some(NotStored::InputsYounger(vec!["now".into()]));
    assert_eq!(try_record(), younger);
    next_tick(&bench);
    bench.write("out", "made of v2");
    assert_eq!(try_record(), None);
    next_tick(&bench);
    bench.write("v2/sub/y", "came later");
    fs::remove_file(bench.root.join("v2/sub/y")).unwrap();
    assert!(matches!(try_record(), Some(NotStored::InputsYounger(_))));
}

#[test]
fn an_output_that_says_it_is_of_tomorrow_is_as_old_as_its_status() {
    let bench = Bench::new();
    bench.write("in", "a");
    bench.write("out", "made of a");
    let file = fs::File::open(bench.root.join("out")).unwrap();
    let tomorrow = SystemTime::now() + Duration::from_hours(24);
    file.set_modified(tomorrow).unwrap();
    next_tick(&bench);
    bench.write("in", "b");
    let younger = Some(NotStored::InputsYounger(vec!["in".into()]));
    assert_eq!(record(&bench, Witness::Stamps(Vec::new()), || ()), younger);
}

#[test]
fn a_folder_that_an_output_was_made_in_tells_nothing() {
    let bench = Bench::new();
    let mut step = own();
    let declared = shell("", &["data"], &["data/sub/made"]);
    (step.inputs, step.outputs) = (declared.inputs, declared.outputs);
    bench.write("data/x", "1");
    bench.write("data/sub/y", "1");
    let write = |text: &str| {
        next_tick(&bench);
        bench.write("data/sub/made", text);
    };
    let try_record = || record_of(&bench, &step, Witness::Stamps(Vec::new()), || ());
    let is_younger = |told: Option<NotStored>| matches!(told, Some(NotStored::InputsYounger(_)));
    write("made of both");
    next_tick(&bench);
    fs::remove_file(bench.root.join("data/sub/y")).unwrap();
    assert!(is_younger(try_record()), "an input is gone");
    write("overwritten where it stands");
    assert_eq!(try_record(), None);
    next_tick(&bench);
    bench.write("data/z", "came later");
    assert!(is_younger(try_record()));
}

#[test]
fn a_folder_on_the_way_that_was_put_in_the_place_of_another_is_a_change() {
    let bench = Bench::new();
    for (name, text) in [("data", "1"), ("data2", "2")] {
        bench.write(&format!("{name}/sub/x"), text);
        bench.write(&format!("{name}/code.py"), text);
    }
    symlink("data", bench.root.join("now")).unwrap();
    let of = |inputs: &[&str]| {
        let mut step = own();
        step.inputs = shell("", inputs, &[]).inputs;
        step
    };
    next_tick(&bench);
    bench.write("out", "made of data");
    let code = bench.root.join("now/code.py");
    let stamps = || Witness::Stamps(vec![code.clone()]);
    let plain = || Witness::Stamps(Vec::new());
    assert_eq!(record_of(&bench, &of(&[]), stamps(), || ()), None);
    assert_eq!(
        record_of(&bench, &of(&["data/sub/x"]), plain(), || ()),
        None
    );
    next_tick(&bench);
    let put = |from: &str, to: &str| {
        fs::rename(bench.root.join(from), bench.root.join(to)).unwrap();
    };
    put("data", "old");
    put("data2", "data");
    let swapped = Some(NotStored::InputsYounger(vec!["data".into()]));
    for step in [of(&["data/sub/x"]), of(&["data/sub"]), of(&["now/sub/x"])] {
        assert_eq!(record_of(&bench, &step, plain(), || ()), swapped);
    }
    assert_eq!(record_of(&bench, &of(&[]), stamps(), || ()), swapped);
    next_tick(&bench);
    bench.write("out", "made of data2");
    assert_eq!(
        record_of(&bench, &of(&["now/sub/x"]), stamps(), || ()),
        None
    );
    next_tick(&bench);
    fs::remove_file(bench.root.join("now")).unwrap();
    symlink("old", bench.root.join("now")).unwrap();
    let led_elsewhere = record_of(&bench, &of(&[]), stamps(), || ());
    assert_eq!(
        led_elsewhere,
        Some(NotStored::InputsYounger(vec!["now".into()]))
    );
}

#[test]
fn every_output_has_to_be_written_after_every_input() {
    let bench = Bench::new();
    let mut step = own();
    step.outputs.push(OutputSpec {
        kind: OutputKind::Dir(inside("made")),
        optional: false,
        keep: false,
    });
    let try_record = || record_of(&bench, &step, Witness::Stamps(Vec::new()), || ());
    bench.write("out", "before");
    bench.write("made/kept", "before");
    next_tick(&bench);
    bench.write("in", "a");
    next_tick(&bench);
    bench.write("made/last", "after");
    assert!(matches!(try_record(), Some(NotStored::InputsYounger(_))));
    bench.write("out", "after");
    assert_eq!(
        try_record(),
        None,
        "a folder is as old as what was last written in it"
    );
}

#[test]
fn what_is_stored_comes_back_without_a_run_and_is_on_record_then() {
    let bench = done();
    bench.write("in", "b");
    let write = || bench.write("out", "made of b");
    assert_eq!(record(&bench, Witness::Prepared, write), None);
    bench.write("in", "a");
    assert_eq!(triggers(on_record(&bench, &own())), [Trigger::Inputs]);
    let brought = bring_back(&bench).unwrap();
    assert!(matches!(brought, Decision::Restored { .. }), "{brought:?}");
    assert_eq!(bench.read("out"), "made of a");
    assert_eq!(on_record(&bench, &own()), Ok(()));
    bench.write("in", "c");
    assert!(bring_back(&bench).is_err());
    assert_eq!(bench.read("out"), "made of a");
}
