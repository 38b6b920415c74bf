//! `ibid config`: every setting, and which layer said so.

use std::fmt::Write as _;

use ibid_core::config::{Entry, Overrides};
use serde_json::{Value, json};

use crate::args::ConfigArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

pub(super) fn run(args: &ConfigArgs, context: &Context) -> Result<Exit, Failure> {
    let session = context.session(None, Overrides::default())?;
    let entries = session.config.entries();
    if context.console.is_json() {
        let settings: Value = entries.iter().map(as_json).collect::<Vec<_>>().into();
        context
            .console
            .json_data(&json!({ "settings": settings }))?;
        return Ok(Exit::OK);
    }
    let mut text = String::new();
    for Entry {
        spec,
        value,
        origin,
    } in &entries
    {
        let value = match value.as_str() {
            "" => "(none)",
            value => value,
        };
        if args.show_origin {
            let _ = writeln!(text, "{:<12} {value}  ({origin})", spec.name);
        } else {
            let _ = writeln!(text, "{:<12} {value}", spec.name);
        }
    }
    context.console.data(text.as_bytes())?;
    Ok(Exit::OK)
}

fn as_json(entry: &Entry<'_>) -> Value {
    json!({
        "name": entry.spec.name,
        "value": entry.value,
        "origin": entry.origin.to_string(),
        "variable": entry.spec.variable,
        "expected": entry.spec.expected,
        "about": entry.spec.doc,
    })
}
