//! What a plan says is what a run does, and a plan changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ibid_core::action::{InputRequest, OutputKind, OutputSpec, StdinRequest, Step};
use ibid_core::engine::schedule::{Expected, Order, PlannedStep, plan};
use ibid_core::engine::{Decision, Forecast, StepOutcome, step};
use ibid_core::fs::{Host, Timestamp};
use ibid_core::pipeline::{Graph, Pipeline, PipelineStep, StepId};
use ibid_core::scan::{StatCache, StatCacheOptions, StatPolicy, StatWrites};
use ibid_core::store::{Access, LocalStore, StoreOptions};
use proptest::prelude::*;

use crate::engine::{Bench, Heard, inside, shell};

/// A pipeline in a workspace.
struct Chain {
    bench: Bench,
    pipeline: Pipeline,
}

/// A step as the tests write it: a trailing slash is a folder, a `*` a pattern.
struct Link<'a> {
    name: &'a str,
    script: &'a str,
    inputs: &'a [&'a str],
    outputs: &'a [&'a str],
    upstream: &'a [usize],
}

fn link<'a>(
    name: &'a str,
    script: &'a str,
    inputs: &'a [&'a str],
    outputs: &'a [&'a str],
    upstream: &'a [usize],
) -> Link<'a> {
    Link {
        name,
        script,
        inputs,
        outputs,
        upstream,
    }
}

fn declared(link: &Link<'_>) -> Step {
    let mut step = shell(link.script, &[], &[]);
    let place = |text: &str| inside(text.trim_end_matches('/'));
    let input = |text: &&str| {
        if text.contains('*') {
            let pattern = (*text).to_owned();
            return InputRequest::Glob { pattern };
        }
        InputRequest::Path {
            place: place(text),
            dir_only: text.ends_with('/'),
        }
    };
    let output = |text: &&str| OutputSpec {
        kind: match text {
            text if text.contains('*') => OutputKind::Glob((*text).to_owned()),
            text if text.ends_with('/') => OutputKind::Dir(place(text)),
            text => OutputKind::Path(place(text)),
        },
        optional: false,
        keep: false,
    };
    step.inputs = link.inputs.iter().map(input).collect();
    step.outputs = link.outputs.iter().map(output).collect();
    step.policy.label = format!("work/{}", link.name);
    step.policy.manifest = Some(link.name.to_owned());
    step
}

