//! Events of a run of many steps as JSON: those of its steps with the field `step`, and its own.

use ibid_core::engine::schedule::{Finished, RunReport};
use ibid_core::engine::{self, Event};
use ibid_core::pipeline::{Pipeline, StepId};
use serde_json::{Value, json};

use super::super::json::{event_json, nanos, outcome_json};
use super::words::Counts;

/// Returns an event of a step, or `None` for one that only a person wants to see, and for the end
/// of an attempt, which the run tells in its own words.
pub(super) fn of_step(name: &str, event: &Event<'_>) -> Option<Value> {
    if matches!(event, Event::Finished { .. }) {
        return None;
    }
    let mut event = event_json(event)?;
    event["step"] = name.into();
    Some(event)
}

/// Returns what a step printed, as far as it is kept.
pub(super) fn output(name: &str, bytes: &[u8], left_out: u64) -> Value {
    let mut event = json!({"event": "output", "step": name, "left_out": left_out});
    match std::str::from_utf8(bytes) {
        Ok(text) => event["text"] = text.into(),
        Err(_) => event["bytes"] = bytes.into(),
    }
    event
}

/// Returns how a step went.
pub(super) fn finished(step: StepId, finished: &Finished, pipeline: &Pipeline) -> Value {
    let mut event = match finished {
        Finished::Done(outcome) => with_state(outcome_json(outcome), "done"),
        Finished::Failed(outcome) => with_state(outcome_json(outcome), "failed"),
        Finished::Error(error) => with_state(
            json!({"message": engine::chain(error), "hints": Vec::from_iter(error.hint())}),
            "error",
        ),
        Finished::Skipped { because } => {
            with_state(json!({"because": pipeline.step(*because).name}), "skipped")
        }
        Finished::NotStarted => with_state(json!({}), "not-started"),
    };
    event["event"] = "finished".into();
    event["step"] = pipeline.step(step).name.as_str().into();
    event["label"] = pipeline.label(step).into();
    event
}

fn with_state(mut value: Value, state: &str) -> Value {
    value["state"] = state.into();
    value
}

/// Returns how the whole run went.
pub(super) fn ended(report: &RunReport) -> Value {
    let counts = Counts::of(report);
    json!({
        "event": "ended",
        "steps": counts.steps,
        "ran": counts.ran,
        "restored": counts.restored,
        "up_to_date": counts.up_to_date,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "not_started": counts.not_started,
        "saved_ns": nanos(counts.saved),
        "elapsed_ns": nanos(report.elapsed),
        "interrupted": report.interrupted,
    })
}
