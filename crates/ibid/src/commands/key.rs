//! `ibid key`: what a command would be stored under, and everything that counts for it.

use std::fmt::Write as _;
use std::io::Read;

use ibid_core::engine::{self, Prepared};
use serde_json::json;

use super::exec::failure;
use crate::args::{ExecutionArgs, KeyArgs, StepArgs};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{Reporter, value};
use crate::request;
use crate::run::{OwnStdin, Purpose, Run};

pub(super) fn run(args: KeyArgs, context: &Context) -> Result<Exit, Failure> {
    let KeyArgs { step, run, .. } = args;
    let prepared = prepared((step, run), context, &mut OwnStdin)?;
    if context.console.is_json() {
        context.console.json_data(&as_json(&prepared))?;
    } else {
        context.console.data(as_text(&prepared).as_bytes())?;
    }
    Ok(Exit::OK)
}

/// Makes the key of a step; its standard input, if it is declared, is read from `stdin`.
pub(crate) fn prepared(
    (step, run): (StepArgs, ExecutionArgs),
    context: &Context,
    stdin: &mut dyn Read,
) -> Result<Prepared, Failure> {
    let root = step.makes.root.as_deref();
    let root = root.map(|root| request::asked_root(root, &context.place.dir));
    let session = context.session(root.transpose()?, request::overrides(&step, &run))?;
    let mut request = request::exec(step, &run, &context.place.dir, &session)?;
    let mut run = Run::new(context, &session, &request.root, Purpose::MakeKey)?;
    if request.stdin {
        run.spool_stdin(&mut request.step, stdin)?;
    }
    let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
    let prepared = engine::prepare(&request.step, &run.engine(&reporter));
    let prepared = prepared.map_err(|error| failure(&error))?;
    for note in &prepared.notes {
        context.console.note(&note.to_string());
    }
    Ok(prepared)
}

pub(crate) fn as_text(prepared: &Prepared) -> String {
    let mut text = format!("{}\n", prepared.key);
    for component in prepared.record.components() {
        let _ = writeln!(text, "  {}", value::component(component));
    }
    text
}

pub(crate) fn as_json(prepared: &Prepared) -> serde_json::Value {
    let components = prepared.record.components().iter();
    json!({
        "key": prepared.key.to_string(),
        "label": prepared.action.policy.label,
        "components": components.map(value::component_json).collect::<Vec<_>>(),
    })
}
