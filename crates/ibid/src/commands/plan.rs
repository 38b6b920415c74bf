//! `ibid plan`: what a run would do about each step, and why.

use ibid_core::engine::schedule::{self, Expected, PlannedStep};
use ibid_core::pipeline::Pipeline;

use super::run::{Silent, order};
use crate::args::PlanArgs;
use crate::context::{Context, Session};
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::plan as report;
use crate::request::{self, Selection};
use crate::run::{Purpose, Run};

pub(super) fn run(args: &PlanArgs, context: &Context) -> Result<Exit, Failure> {
    let session = context.session(None, ibid_core::config::Overrides::default())?;
    let pipeline = session.pipeline()?;
    let selection = request::selection(&pipeline, &args.select, args.force)?;
    tell(&session, context, (&pipeline, selection))
}

/// Prints the plan of these steps.
pub(super) fn tell(
    session: &Session,
    context: &Context,
    (pipeline, selection): (&Pipeline, Selection),
) -> Result<Exit, Failure> {
    let planned = planned(session, context, (pipeline, selection))?;
    if context.console.is_json() {
        context
            .console
            .json_data(&report::document(&planned, pipeline))?;
    } else {
        let text = report::text(&planned, pipeline, context.console.data_paint());
        context.console.data(text.as_bytes())?;
    }
    let untried = planned
        .iter()
        .any(|step| matches!(step.expected, Expected::Error(_)));
    Ok(Exit::Code(if untried {
        exit::STEP_FAILED
    } else {
        exit::OK
    }))
}

/// Foresees what a run of these steps would do.
pub(crate) fn planned(
    session: &Session,
    context: &Context,
    (pipeline, selection): (&Pipeline, Selection),
) -> Result<Vec<PlannedStep>, Failure> {
    let run = Run::new(context, session, &session.root, Purpose::Foresee)?;
    Ok(schedule::plan(
        &order(pipeline, selection),
        &run.engine(&Silent),
    ))
}
