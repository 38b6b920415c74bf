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
    let mut fields = event_json(event)?;
    let word = fields.as_object_mut()?.remove("event")?;
    Some(headed(&word, name, fields))
}

/// Puts what an event is and whose in front of its fields, where a person who reads along looks.
fn headed(word: &Value, name: &str, fields: Value) -> Value {
    let mut event = json!({"event": word, "step": name});
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        event.extend(fields);
    }
    event
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
    let (state, fields) = match finished {
        Finished::Done(outcome) => ("done", outcome_json(outcome)),
        Finished::Failed(outcome) => ("failed", outcome_json(outcome)),
        Finished::Error(error) => (
            "error",
            json!({"message": engine::chain(error), "hints": Vec::from_iter(error.hint())}),
        ),
        Finished::Skipped { because } => {
            ("skipped", json!({"because": pipeline.step(*because).name}))
        }
        Finished::NotStarted => ("not-started", json!({})),
    };
    let mut head = json!({"label": pipeline.label(step), "state": state});
    if let (Value::Object(head), Value::Object(fields)) = (&mut head, fields) {
        head.extend(fields);
    }
    headed(&"finished".into(), &pipeline.step(step).name, head)
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
        "interrupted": counts.interrupted,
        "not_started": counts.not_started,
        "saved_ns": nanos(counts.saved),
        "elapsed_ns": nanos(report.elapsed),
        "signal": report.interrupted,
    })
}
