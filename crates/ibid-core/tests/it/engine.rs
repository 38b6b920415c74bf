//! The life of a step against a real store and real processes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ibid_core::action::{
    Change, CommandLine, EnvMode, InputRequest, OutputKind, OutputSpec, Packages, Policy,
    StdinRequest, Step, Storing, Trigger,
};
use ibid_core::digest::BlobId;
use ibid_core::engine::{
    Access, Clock, Context, Decision, Error, Event, Memo, NotStored, Provenance, Rerun, Sink,
    StepOutcome, step,
};
use ibid_core::environ::EnvSnapshot;
use ibid_core::exec::{Interrupt, Status, Stream};
use ibid_core::scan::StatCache;
use ibid_core::store::{LocalStore, StoreOptions};
use ibid_core::tree::{Place, RelPath};
use ibid_testkit::TempDir;

/// Collects what is told.
#[derive(Default)]
pub(crate) struct Heard {
    stdout: Mutex<Vec<u8>>,
    told: Mutex<Vec<String>>,
}

impl Sink for Heard {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Output {
                stream: Stream::Stdout,
                bytes,
            } => {
                self.stdout.lock().unwrap().extend_from_slice(bytes);
            }
            Event::Note(note) => self.told.lock().unwrap().push(note.to_string()),
            Event::Warning(warning) => self.told.lock().unwrap().push(warning.to_string()),
            _ => {}
        }
    }
}

/// A workspace with its own store.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) env: EnvSnapshot,
    pub(crate) access: Access,
    pub(crate) age: Duration,
    pub(crate) memo: Option<Memo>,
}

pub(crate) struct Went {
    pub(crate) outcome: StepOutcome,
    pub(crate) stdout: Vec<u8>,
    pub(crate) told: Vec<String>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new();
        let root = dir.join("work");
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(dir.join("tmp")).unwrap();
        let env = [("PATH", "/usr/bin:/bin"), ("HOME", "/nonexistent")]
            .into_iter()
            .collect();
        Self {
            dir,
            root,
            env,
            access: Access::default(),
            age: Duration::ZERO,
            memo: None,
        }
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.join(path)).unwrap()
    }

    /// Lends the workspace to the engine.
    pub(crate) fn within<T>(
        &self,
        store: &LocalStore,
        stats: &StatCache,
        sink: &Heard,
        act: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let provenance = Provenance::default();
        let interrupt = Interrupt::new();
        act(&Context {
            root: &self.root,
            env: &self.env,
            store: Some(store),
            cache_dir: store.dir(),
            stats,
            spool_dir: &self.dir.join("tmp"),
            provenance: &provenance,
            clock: Clock::starting(SystemTime::now() + self.age),
            interrupt: &interrupt,
            sink,
            access: self.access,
            caller: None,
            memo: self.memo.as_ref(),
        })
    }

    pub(crate) fn store(&self) -> LocalStore {
        LocalStore::open(&self.dir.join("store"), StoreOptions::default()).unwrap()
    }

    pub(crate) fn try_step(&self, asked: &Step) -> Result<Went, Error> {
        let heard = Heard::default();
        let (store, stats) = (self.store(), StatCache::off());
        let outcome = self.within(&store, &stats, &heard, |cx| step(asked, cx))?;
        Ok(Went {
            outcome,
            stdout: heard.stdout.into_inner().unwrap(),
            told: heard.told.into_inner().unwrap(),
        })
    }

    pub(crate) fn step(&self, asked: &Step) -> Went {
        self.try_step(asked).unwrap()
    }
}

pub(crate) fn inside(path: &str) -> Place {
    Place::Inside(RelPath::new(path).unwrap())
}

/// `sh -c script` with inputs and outputs.
pub(crate) fn shell(script: &str, inputs: &[&str], outputs: &[&str]) -> Step {
    let words = ["sh", "-c", script].map(|word| word.as_bytes().to_vec());
    Step {
        command: CommandLine::Argv(words.to_vec()),
        dir: RelPath::ROOT,
        inputs: inputs
            .iter()
            .map(|path| InputRequest::Path {
                place: inside(path),
                dir_only: false,
                way: None,
            })
            .collect(),
        excludes: Vec::new(),
        code: Vec::new(),
        outputs: outputs
            .iter()
            .map(|path| OutputSpec {
                kind: OutputKind::Path(inside(path)),
                optional: false,
                keep: false,
            })
            .collect(),
        ignore_args: BTreeSet::new(),
        params: BTreeMap::new(),
        specs: Vec::new(),
        env: Vec::new(),
        env_mode: EnvMode::Strict,
        tools: Vec::new(),
        image: None,
        packages: Packages::Auto,
        versions: BTreeMap::new(),
        versions_from: Vec::new(),
        salts: BTreeMap::new(),
        stdin: StdinRequest::Empty,
        policy: Policy {
            label: "work/step".to_owned(),
            ..Policy::default()
        },
    }
}

