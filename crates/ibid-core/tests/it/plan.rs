//! What a plan says is what a run does, and a plan changes nothing: case by case.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ibid_core::action::StdinRequest;
use ibid_core::engine::Decision;
use ibid_core::engine::schedule::{Expected, Order};
use ibid_core::pipeline::StepId;

use crate::chain::{Chain, link, snapshot};

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
fn what_the_store_has_lost_another_command_may_bring_back() {
    let chain = Chain::new(&[
        link("a", "echo same > out1", &[], &["out1"], &[]),
        link("b", "echo same > out2", &[], &["out2"], &[]),
    ]);
    chain.run();
    for path in snapshot(&chain.bench.dir.join("store/v1/blobs")).into_keys() {
        if path.is_file() && fs::read(&path).unwrap() == b"same\n" {
            fs::remove_file(path).unwrap();
        }
    }
    chain.remove("out1");
    chain.remove("out2");
    chain.expects(&["a run: outputs", "b unknown until a"]);
    assert_eq!(chain.agrees(), ["a"]);
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
