//! `ibid diff`: the components in which two keys differ.

use ibid_core::action::diff;
use serde_json::json;

use super::named;
use crate::args::DiffArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::value;

pub(super) fn run(args: &DiffArgs, context: &Context) -> Result<Exit, Failure> {
    let store = context.stored()?;
    let old = named::find(&store, &args.old)?.key;
    let new = named::find(&store, &args.new)?.key;
    let changes = diff(&named::record(&store, &old)?, &named::record(&store, &new)?);
    if context.console.is_json() {
        let changes: Vec<_> = changes.iter().map(value::change_json).collect();
        context.console.json_data(&json!({
            "old": old.to_string(),
            "new": new.to_string(),
            "changes": changes,
        }))?;
        return Ok(Exit::OK);
    }
    let lines = changes.iter().map(|change| value::change(change) + "\n");
    context.console.data(lines.collect::<String>().as_bytes())?;
    if changes.is_empty() {
        context.console.say("the keys are equal");
    }
    Ok(Exit::OK)
}