pub(crate) fn rerun(went: &Went) -> (&Rerun, Option<&NotStored>) {
    match &went.outcome.decision {
        Decision::Ran {
            rerun, not_stored, ..
        } => (rerun, not_stored.as_ref()),
        other => panic!("the command did not run: {other:?}"),
    }
}

pub(crate) fn is_up_to_date(went: &Went) -> bool {
    matches!(went.outcome.decision, Decision::UpToDate { .. })
}

pub(crate) fn is_restored(went: &Went) -> bool {
    matches!(went.outcome.decision, Decision::Restored { .. })
}

#[test]
fn a_step_runs_once_then_is_up_to_date_and_comes_back_when_removed() {
    let bench = Bench::new();
    bench.write("in", "a");
    let copy = shell("cat in > out; echo done", &["in"], &["out"]);
    let first = bench.step(&copy);
    let (why, not_stored) = rerun(&first);
    assert_eq!(
        (why.triggers.first(), not_stored),
        (Some(&Trigger::New), None)
    );
    let second = bench.step(&copy);
    assert!(is_up_to_date(&second), "{:?}", second.outcome);
    assert_eq!(
        (first.stdout, second.stdout),
        (b"done\n".to_vec(), b"done\n".to_vec())
    );
    std::fs::remove_file(bench.root.join("out")).unwrap();
    assert!(is_restored(&bench.step(&copy)));
    assert_eq!(bench.read("out"), "a");
}

#[test]
fn an_edited_output_is_put_right_and_the_edit_is_kept() {
    let bench = Bench::new();
    bench.write("in", "a");
    let copy = shell("cat in > out", &["in"], &["out"]);
    bench.step(&copy);
    bench.write("out", "edited by hand");
    let again = bench.step(&copy);
    assert!(is_restored(&again));
    assert_eq!(bench.read("out"), "a");
    assert!(
        again
            .told
            .iter()
            .any(|told| told.starts_with("1 replaced file kept")),
        "{:?}",
        again.told
    );
}

#[test]
fn a_changed_input_is_named_against_the_closest_entry_and_its_return_is_a_hit() {
    let bench = Bench::new();
    bench.write("in", "a");
    let copy = shell("cat in > out", &["in"], &["out"]);
    bench.step(&copy);
    bench.write("in", "b");
    let changed = bench.step(&copy);
    let (why, _) = rerun(&changed);
    let titles: Vec<_> = why
        .changes
        .iter()
        .map(ibid_core::action::Change::title)
        .collect();
    assert_eq!(titles, ["input/in"]);
    assert_eq!(why.triggers, BTreeSet::from([Trigger::Inputs]));
    bench.write("in", "a");
    assert!(is_restored(&bench.step(&copy)));
}

#[test]
fn a_failing_run_is_not_stored_and_gives_the_last_good_output_back() {
    let bench = Bench::new();
    bench.write("in", "good");
    let step = shell("cat in > out; grep -q good in", &["in"], &["out"]);
    bench.step(&step);
    bench.write("in", "bad");
    for _ in 0..2 {
        let failed = bench.step(&step);
        assert_eq!(failed.outcome.status, Status::Exited(1));
        assert_eq!(rerun(&failed).1, Some(&NotStored::Failed));
        assert_eq!(bench.read("out"), "good");
        assert!(
            failed
                .told
                .iter()
                .any(|told| told.contains("partial outputs")),
            "{:?}",
            failed.told
        );
    }
}

#[test]
fn an_input_that_the_command_edits_is_named_and_the_result_is_not_stored() {
    let bench = Bench::new();
    bench.write("in", "a");
    let step = shell("cat in > out; echo more >> in", &["in"], &["out"]);
    let went = bench.step(&step);
    assert_eq!(
        rerun(&went).1,
        Some(&NotStored::InputsChanged(vec!["in".into()]))
    );
    assert_eq!(bench.read("out"), "a");
}

#[test]
fn a_result_beyond_its_ttl_is_stale_although_its_outputs_stand() {
    let mut bench = Bench::new();
    let mut step = shell("echo x > out", &[], &["out"]);
    step.policy.ttl = Some(Duration::from_mins(1));
    bench.step(&step);
    assert!(is_up_to_date(&bench.step(&step)));
    bench.age = Duration::from_secs(61);
    let stale = bench.step(&step);
    assert_eq!(rerun(&stale).0.triggers, BTreeSet::from([Trigger::Ttl]));
    assert!(
        is_up_to_date(&bench.step(&step)),
        "the refresh counts from its own completion"
    );
}

