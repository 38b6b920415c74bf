//! `ibid status`: which steps are up to date and which are not, in few words.

use ibid_core::config::Overrides;

use super::plan::planned;
use crate::args::{SelectArgs, StatusArgs};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::plan as report;
use crate::request;

pub(super) fn run(args: StatusArgs, context: &Context) -> Result<Exit, Failure> {
    let session = context.session(None, Overrides::default())?;
    let pipeline = session.pipeline()?;
    let select = SelectArgs {
        steps: args.steps,
        ..SelectArgs::default()
    };
    let selection = request::selection(&pipeline, &select, false)?;
    let planned = planned(&session, context, (&pipeline, selection))?;
    if context.console.is_json() {
        let document = report::short_document(&planned, &pipeline);
        context.console.json_data(&document)?;
    } else {
        let text = report::short_text(&planned, &pipeline, context.console.data_paint());
        context.console.data(text.as_bytes())?;
    }
    Ok(Exit::OK)
}
