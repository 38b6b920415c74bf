//! A random pipeline is edited at random; each time the plan is compared with the run that
//! follows, and what the run leaves with what it should be by a calculation of our own.
//!
//! ```text
//! edit -> plan (no file may change) -> run (as planned, outputs as calculated) -> edit -> …
//! ```

use std::collections::BTreeMap;

use super::pipeline::{Edit, Project};
use super::random::Random;
use super::snapshot::Snapshot;
use super::{Plan, Report};
use crate::TestEnv;

/// Edits `plan.times` times.
pub fn promise(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    let mut random = Random::new(plan.seed);
    let env = TestEnv::new(&plan.binary);
    let mut project = Project::random(STEPS, &mut random);
    project.write(&env);
    let mut tally = BTreeMap::new();
    let mut done = 0;
    for round in 0..=plan.times {
        if report.is_over(plan) {
            break;
        }
        let edit = if round == 0 {
            "first run".to_owned()
        } else {
            let edit = Edit::random(&project, &mut random);
            edit.make(&mut project, &env);
            edit.to_string()
        };
        let mut wrong = Vec::new();
        let workers = ["1", "4"][random.below(2)];
        compare((&env, workers), &project, &mut tally, &mut wrong);
        done += usize::from(round > 0);
        for what in wrong {
            report.violation(format!("round {round}, {edit}: {what}"));
        }
        if report.violations().len() > 20 {
            break;
        }
    }
    let counts: Vec<_> = tally
        .iter()
        .map(|((planned, did), count)| format!("{planned} -> {did}: {count}"))
        .collect();
    report.say(format!(
        "{done} edits of a pipeline of {STEPS} steps; planned -> done: {}",
        counts.join(", ")
    ));
    report
}

/// Steps of the pipeline.
const STEPS: usize = 60;

/// How often a step was planned so and done so.
type Tally = BTreeMap<(String, String), usize>;

/// Plans, runs, and notes what does not agree.
fn compare(
    (env, workers): (&TestEnv, &str),
    project: &Project,
    tally: &mut Tally,
    wrong: &mut Vec<String>,
) {
    let places = [env.work(""), env.cache(), env.home("")];
    let before = places.each_ref().map(|place| Snapshot::of(place));
    let planned = env.run(["plan", "--json"]);
    for (place, before) in places.iter().zip(&before) {
        if let Some(difference) = before.difference(&Snapshot::of(place)) {
            wrong.push(format!("`plan` changed a file: {difference}"));
        }
    }
    let ran = env.run(["run", "--json", "--keep-going", "-j", workers]);
    let code = Some(i32::from(project.fails()));
    if planned.code != Some(0) || ran.code != code {
        wrong.push(format!("{}\n{}", planned.story(), ran.story()));
        return;
    }
    let expected = expected(&planned.raw.0);
    let done = done(&ran.raw.0);
    for step in project.names() {
        let (expected, done) = (word(&expected, &step), word(&done, &step));
        let agrees = matches!(
            (expected.as_str(), done.as_str()),
            (
                "unknown",
                "ran" | "restored" | "up-to-date" | "skipped" | "failed"
            ) | ("run", "ran" | "failed")
                | ("hit", "restored")
                | ("up-to-date", "up-to-date")
        );
        if !agrees {
            wrong.push(format!(
                "{step} was planned as `{expected}` and was `{done}`\n{}\n{}",
                about(&env.read("ibid.toml"), &format!("[steps.{step}]")),
                about(&ran.raw.0, &format!("\"step\":\"{step}\"")),
            ));
        }
        *tally.entry((expected, done)).or_default() += 1;
    }
    wrong.extend(project.mistakes(env));
}

fn word(words: &BTreeMap<String, String>, step: &str) -> String {
    words.get(step).map_or("nothing", String::as_str).to_owned()
}

/// Returns the lines that hold a text, each with the few that follow it up to a blank one.
fn about(text: &[u8], what: &str) -> String {
    let text = String::from_utf8_lossy(text);
    let mut shown = Vec::new();
    let mut left = 0_usize;
    for line in text.lines() {
        left = if line.contains(what) { 5 } else { left };
        if left > 0 {
            shown.push(line);
        }
        left = if line.is_empty() {
            0
        } else {
            left.saturating_sub(1)
        };
    }
    shown.join("\n")
}

/// Reads what a plan says of each step.
fn expected(stdout: &[u8]) -> BTreeMap<String, String> {
    let plan: serde_json::Value = serde_json::from_slice(stdout).unwrap_or_default();
    let steps = plan["steps"].as_array().into_iter().flatten();
    steps
        .filter_map(|step| Some((text(&step["step"])?, text(&step["expected"])?)))
        .collect()
}

/// Reads how each step of a run was finished.
fn done(stdout: &[u8]) -> BTreeMap<String, String> {
    let lines = stdout.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
        .filter(|event| event["event"] == "finished")
        .filter_map(|event| {
            let state = text(&event["state"]).filter(|state| state != "done");
            Some((
                text(&event["step"])?,
                state.or_else(|| text(&event["decision"]))?,
            ))
        })
        .collect()
}

fn text(value: &serde_json::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
