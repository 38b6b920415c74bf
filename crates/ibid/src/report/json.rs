//! Events as JSON.
//!
//! With `--json` each event is one line on stderr, because stdout belongs to the command: an object
//! with `v` (the version of the format, 1) and `event`. Times are whole nanoseconds.

use std::time::Duration;

use ibid_core::engine::{Decision, Event, Note, Rerun, StepOutcome, Warning, Work};
use ibid_core::exec::Status;
use serde_json::{Value, json};

use super::value;

/// Names work on bytes.
pub(super) fn work_word(work: Work) -> &'static str {
    match work {
        Work::Hashing => "hashing",
        Work::Storing => "storing",
        Work::Restoring => "restoring",
    }
}

/// Returns an event as JSON, or `None` for one that only a person wants to see.
pub(super) fn event_json(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::WorkBegan { work, .. } => json!({"event": "work", "work": work_word(*work)}),
        Event::Prepared { label, key } => {
            json!({"event": "prepared", "label": label, "key": key.to_string()})
        }
        Event::Running { rerun } => {
            let mut event = rerun_json(rerun);
            event["event"] = "running".into();
            event
        }
        Event::Waiting { holder, what } => {
            json!({"event": "waiting", "holder": holder, "what": what})
        }
        Event::Note(note) => {
            json!({"event": "note", "note": note_word(note), "text": note.to_string()})
        }
        Event::Warning(warning) => json!({
            "event": "warning",
            "warning": warning_word(warning),
            "text": warning.to_string(),
        }),
        Event::Finished { label, outcome } => {
            let mut event = outcome_json(outcome);
            event["event"] = "finished".into();
            event["label"] = (*label).into();
            event
        }
        _ => return None,
    })
}

/// Returns why a step runs as JSON.
pub(super) fn rerun_json(rerun: &Rerun) -> Value {
    let triggers: Vec<_> = rerun
        .triggers
        .iter()
        .map(|trigger| trigger.word())
        .collect();
    let changes: Vec<_> = rerun.changes.iter().map(value::change_json).collect();
    json!({
        "triggers": triggers,
        "reason": rerun.reason,
        "changes": changes,
        "compared_to": rerun.compared_to.as_ref().map(ToString::to_string),
    })
}

/// Returns a duration in whole nanoseconds.
pub(super) fn nanos(duration: Duration) -> Value {
    let number = duration.as_nanos().to_string().parse().ok();
    number.map_or(Value::Null, Value::Number)
}

/// Returns how a step went as JSON.
pub(crate) fn outcome_json(outcome: &StepOutcome) -> Value {
    let mut event = json!({
        "key": outcome.key.to_string(),
        "exit_code": outcome.status.code(),
        "elapsed_ns": nanos(outcome.elapsed),
    });
    if let Status::Signalled { signal } = outcome.status {
        event["signal"] = signal.into();
    }
    match &outcome.decision {
        Decision::UpToDate { saved } => {
            event["decision"] = "up-to-date".into();
            event["saved_ns"] = nanos(*saved);
        }
        Decision::Restored {
            outputs,
            bytes,
            saved,
        } => {
            event["decision"] = "restored".into();
            event["outputs"] = (*outputs).into();
            event["bytes"] = (*bytes).into();
            event["saved_ns"] = nanos(*saved);
        }
        Decision::Ran {
            rerun,
            took,
            not_stored,
        } => {
            event["decision"] = "ran".into();
            event["took_ns"] = nanos(*took);
            event["rerun"] = rerun_json(rerun);
            event["stored"] = not_stored.is_none().into();
            event["not_stored"] = not_stored.as_ref().map(ToString::to_string).into();
        }
    }
    event
}

fn note_word(note: &Note) -> &'static str {
    match note {
        Note::Implied(_) => "implied",
        Note::AbsolutePath(_) => "absolute-path",
        Note::PipeWithoutPipefail(_) => "pipe-without-pipefail",
        Note::Replaced { .. } => "replaced",
        Note::Partial(_) => "partial",
        Note::NotDeterministic(_) => "not-deterministic",
        Note::NoHardLinks(_) => "no-hard-links",
        _ => "other",
    }
}

fn warning_word(warning: &Warning) -> &'static str {
    match warning {
        Warning::Damaged(_) => "damaged",
        Warning::NotRestored(_) => "not-restored",
        Warning::Store(_) => "store",
        _ => "other",
    }
}