impl Chain {
    fn new(links: &[Link<'_>]) -> Self {
        Self::of(links, |_| {})
    }

    fn of(links: &[Link<'_>], change: impl Fn(&mut Step)) -> Self {
        let steps = links.iter().map(|link| {
            let mut step = declared(link);
            change(&mut step);
            PipelineStep::new(link.name, step)
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

    fn order(&self) -> Order<'_> {
        Order {
            pipeline: &self.pipeline,
            steps: (0..self.pipeline.steps.len()).map(StepId::new).collect(),
            forced: BTreeSet::new(),
            cpus: 1,
            memory: None,
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
    fn plan_of(&self, order: &Order<'_>) -> Vec<PlannedStep> {
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

    fn plan(&self) -> Vec<PlannedStep> {
        self.plan_of(&self.order())
    }

    /// Runs every step after those that it waits for.
    fn run(&self) -> BTreeMap<StepId, StepOutcome> {
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

    fn run_only(&self, step: usize) {
        let went = self.bench.try_step(&self.pipeline.steps[step].step);
        went.unwrap();
    }

    /// Says in words what a plan expects.
    fn told(&self, planned: &[PlannedStep]) -> Vec<String> {
        planned.iter().map(|it| self.one(it)).collect()
    }

    fn one(&self, planned: &PlannedStep) -> String {
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

    fn expects(&self, lines: &[&str]) {
        assert_eq!(self.told(&self.plan()), lines);
    }

    /// Plans and runs, and checks that they agree. Returns the steps whose command ran.
    fn agrees(&self) -> Vec<String> {
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
    fn is_exact(&self) {
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

    fn remove(&self, path: &str) {
        let path = self.bench.root.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Every path below a folder with what tells that it was changed.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, u32, u64)> {
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

/// raw -> clean -> (features/, figures/*.txt) -> model -> report
fn tutorial() -> Chain {
    let chain = Chain::new(&[
        link(
            "clean",
            "cat raw/a raw/b > build/clean",
            &["raw"],
            &["build/clean"],
            &[],
        ),
        link(
            "features",
            "mkdir -p features/deep; cp build/clean features/a; wc -c < build/clean > features/deep/b",
            &["build/clean"],
            &["features/"],
            &[0],
        ),
        link(
            "figures",
            "mkdir -p build/figures; for n in 1 2; do head -c $n build/clean > build/figures/$n.txt; done",
            &["build/clean"],
            &["build/figures/*.txt"],
            &[0],
        ),
        link(
            "model",
            "cat features/a build/figures/1.txt > model",
            &["features", "build/figures/*.txt"],
            &["model"],
            &[1, 2],
        ),
        link(
            "report",
            "cat build/clean model > report",
            &["build/clean", "model"],
            &["report"],
            &[0, 3],
        ),
    ]);
    chain.bench.write("raw/a", "aaa");
    chain.bench.write("raw/b", "bbb");
    chain
}

const UP_TO_DATE: [&str; 5] = [
    "clean up to date",
    "features up to date",
    "figures up to date",
    "model up to date",
    "report up to date",
];

#[test]
fn what_hangs_on_a_command_that_will_run_is_unknown() {
    let chain = tutorial();
    chain.expects(&[
        "clean run: new",
        "features unknown until clean",
        "figures unknown until clean",
        "model unknown until features figures",
        "report unknown until clean model",
    ]);
    assert_eq!(chain.agrees().len(), 5);
    chain.expects(&UP_TO_DATE);
    assert!(chain.agrees().is_empty());
    chain.bench.write("raw/a", "other");
    let planned = chain.plan();
    assert_eq!(chain.one(&planned[0]), "clean run: inputs");
    assert!(planned.iter().all(|it| it.predicted.is_some()));
}

#[test]
fn what_is_to_be_restored_is_looked_at_ahead() {
    let chain = tutorial();
    chain.run();
    for removed in ["build", "features", "model"] {
        chain.remove(removed);
        let said = chain.told(&chain.plan()).join("\n");
        assert!(!said.contains("unknown") && !said.contains("run"), "{said}");
        assert!(said.contains("restore"), "{said}");
        assert!(chain.agrees().is_empty());
    }
    // Only the last is to run, over inputs that are all still to be restored.
    chain.remove("build");
    chain.remove("features");
    chain.remove("model");
    chain.bench.write("report", "edited");
    let key = match &chain.plan()[4].expected {
        Expected::Foreseen(foreseen) => foreseen.key,
        other => panic!("{other:?}"),
    };
    chain.bench.store().invalidate(&key, 1, "wrong").unwrap();
    chain.expects(&[
        "clean restore",
        "features restore",
        "figures restore",
        "model restore",
        "report run: forced",
    ]);
    assert_eq!(chain.agrees(), ["report"]);
}

#[test]
fn strays_and_edits_in_what_is_to_be_restored_do_not_count() {
    let chain = tutorial();
    chain.run();
    chain.bench.write("features/stray", "s");
    chain.bench.write("features/a", "edited");
    chain.bench.write("build/figures/3.txt", "stray");
    chain.remove("build/figures/1.txt");
    chain.expects(&[
        "clean up to date",
        "features restore",
        "figures restore",
        "model up to date",
        "report up to date",
    ]);
    assert!(chain.agrees().is_empty());
}

#[test]
fn what_a_restore_takes_away_is_not_looked_at() {
    let mut chain = Chain::new(&[
        link("one", "true", &[], &["d/x"], &[]),
        link("two", "ls d > out", &["d"], &["out"], &[0]),
    ]);
    chain.pipeline.steps[0].step.outputs[0].optional = true;
    chain.bench.write("d/keep", "");
    chain.run();
    chain.bench.write("d/x", "of another run");
    chain.expects(&["one restore", "two up to date"]);
    let outcomes = chain.run();
    let two = &outcomes[&StepId::new(1)].decision;
    assert!(matches!(two, Decision::UpToDate { .. }), "{two:?}");
}

#[test]
fn a_restore_is_not_promised_of_what_the_store_has_lost() {
    let blobs = |chain: &Chain| chain.bench.dir.join("store/v1/blobs");
    let all = |dir: &Path| snapshot(dir).into_keys().filter(|it| it.is_file());
    for damage in ["gone", "cut", "flipped"] {
        let chain = tutorial();
        chain.run();
        for path in all(&blobs(&chain)).collect::<Vec<_>>() {
            let bytes = fs::read(&path).unwrap();
            if bytes != b"aaabbb" {
                continue;
            }
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .unwrap();
            match damage {
                "gone" => fs::remove_file(&path).unwrap(),
                "cut" => fs::write(&path, b"aaa").unwrap(),
                _ => fs::write(&path, b"aaabbB").unwrap(),
            }
        }
        chain.remove("build/clean");
        assert_eq!(chain.told(&chain.plan())[0], "clean run: outputs");
        assert_eq!(chain.agrees(), ["clean"]);
        // What stands needs no blob.
        let chain = tutorial();
        chain.run();
        chain.remove("build/figures/1.txt");
        chain.expects(&[
            "clean up to date",
            "features up to date",
            "figures restore",
            "model up to date",
            "report up to date",
        ]);
    }
}

#[test]
fn a_lost_stream_log_is_a_reason_to_run_unless_the_manifest_knows() {
    let chain = Chain::new(&[link("one", "echo hello; echo x > out", &[], &["out"], &[])]);
    chain.run();
    let log_lost = || {
        for path in snapshot(&chain.bench.dir.join("store/v1/blobs")).into_keys() {
            if path.is_file()
                && fs::read(&path).unwrap().windows(5).any(|it| it == b"hello")
                && !fs::read(&path).unwrap().windows(4).any(|it| it == b"echo")
            {
                fs::remove_file(path).unwrap();
            }
        }
    };
    log_lost();
    chain.expects(&["one up to date"]);
    assert!(chain.agrees().is_empty());
    chain.remove("out");
    chain.expects(&["one run: outputs"]);
    assert_eq!(chain.agrees(), ["one"]);
}

#[test]
fn with_the_store_wiped_what_stands_is_planned_to_stand() {
    let chain = tutorial();
    chain.run();
    fs::remove_dir_all(chain.bench.dir.join("store")).unwrap();
    chain.expects(&UP_TO_DATE);
    assert!(chain.agrees().is_empty());
    chain.remove("features/deep/b");
    assert_eq!(chain.told(&chain.plan())[1], "features run: new");
    chain.agrees();
}

#[test]
fn links_into_what_is_to_be_restored_are_not_guessed_at() {
    let chain = Chain::new(&[
        link("one", "cp in build/a", &["in"], &["build/a"], &[]),
        link("two", "cat way/a > out", &["way/a"], &["out"], &[0]),
        link("three", "cat folder/l > out3", &["folder"], &["out3"], &[0]),
        link(
            "four",
            "ln -s a build/l; cat build/l > out4",
            &["build/a"],
            &["out4", "build/l"],
            &[0],
        ),
        link("five", "cat build/l > out5", &["build/l"], &["out5"], &[3]),
    ]);
    chain.bench.write("in", "1");
    std::os::unix::fs::symlink("build", chain.bench.root.join("way")).unwrap();
    fs::create_dir(chain.bench.root.join("folder")).unwrap();
    std::os::unix::fs::symlink("../build/a", chain.bench.root.join("folder/l")).unwrap();
    chain.run();
    assert!(chain.agrees().is_empty());
    chain.bench.write("build/a", "edited");
    fs::remove_file(chain.bench.root.join("build/l")).unwrap();
    chain.expects(&[
        "one restore",
        "two unknown until one",
        "three unknown until one",
        "four restore",
        "five unknown until four",
    ]);
    assert!(chain.agrees().is_empty());
}

#[test]
fn programs_scripts_words_and_standard_input_are_looked_at_ahead() {
    let mut chain = Chain::new(&[
        link(
            "make",
            "mkdir -p gen; echo 'echo hi' > gen/s.sh; echo word > gen/w; echo in > gen/i",
            &[],
            &["gen/s.sh", "gen/w", "gen/i"],
            &[],
        ),
        link("script", "", &[], &["out1"], &[0]),
        link("word", "cat gen/w > out2", &[], &["out2"], &[0]),
        link("stdin", "cat > out3", &[], &["out3"], &[0]),
        link("all", "cat gen/* > out4", &[], &["out4"], &[0]),
    ]);
    let words = ["sh", "gen/s.sh"].map(|word| word.as_bytes().to_vec());
    chain.pipeline.steps[1].step.command = ibid_core::action::CommandLine::Argv(words.to_vec());
    chain.pipeline.steps[1].step.outputs.clear();
    let stdin = chain.bench.root.join("gen/i");
    chain.pipeline.steps[3].step.stdin = StdinRequest::File(stdin);
    chain.run();
    assert!(chain.agrees().is_empty());
    for spoil in ["", "edited"] {
        for name in ["s.sh", "w", "i"] {
            match spoil {
                "" => chain.remove(&format!("gen/{name}")),
                _ => chain.bench.write(&format!("gen/{name}"), spoil),
            }
        }
        chain.expects(&[
            "make restore",
            "script up to date",
            "word up to date",
            "stdin up to date",
            "all up to date",
        ]);
        assert!(chain.agrees().is_empty());
    }
}

#[test]
fn a_word_that_will_name_a_folder_is_told_as_it_will_be() {
    let mut chain = Chain::new(&[
        link("make", "mkdir -p gen; echo > gen/x", &[], &["gen/x"], &[]),
        link("use", "", &[], &[], &[0]),
    ]);
    chain.run_only(0);
    chain.remove("gen");
    let words = ["ls", "gen"].map(|word| word.as_bytes().to_vec());
    chain.pipeline.steps[1].step.command = ibid_core::action::CommandLine::Argv(words.to_vec());
    let told = chain.told(&chain.plan());
    assert_eq!(told[0], "make restore");
    assert!(told[1].contains("names the folder `gen`"), "{told:?}");
}

#[test]
fn a_program_that_does_not_stand_yet_is_not_guessed_at() {
    let chain = Chain::new(&[
        link(
            "make",
            "printf '#!/bin/sh\\necho hi\\n' > tool; chmod +x tool",
            &[],
            &["tool"],
            &[],
        ),
        link("use", "./tool > out", &[], &["out"], &[0]),
    ]);
    chain.run();
    chain.remove("tool");
    chain.expects(&["make restore", "use unknown until make"]);
    assert!(chain.agrees().is_empty());
}

#[test]
fn a_step_that_is_forced_or_always_runs_and_of_equal_keys_one() {
    let mut chain = Chain::new(&[
        link("a", "echo x", &[], &[], &[]),
        link("b", "echo x", &[], &[], &[]),
        link("c", "echo y > out", &[], &["out"], &[]),
    ]);
    chain.expects(&["a run: new", "b unknown until a", "c run: new"]);
    chain.run();
    chain.pipeline.steps[2].always = true;
    let order = Order {
        forced: BTreeSet::from([StepId::new(0)]),
        ..chain.order()
    };
    let told = chain.told(&chain.plan_of(&order));
    assert_eq!(told, ["a run: forced", "b up to date", "c run: forced"]);
}

#[test]
fn what_cannot_be_tried_is_told_and_leaves_the_rest_unknown() {
    let chain = Chain::new(&[
        link("a", "cat missing > out", &["missing"], &["out"], &[]),
        link("b", "cat out > out2", &["out"], &["out2"], &[0]),
        link("c", "echo > out3", &[], &["out3"], &[]),
    ]);
    let told = chain.told(&chain.plan());
    assert!(told[0].starts_with("a error: "), "{told:?}");
    assert_eq!(told[1..], ["b unknown until a", "c run: new"]);
}

#[test]
fn a_stored_failure_gives_its_dependents_nothing() {
    let links = [
        link("a", "exit 3", &[], &[], &[]),
        link("b", "echo > out", &[], &["out"], &[0]),
    ];
    let chain = Chain::of(&links, |step| step.policy.cache_failures = true);
    chain.run();
    chain.expects(&["a up to date", "b unknown until a"]);
}

/// Something that happens to a workspace between two runs.
#[derive(Clone, Debug)]
enum Edit {
    Source(bool, u8),
    Remove(usize),
    Spoil(usize, u8),
    Touch(usize),
    Wipe,
    LoseBlob(usize),
    Manifest(usize),
    Forget(usize),
}

const OUTPUTS: [&str; 8] = [
    "build/clean",
    "features/a",
    "features/deep",
    "features",
    "build/figures/1.txt",
    "build",
    "model",
    "report",
];

fn edit() -> impl Strategy<Value = Edit> {
    let output = 0..OUTPUTS.len();
    prop_oneof![
        4 => (any::<bool>(), 0..3_u8).prop_map(|(a, n)| Edit::Source(a, n)),
        4 => output.clone().prop_map(Edit::Remove),
        3 => (output.clone(), 0..2_u8).prop_map(|(at, n)| Edit::Spoil(at, n)),
        1 => output.prop_map(Edit::Touch),
        1 => Just(Edit::Wipe),
        2 => (0..1000_usize).prop_map(Edit::LoseBlob),
        1 => (0..5_usize).prop_map(Edit::Manifest),
        1 => (0..5_usize).prop_map(Edit::Forget),
    ]
}

fn apply(chain: &Chain, edit: &Edit) {
    let root = &chain.bench.root;
    match edit {
        Edit::Source(a, n) => {
            let text = ["aaa", "aab", "longer"][usize::from(*n)];
            chain.bench.write(if *a { "raw/a" } else { "raw/b" }, text);
        }
        Edit::Remove(at) if root.join(OUTPUTS[*at]).exists() => chain.remove(OUTPUTS[*at]),
        Edit::Spoil(at, n) => {
            let path = root.join(OUTPUTS[*at]);
            if path.is_dir() {
                fs::write(path.join("stray.txt"), [*n]).unwrap();
            } else if path.exists() {
                fs::write(path, [*n]).unwrap();
            }
        }
        Edit::Touch(at) => {
            let path = root.join(OUTPUTS[*at]);
            if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                fs::write(&path, bytes).unwrap();
            }
        }
        Edit::Wipe => drop(fs::remove_dir_all(chain.bench.dir.join("store"))),
        Edit::LoseBlob(n) => {
            let blobs = chain.bench.dir.join("store/v1/blobs");
            if blobs.exists() {
                let files: Vec<_> = snapshot(&blobs)
                    .into_keys()
                    .filter(|it| it.is_file())
                    .collect();
                if let Some(blob) = files.get(n % files.len().max(1)) {
                    fs::remove_file(blob).unwrap();
                }
            }
        }
        Edit::Manifest(n) => {
            let name = &chain.pipeline.steps[*n].name;
            let path = root.join(format!(".ibid/manifests/{name}.json"));
            if path.exists() {
                fs::write(path, "{").unwrap();
            }
        }
        Edit::Forget(n) => {
            let name = &chain.pipeline.steps[*n].name;
            if let Some(manifest) = ibid_core::engine::manifest::read(root, name) {
                chain
                    .bench
                    .store()
                    .invalidate(&manifest.key, 1, "forgotten")
                    .unwrap();
            }
        }
        Edit::Remove(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_plan_and_the_run_after_it_agree_after_any_edits(
        rounds in proptest::collection::vec(proptest::collection::vec(edit(), 1..4), 1..5)
    ) {
        let chain = tutorial();
        chain.run();
        for edits in &rounds {
            for edit in edits {
                apply(&chain, edit);
            }
            chain.is_exact();
            chain.agrees();
            prop_assert_eq!(chain.told(&chain.plan()), UP_TO_DATE);
        }
    }
}
