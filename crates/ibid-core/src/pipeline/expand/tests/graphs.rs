//! Edges, writers, settled patterns and selections.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use ibid_testkit::TempDir;

use super::words;
use crate::action::InputRequest;
use crate::pipeline::expand::sample::{Sample, StepSample};
use crate::pipeline::{Pipeline, Reach, StepId};
use crate::tree::RelPath;

/// Writes who waits for whom: `b<a c<a,b`.
fn edges(pipeline: &Pipeline) -> String {
    let mut text = String::new();
    for (index, step) in pipeline.steps.iter().enumerate() {
        let above = pipeline.graph.upstream(StepId::new(index)).iter();
        let above: Vec<&str> = above.map(|id| pipeline.step(*id).name.as_str()).collect();
        if !above.is_empty() {
            let _ = write!(text, "{}<{} ", step.name, above.join(","));
        }
    }
    text.trim_end().to_owned()
}

/// A step `a` with these outputs, and a step `b` with what `declare` adds.
fn two(outputs: &[&str], declare: impl FnOnce(&mut StepSample<'_>)) -> Sample {
    let a = Sample::default().step("a", |s| {
        for output in outputs {
            s.output("", output);
        }
    });
    a.step("b", declare)
}

/// Declares what a step reads.
type Declare = fn(&mut StepSample<'_>);

#[test]
fn whoever_reads_what_another_writes_waits_for_it() {
    let cases: [(&[&str], Declare, &str); 22] = [
        (&["x/y"], |s| s.input("", "x/y").done(), "b<a"),
        (&["x/y"], |s| s.input("", "./x//y").done(), "b<a"),
        (&["x/y"], |s| s.input("", "x").done(), "b<a"),
        (&["x/"], |s| s.input("", "x/y/z").done(), "b<a"),
        (&["x"], |s| s.input("", "xy").done(), ""),
        (&["x/*.csv"], |s| s.input("", "x/a.csv").done(), "b<a"),
        (&["x/*.csv"], |s| s.input("", "x/").done(), "b<a"),
        (&["x/*.csv"], |s| s.input("", "x/*.json").done(), ""),
        (&["x/*.csv"], |s| s.input("", "x/a*").done(), "b<a"),
        (&["x/"], |s| s.input("", "x/**/*.csv").done(), "b<a"),
        (&["x/d/"], |s| s.input("", "x/*.csv").done(), ""),
        (&["x/y"], |s| s.step.code = vec![s.located("x/y")], "b<a"),
        (&["x/y"], |s| s.step.stdin = Some(s.located("x/y")), "b<a"),
        (
            &["bin/t"],
            |s| s.step.tools = vec![s.located("bin/t")],
            "b<a",
        ),
        (&["t"], |s| s.step.tools = vec![s.located("t")], ""),
        (&["x/y"], |s| s.argv(&["cat", "--in=x/y"]).done(), "b<a"),
        (&["t"], |s| s.argv(&["./t"]).done(), "b<a"),
        (&["t"], |s| s.argv(&["t"]).done(), ""),
        (&["x/y"], |s| s.shell("cat <x/y | wc").done(), "b<a"),
        (&["x/y"], |s| s.shell("cat x/*").done(), "b<a"),
        (
            &["x/y"],
            |s| s.shell("echo >x/y2; ls . \"$x/y\"").done(),
            "",
        ),
        (&["x/y"], |s| s.after("a").done(), "b<a"),
    ];
    for (index, (outputs, declare, expected)) in cases.into_iter().enumerate() {
        assert_eq!(
            edges(&two(outputs, declare).expand()),
            expected,
            "case {index}"
        );
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
fn what_is_read_through_a_link_of_the_user_makes_an_edge() {
    type Declare = fn(&mut StepSample<'_>);
    let temp = TempDir::new();
    let link = |text: &str, name: &str| symlink(text, temp.join(name)).unwrap();
    std::fs::create_dir(temp.join("real")).unwrap();
    link("./real", "way");
    link("../way/y", "real/one");
    link("/", "out");
    link("ring", "ring");
    let cases: [(&[&str], Declare, &str); 9] = [
        (&["real/y"], |s| s.input("", "way/y").done(), "b<a"),
        (&["real/d/"], |s| s.argv(&["cat", "way/d/z"]).done(), "b<a"),
        (&["real/y"], |s| s.input("", "way").done(), "b<a"),
        (&["real/y"], |s| s.input("", "real/one").done(), "b<a"),
        (&["way/y"], |s| s.input("", "real/y").done(), "b<a"),
        (&["way/y"], |s| s.input("", "real/").done(), "b<a"),
        (&["real/y"], |s| s.input("", "way/z").done(), ""),
        (
            &["real/y"],
            |s| s.argv(&["cat", "out/x", "ring/x"]).done(),
            "",
        ),
        // What an earlier run left is not asked.
        (
            &["way", "real/y"],
            |s| s.argv(&["cat", "way/y"]).done(),
            "b<a",
        ),
    ];
    for (index, (outputs, declare, expected)) in cases.into_iter().enumerate() {
        let pipeline = two(outputs, declare).expand_in(temp.path()).unwrap();
        assert_eq!(edges(&pipeline), expected, "case {index}");
    }
}

#[test]
fn a_word_that_says_where_the_step_writes_makes_no_edge() {
    let make = |name: &'static str| {
        move |s: &mut StepSample<'_>| {
            s.shell("mkdir -p build && echo > {outputs}")
                .output("", &format!("build/{name}"));
        }
    };
    let pipeline = Sample::default().step("a", make("a")).step("b", make("b"));
    assert_eq!(edges(&pipeline.expand()), "");
    let ignored = two(&["x"], |s| {
        s.argv(&["grep", "x"]);
        let word = s.located("x");
        s.step.ignore_args.push(word);
    });
    assert_eq!(edges(&ignored.expand()), "");
}

#[test]
fn a_pattern_stands_for_the_declared_outputs_that_match() {
    let pipeline = Sample::default()
        .step("fit", |s| {
            s.axis("x", &["b", "a", "skip"])
                .output("", "build/fit-{matrix.x}.json");
        })
        .step("table", |s| {
            s.argv(&["table", "{inputs.all}", "{inputs.1}"]);
            s.input("all", "build/fit-*.json")
                .input("", "z.csv")
                .output("", "build/fit-all.json");
            let rule = s.located("build/fit-skip.json");
            s.step.exclude.push(rule);
        });
    let pipeline = pipeline.expand();
    let table = &pipeline.steps[3];
    let words = words(&table.step);
    assert_eq!(
        words,
        ["table", "build/fit-a.json", "build/fit-b.json", "z.csv"]
    );
    assert_eq!(table.step.inputs.len(), 3);
    let settled = &table.settled[0];
    assert_eq!(settled.pattern, "build/fit-*.json");
    let outputs: Vec<_> = settled.outputs.iter().map(ToString::to_string).collect();
    assert_eq!(outputs, ["build/fit-a.json", "build/fit-b.json"]);
    assert_eq!(edges(&pipeline), "table<fit@b,fit@a");
}

#[test]
fn a_pattern_that_reaches_what_only_the_disk_can_tell_stays_one() {
    for outputs in [
        &["x/a.csv", "x/sub/"][..],
        &["x/a.csv", "x/b-*.csv"],
        &["x/sub/"],
    ] {
        let pipeline = two(outputs, |s| s.input("", "x/**/*.csv").done()).expand();
        let b = &pipeline.steps[1];
        assert!(
            matches!(b.step.inputs.as_slice(), [InputRequest::Glob { .. }]),
            "{outputs:?}"
        );
        assert!(b.settled.is_empty());
        assert_eq!(edges(&pipeline), "b<a");
    }
    let none = two(&["y"], |s| s.input("", "x/*").done()).expand();
    assert!(matches!(
        none.steps[1].step.inputs[0],
        InputRequest::Glob { .. }
    ));
}

#[test]
fn matches_inside_an_output_that_is_a_directory_after_all_are_bound() {
    let pipeline = two(&["x/a.csv", "x/model"], |s| {
        s.input("", "x/**/*.csv").done();
    })
    .expand();
    let mut list = |_: &str| {
        let found = ["x/a.csv", "x/model/w.csv", "x/stray.csv"];
        Ok(found.map(|path| RelPath::new(path).unwrap()).to_vec())
    };
    let bound = pipeline.steps[1].bind(&mut list).unwrap();
    let named = bound.inputs.iter().map(|input| match input {
        InputRequest::Path { place, .. } => place.to_string(),
        other => panic!("{other:?}"),
    });
    assert_eq!(named.collect::<Vec<_>>(), ["x/a.csv", "x/model/w.csv"]);
}

#[test]
fn one_writer_a_path_and_no_output_in_another() {
    for (first, second, message) in [
        (
            "x/y",
            "x/y",
            "`x/y` is an output of `a` already (ibid.toml:3)",
        ),
        (
            "x",
            "x/y",
            "`x/y` lies in the output `x` of `a` (ibid.toml:3)",
        ),
        (
            "x/y",
            "x/",
            "`x` holds the output `x/y` of `a` (ibid.toml:3)",
        ),
        (
            "x/",
            "x/*.csv",
            "`x/*.csv` meets the output `x` of `a` (ibid.toml:3)",
        ),
        (
            "x/*.csv",
            "x/a.csv",
            "`x/a.csv` meets the output `x/*.csv` of `a` (ibid.toml:3)",
        ),
        (
            "x/a.csv",
            "x/**",
            "`x/**` meets the output `x/a.csv` of `a` (ibid.toml:3)",
        ),
        (
            "x/a*",
            "x/*b",
            "`x/*b` meets the output `x/a*` of `a` (ibid.toml:3)",
        ),
        (
            "x/*.csv",
            "x/*.csv",
            "`x/*.csv` is an output of `a` already (ibid.toml:3)",
        ),
    ] {
        let mistake = two(&[first], |s| s.output("", second).done()).mistake();
        assert_eq!(mistake.message, message);
        assert_eq!(mistake.excerpt.text, format!("\"{second}\""));
    }
    for (first, second) in [("x/*.csv", "x/*.json"), ("x/a", "x/ab"), ("x/a-b", "x/a")] {
        two(&[first], |s| s.output("", second).done()).expand();
    }
    let same = Sample::default().step("a", |s| s.output("", "x/").output("", "x/y").done());
    let told = same.mistake().message;
    assert_eq!(
        told,
        "`x/y` lies in the output `x` of the same step (ibid.toml:3)"
    );
    let points = Sample::default().step("fit", |s| s.axis("x", &["1", "2"]).output("", "o").done());
    let mistake = points.mistake();
    assert_eq!(
        mistake.message,
        "`o` is an output of `fit@1` already (ibid.toml:5)"
    );
    assert!(mistake.hint.unwrap().contains("{matrix.x}"));
}

#[test]
fn a_step_that_reads_its_own_output_is_refused() {
    for (output, input) in [("x", "x"), ("x/", "x/y"), ("x/*.csv", "x/a.csv")] {
        let sample = Sample::default().step("a", |s| s.output("", output).input("", input).done());
        let told = sample.mistake().message;
        assert!(
            told.starts_with(&format!("the step reads `{input}`, its own output")),
            "{told}"
        );
    }
    let beside = Sample::default().step("a", |s| {
        s.output("", "x/y")
            .input("", "x")
            .input("", "**")
            .output("", "z/*.csv");
    });
    assert_eq!(edges(&beside.expand()), "");
}

#[test]
fn a_cycle_is_told_with_the_paths_that_make_it() {
    let cycle = Sample::default()
        .step("a", |s| s.input("", "c.out").output("", "a.out").done())
        .step("b", |s| s.input("", "a.out").output("", "b.out").done())
        .step("c", |s| {
            s.input("", "b.out").after("a").output("", "c.out").done();
        });
    let mistake = cycle.mistake();
    assert_eq!(mistake.message, "steps wait for each other: `a -> c -> a`");
    assert_eq!(
        mistake.hint.unwrap(),
        "`a` reads `c.out` of `c` (ibid.toml:3); `c` comes after `a` (ibid.toml:12)"
    );
    assert_eq!(mistake.excerpt.text, "\"c.out\"");
    let alone = Sample::default().step("a", |s| s.after("a").done());
    assert_eq!(alone.mistake().message, "the step `a` waits for itself");
}

#[test]
fn after_takes_names_matrices_and_patterns() {
    let sample = |after: &str| {
        let first = Sample::default().step("fit", |s| s.axis("x", &["1", "2"]).done());
        first.step("fit-all", |s| s.after(after).done())
    };
    for (after, expected) in [
        ("fit", "fit-all<fit@1,fit@2"),
        ("fit@2", "fit-all<fit@2"),
        ("fit*", "fit-all<fit@1,fit@2"),
    ] {
        assert_eq!(edges(&sample(after).expand()), expected);
    }
    let mistake = sample("fti").mistake();
    assert_eq!(mistake.message, "no step is called `fti`");
    assert_eq!(mistake.suggestion.as_deref(), Some("fit"));
}

#[test]
fn a_name_is_given_once() {
    let mistake = Sample::default()
        .step("a", |_| ())
        .step("a", |_| ())
        .mistake();
    assert_eq!(
        mistake.message,
        "there is a step of this name already (ibid.toml:1)"
    );
    assert_eq!(mistake.excerpt.line, 3);
}

#[test]
fn the_producer_of_a_file_is_found_by_whatever_output_holds_it() {
    let pipeline = two(&["x/y", "d/", "p/*.csv"], |s| s.output("", "z").done()).expand();
    for (path, producer) in [
        ("x/y", Some(0)),
        ("d/e/f", Some(0)),
        ("p/a.csv", Some(0)),
        ("z", Some(1)),
        ("p/a.json", None),
        ("x", None),
    ] {
        let found = pipeline.producer(&RelPath::new(path).unwrap());
        assert_eq!(found.map(StepId::index), producer, "{path}");
    }
}

#[test]
fn selections_reach_as_far_as_they_are_told() {
    let pipeline = Sample::default()
        .step("clean", |s| s.output("", "c").done())
        .step("fit", |s| {
            s.axis("x", &["Adelie", "Gentoo"])
                .input("", "c")
                .output("", "f-{matrix.x}");
        })
        .step("table", |s| s.input("", "f-*").output("", "t").done())
        .step("other", |_| ());
    let pipeline = pipeline.expand();
    let select = |names: &[&str], reach| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let chosen = pipeline.select(&names, reach).unwrap().into_iter();
        chosen
            .map(|id| pipeline.step(id).name.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        select(&[], Reach::Only),
        "clean fit@Adelie fit@Gentoo table other"
    );
    assert_eq!(select(&["fit"], Reach::Only), "fit@Adelie fit@Gentoo");
    assert_eq!(select(&["fit@A*"], Reach::Upstream), "clean fit@Adelie");
    assert_eq!(
        select(&["fit@A*", "other"], Reach::Only),
        "fit@Adelie other"
    );
    assert_eq!(
        select(&["fit@Adelie"], Reach::Downstream),
        "clean fit@Adelie fit@Gentoo table"
    );
    assert_eq!(select(&["{clean,t*}"], Reach::Only), "clean table");
    let unknown = pipeline.named("fit@Adeli").unwrap_err();
    assert_eq!(unknown.suggestion.as_deref(), Some("fit@Adelie"));
    assert!(pipeline.named("x*").is_err() && pipeline.named("[").is_err());
}