#[test]
fn a_folder_that_is_read_and_written_does_not_change_with_the_outputs() {
    let bench = Bench::new();
    bench.write("src/a", "a");
    let step = shell("cat src/a > src/build/out", &["src"], &["src/build/out"]);
    let first = bench.step(&step);
    assert_eq!(rerun(&first).1, None);
    assert!(is_up_to_date(&bench.step(&step)));
}

#[test]
fn files_that_words_name_are_keyed_and_folders_are_refused() {
    let bench = Bench::new();
    bench.write("conf", "1");
    bench.write("folder/x", "1");
    let mut step = shell("", &[], &[]);
    step.command = CommandLine::Argv([b"cat".to_vec(), b"conf".to_vec()].into());
    let first = bench.step(&step);
    assert!(
        first.told.iter().any(|told| told.contains("`conf`")),
        "{:?}",
        first.told
    );
    bench.write("conf", "2");
    let second = bench.step(&step);
    assert_eq!(second.stdout, b"2");
    assert_eq!(rerun(&second).0.changes[0].title(), "implied/conf");
    step.command = CommandLine::Argv([b"ls".to_vec(), b"folder".to_vec()].into());
    assert!(matches!(
        bench.try_step(&step),
        Err(Error::ImpliedFolder(_))
    ));
    step.ignore_args.insert(b"folder".to_vec());
    assert_eq!(bench.step(&step).stdout, b"x\n");
}

#[test]
fn a_store_that_cannot_be_written_changes_nothing_for_the_command() {
    let bench = Bench::new();
    std::fs::write(bench.dir.join("store"), "a file, not a folder").unwrap();
    let step = shell("echo x > out; echo hello; exit 3", &[], &["out"]);
    let went = bench.step(&step);
    assert_eq!(
        (went.outcome.status, went.stdout),
        (Status::Exited(3), b"hello\n".to_vec())
    );
}

#[test]
fn equal_steps_at_once_run_once() {
    let bench = Arc::new(Bench::new());
    bench.write("in", "a");
    let step = Arc::new(shell(
        "echo ran >> ../count; cat in > out",
        &["in"],
        &["out"],
    ));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (bench, step) = (Arc::clone(&bench), Arc::clone(&step));
            std::thread::spawn(move || bench.step(&step).outcome.status)
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Status::Exited(0));
    }
    assert_eq!(
        std::fs::read_to_string(bench.dir.join("count")).unwrap(),
        "ran\n"
    );
    assert_eq!(read(&bench.root.join("out")), "a");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn set_outputs(step: &mut Step, keep: bool, storing: Storing) {
    for output in &mut step.outputs {
        output.keep = keep;
    }
    step.policy.storing = storing;
}

#[test]
fn an_output_that_the_command_updates_is_recognised_in_place_and_nowhere_else() {
    let bench = Bench::new();
    let mut append = shell("echo x >> log", &[], &["log"]);
    set_outputs(&mut append, true, Storing::Content);
    bench.write("log", "mine\n");
    rerun(&bench.step(&append));
    assert_eq!(bench.read("log"), "mine\nx\n");
    assert!(is_up_to_date(&bench.step(&append)));
    bench.write("log", "edited\n");
    let edited = bench.step(&append);
    let (why, not_stored) = rerun(&edited);
    assert_eq!(
        why.reason,
        "`log` is not as the last run left it (keep = true)"
    );
    assert_eq!(
        (&why.triggers, not_stored),
        (&[Trigger::Outputs].into(), None)
    );
    assert_eq!(bench.read("log"), "edited\nx\n");
    assert!(is_up_to_date(&bench.step(&append)));
    std::fs::remove_file(bench.root.join("log")).unwrap();
    rerun(&bench.step(&append));
    assert_eq!(bench.read("log"), "x\n");
    assert!(!bench.root.join(".ibid/replaced").exists());
}

#[test]
fn a_failed_run_leaves_what_it_updates_and_says_so() {
    let bench = Bench::new();
    let mut append = shell("echo x >> log; exit 1", &[], &["log"]);
    set_outputs(&mut append, true, Storing::Content);
    let failed = bench.step(&append);
    assert_eq!(failed.told, ["kept as the failed run left it: `log`"]);
    assert_eq!(bench.read("log"), "x\n");
}

