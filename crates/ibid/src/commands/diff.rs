//! `ibid diff`: the components in which two keys or runs differ.

use ibid_core::action::diff;
use ibid_core::store::Access;
use serde_json::json;

use super::known::Known;
use super::{changed, named};
use crate::args::DiffArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(args: &DiffArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let old = named::find(&known, &args.old)?.key;
    let new = named::find(&known, &args.new)?.key;
    let record = |key| named::record(&known.store, key);
    let changes = diff(&record(&old)?, &record(&new)?);
    if context.console.is_json() {
        context.console.json_data(&json!({
            "old": old.to_string(),
            "new": new.to_string(),
            "changes": changed::as_json(&known, &changes),
        }))?;
        return Ok(Exit::OK);
    }
    let text = changed::as_text(&known, &changes, "");
    context.console.data(text.as_bytes())?;
    if changes.is_empty() {
        context.console.say("the keys are equal");
    }
    Ok(Exit::OK)
}
