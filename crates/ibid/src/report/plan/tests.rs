//! What is told of plans.

use std::collections::{BTreeMap, BTreeSet};

use ibid_core::action::{Change, CommandLine, ComponentKind, ComponentName, Step, Trigger};
use ibid_core::digest::encoding::Value;
use ibid_core::digest::{Digest, Key};
use ibid_core::engine::{Error, Foreseen, Rerun};
use ibid_core::fs;
use ibid_core::pipeline::{Graph, PipelineStep, StepId};

use super::*;

fn pipeline(names: &[&str]) -> Pipeline {
    let steps = names.iter().map(|name| {
        let step = Step::new(CommandLine::Argv(vec![b"true".to_vec()]));
        PipelineStep::new(name, step)
    });
    Pipeline {
        name: "penguins".to_owned(),
        steps: steps.collect(),
        graph: Graph::new(vec![BTreeSet::new(); names.len()]).unwrap(),
        limits: BTreeMap::new(),
    }
}

fn planned(step: usize, expected: Expected, seconds: Option<u64>) -> PlannedStep {
    PlannedStep {
        step: StepId::new(step),
        expected,
        predicted: seconds.map(Duration::from_secs),
    }
}

fn foreseen(forecast: Forecast) -> Expected {
    let key = Key::new(Digest::of(b""));
    Expected::Foreseen(Foreseen { key, forecast })
}

fn up_to_date() -> Expected {
    let saved = Duration::from_secs(1);
    foreseen(Forecast::UpToDate { saved })
}

fn runs(params: usize) -> Expected {
    let change = |at| Change {
        kind: ComponentKind::Param,
        name: ComponentName::Text(format!("p{at}")),
        old: Some(Value::from("a")),
        new: Some(Value::from("b")),
    };
    let rerun = Rerun {
        triggers: [Trigger::Params].into(),
        changes: (0..params).map(change).collect(),
        ..Rerun::default()
    };
    foreseen(Forecast::Run { rerun })
}

#[test]
fn each_step_says_what_becomes_of_it_and_why_and_how_long_that_takes() {
    let pipeline = pipeline(&["clean", "fit@Adelie", "图表", "raw"]);
    let unread = fs::open_file("/nowhere/at/all".as_ref()).unwrap_err();
    let plan = [
        planned(3, Expected::Error(Error::Path(unread)), None),
        planned(0, runs(1), Some(12)),
        planned(
            1,
            Expected::Unknown {
                until: vec![StepId::new(0)],
            },
            Some(30),
        ),
        planned(2, up_to_date(), Some(5)),
    ];
    let text = text(&plan, &pipeline, Paint::Plain);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("raw         cannot run: "), "{text}");
    assert_eq!(
        lines[1..],
        [
            "clean       will run — params changed: param/p0 (about 12 s)",
            "    param/p0: \"a\" → \"b\"",
            "fit@Adelie  unknown until clean ran (about 30 s if it runs)",
            "图表        up to date",
            "",
            "4 steps: 1 will run, 1 unknown, 1 up to date, 1 cannot run",
            "commands: about 12 s, or 42 s if those that are unknown run, too",
        ]
    );
}

#[test]
fn of_many_changes_the_first_are_listed_and_the_rest_counted() {
    let pipeline = pipeline(&["fit"]);
    let text = text(&[planned(0, runs(25), None)], &pipeline, Paint::Plain);
    assert!(text.contains("    param/p9: "), "{text}");
    assert!(text.contains("\n    and 15 more\n"), "{text}");
    assert!(!text.contains("commands:"), "{text}");
}

#[test]
fn the_short_form_lists_what_is_not_up_to_date_and_not_too_much_of_it() {
    let names: Vec<String> = (0..100).map(|step| format!("s{step}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pipeline = pipeline(&names);
    let mut plan: Vec<_> = (0..100)
        .map(|step| planned(step, up_to_date(), None))
        .collect();
    let short = short_text(&plan, &pipeline, Paint::Plain);
    assert_eq!(short, "100 steps: all up to date\n");
    plan[7] = planned(7, runs(1), None);
    let short = short_text(&plan, &pipeline, Paint::Plain);
    assert_eq!(
        short,
        "s7  will run — params changed: param/p0\n100 steps: 1 will run, 99 up to date\n"
    );
    let plan: Vec<_> = (0..100).map(|step| planned(step, runs(1), None)).collect();
    let short = short_text(&plan, &pipeline, Paint::Plain);
    assert_eq!(short.lines().count(), 42, "{short}");
    assert!(
        short.contains("… and 60 more; `ibid plan` lists all\n"),
        "{short}"
    );
}

#[test]
fn programs_get_every_step_and_the_totals() {
    let pipeline = pipeline(&["clean", "fit"]);
    let plan = [
        planned(0, runs(1), None),
        planned(
            1,
            Expected::Unknown {
                until: vec![StepId::new(0)],
            },
            Some(2),
        ),
    ];
    let document = document(&plan, &pipeline);
    assert_eq!(document["steps"][0]["expected"], "run");
    assert_eq!(
        document["steps"][0]["rerun"]["changes"][0]["component"],
        "param/p0"
    );
    assert_eq!(document["steps"][1]["until"][0], "clean");
    assert_eq!(
        document["steps"][1]["predicted_ns"].to_string(),
        "2000000000"
    );
    assert_eq!(
        (&document["totals"]["run"], &document["totals"]["unknown"]),
        (&1.into(), &1.into())
    );
    assert_eq!(document["untimed"], 1);
    let short = short_document(&plan, &pipeline);
    assert_eq!(
        short["steps"][1],
        serde_json::json!({"step": "fit", "expected": "unknown"})
    );
}