#[test]
fn an_output_of_which_the_digest_is_stored_is_recognised_in_place_and_made_again_elsewhere() {
    let bench = Bench::new();
    let mut make = shell("echo x > out; echo ran >> log", &[], &["out"]);
    set_outputs(&mut make, false, Storing::Digest);
    rerun(&bench.step(&make));
    assert!(is_up_to_date(&bench.step(&make)));
    bench.write("out", "edited");
    let edited = bench.step(&make);
    let (why, _) = rerun(&edited);
    assert_eq!(why.reason, "`out` was not stored (store = \"digest\")");
    assert_eq!(edited.told.len(), 1, "the edit is kept: {:?}", edited.told);
    std::fs::remove_dir_all(bench.root.join(".ibid/replaced")).unwrap();
    std::fs::remove_file(bench.root.join("out")).unwrap();
    rerun(&bench.step(&make));
    // With its content stored meanwhile, it comes back.
    set_outputs(&mut make, false, Storing::Content);
    std::fs::remove_file(bench.root.join("out")).unwrap();
    rerun(&bench.step(&make));
    std::fs::remove_file(bench.root.join("out")).unwrap();
    assert!(is_restored(&bench.step(&make)));
    assert_eq!(bench.read("log"), "ran\n".repeat(4));
}

#[test]
fn short_texts_of_code_are_stored_and_other_files_are_not() {
    let bench = Bench::new();
    let long = "#".repeat(300_000);
    let files = [
        ("code.sh", "cat in > out"),
        ("long.sh", long.as_str()),
        ("in", "data"),
    ];
    for (path, text) in files {
        bench.write(path, text);
    }
    std::fs::write(bench.root.join("binary"), b"\xff\x00").unwrap();
    let mut run = shell(". ./code.sh; echo made >> out", &["in"], &["out"]);
    run.code = ["code.sh", "long.sh", "binary"].map(inside).into();
    rerun(&bench.step(&run));
    let store = LocalStore::open(&bench.dir.join("store"), StoreOptions::default()).unwrap();
    let kept = |bytes: &[u8]| store.read_blob(&BlobId::of(bytes), 1 << 20).ok();
    assert_eq!(kept(b"cat in > out").as_deref(), Some(&b"cat in > out"[..]));
    assert_eq!(kept(long.as_bytes()), None);
    assert_eq!(kept(b"\xff\x00"), None);
    assert_eq!(kept(b"data"), None);
}

#[test]
fn a_program_that_a_step_installs_outside_the_root_is_seen_by_the_next_step() {
    let mut bench = Bench::new();
    bench.memo = Some(Memo::default());
    let bin = bench.dir.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    bench.env = [("PATH", path.as_str())].into_iter().collect();
    let mut asks = shell("true > out", &[], &["out"]);
    asks.tools = vec![b"cat".to_vec()];
    asks.versions_from = vec![
        ["cat", "--version"]
            .map(|word| word.as_bytes().to_vec())
            .into(),
    ];
    let first = bench.step(&asks);
    assert!(is_up_to_date(&bench.step(&asks)));
    let script = "printf '#!/bin/sh\\necho mine\\n' > cat; chmod +x cat; mv cat ";
    let install = format!("{script}{}; true > installed", bin.display());
    rerun(&bench.step(&shell(&install, &[], &["installed"])));
    let after = bench.step(&asks);
    assert_ne!(first.outcome.key, after.outcome.key);
    let titles: Vec<_> = rerun(&after).0.changes.iter().map(Change::title).collect();
    assert!(titles.contains(&"tool/cat".to_owned()), "{titles:?}");
    assert!(
        titles.iter().any(|title| title.contains("cat --version")),
        "{titles:?}"
    );
}

#[test]
fn a_file_on_standard_input_is_an_input_like_others() {
    let bench = Bench::new();
    bench.write("in", "a");
    let with_stdin = |mut step: Step| {
        step.stdin = StdinRequest::File(bench.root.join("in"));
        step
    };
    let edits = with_stdin(shell("cat > out; echo more >> in", &[], &["out"]));
    let edits = Step {
        ignore_args: BTreeSet::from([b"in".to_vec()]),
        ..edits
    };
    assert_eq!(
        rerun(&bench.step(&edits)).1,
        Some(&NotStored::InputsChanged(vec!["in".into()]))
    );
    let overwrites = with_stdin(shell("cat", &[], &["in"]));
    assert!(matches!(bench.try_step(&overwrites), Err(Error::Output(_))));
    bench.write("in", "b");
    let copies = with_stdin(shell("cat > out", &[], &["out"]));
    assert_eq!(rerun(&bench.step(&copies)).1, None);
    assert!(is_up_to_date(&bench.step(&copies)));
    bench.write("in", "c");
    assert_eq!(
        rerun(&bench.step(&copies)).0.triggers,
        BTreeSet::from([Trigger::Inputs])
    );
}
