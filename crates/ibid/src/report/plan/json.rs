//! Plans for programs.

use ibid_core::engine::schedule::{Expected, PlannedStep};
use ibid_core::engine::{self, Forecast};
use ibid_core::pipeline::Pipeline;
use serde_json::{Value, json};

use super::super::json::{nanos, rerun_json};
use super::contents;
use super::totals::Totals;

/// Returns a plan as JSON.
pub(crate) fn document(planned: &[PlannedStep], pipeline: &Pipeline) -> Value {
    let steps: Vec<_> = planned
        .iter()
        .map(|step| step_json(step, pipeline))
        .collect();
    let totals = Totals::of(planned);
    json!({
        "pipeline": pipeline.name,
        "steps": steps,
        "totals": totals.json(),
        "predicted_ns": nanos(totals.surely),
        "predicted_unknown_ns": nanos(totals.perhaps),
        "untimed": totals.untimed,
    })
}

/// Returns the short form of a plan as JSON.
pub(crate) fn short_document(planned: &[PlannedStep], pipeline: &Pipeline) -> Value {
    let steps = planned.iter().map(|step| {
        json!({
            "step": pipeline.step(step.step).name,
            "expected": expected_word(&step.expected),
        })
    });
    json!({
        "pipeline": pipeline.name,
        "steps": steps.collect::<Vec<_>>(),
        "totals": Totals::of(planned).json(),
    })
}

fn expected_word(expected: &Expected) -> &'static str {
    match expected {
        Expected::Foreseen(foreseen) => match foreseen.forecast {
            Forecast::UpToDate { .. } => "up-to-date",
            Forecast::Restore { .. } => "hit",
            Forecast::Run { .. } => "run",
        },
        Expected::Unknown { .. } => "unknown",
        Expected::Error(_) => "error",
    }
}

fn step_json(planned: &PlannedStep, pipeline: &Pipeline) -> Value {
    let mut step = json!({
        "step": pipeline.step(planned.step).name,
        "label": pipeline.label(planned.step),
        "description": pipeline.step(planned.step).description,
        "expected": expected_word(&planned.expected),
        "predicted_ns": planned.predicted.map(nanos),
    });
    match &planned.expected {
        Expected::Foreseen(foreseen) => {
            step["key"] = foreseen.key.to_string().into();
            match &foreseen.forecast {
                Forecast::UpToDate { saved } => step["saved_ns"] = nanos(*saved),
                Forecast::Restore { result } => {
                    let (outputs, bytes) = contents(result);
                    step["outputs"] = outputs.into();
                    step["bytes"] = bytes.into();
                    step["saved_ns"] = result.run.duration.into();
                }
                Forecast::Run { rerun } => step["rerun"] = rerun_json(rerun),
            }
        }
        Expected::Unknown { until } => {
            let names = until.iter().map(|step| pipeline.step(*step).name.as_str());
            step["until"] = names.collect::<Vec<_>>().into();
        }
        Expected::Error(error) => {
            step["message"] = engine::chain(error).into();
            step["hints"] = Vec::from_iter(error.hint()).into();
        }
    }
    step
}
