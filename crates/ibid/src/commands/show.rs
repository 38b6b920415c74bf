//! `ibid show`: everything that is stored for a key.

use std::fmt::Write as _;

use ibid_core::action::{ComponentKind, HumanDuration, KeyRecord};
use ibid_core::digest::encoding::Value;
use ibid_core::store::{Access, OutputContent, StoredAs, StoredOutput, StoredResult};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::known::Known;
use super::{named, output::stored_result};
use crate::args::ShowArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{history, people, value};

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let result = stored_result(&known, &args.of)?;
    let record = named::record(&known.store, &result.key)?;
    let description = known.description(&result.run.label);
    if context.console.is_json() {
        let mut json = as_json(&result, &record);
        json["description"] = description.into();
        context.console.json_data(&json)?;
    } else {
        let text = as_text(&result, &record, description);
        context.console.data(text.as_bytes())?;
    }
    Ok(Exit::OK)
}

fn as_text(result: &StoredResult, record: &KeyRecord, description: Option<&str>) -> String {
    let run = &result.run;
    let user = run.user.as_deref().map(|user| format!(" by {user}"));
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {}", Escaped(value.as_bytes()));
    };
    row("key", &result.key.to_string());
    row("label", &run.label);
    if let Some(description) = description {
        row("about", description);
    }
    row("command", &command(record).unwrap_or_default());
    row(
        "ran",
        &format!(
            "{} on {}{}, in {}",
            history::local_time(run.started),
            run.host,
            user.unwrap_or_default(),
            HumanDuration(std::time::Duration::from_nanos(run.duration))
        ),
    );
    row("ibid", &run.version);
    row("exit code", &result.outcome.exit_code.to_string());
    text.push_str("outputs\n");
    for output in &result.outcome.outputs {
        let (content, stored) = (content(&output.content), stored_words(output.stored_as));
        let _ = writeln!(text, "  {}  {content}{stored}", place(output));
    }
    text.push_str("components\n");
    for component in record.components() {
        let _ = writeln!(text, "  {}", value::component(component));
    }
    text
}

/// Prints the command of a record as it would be typed.
pub(super) fn command(record: &KeyRecord) -> Option<String> {
    let components = record.components().iter();
    let mut commands = components.filter(|part| part.kind == ComponentKind::Command);
    commands.find_map(|part| match (part.title().as_str(), &part.value) {
        ("command/argv" | "command/shell", Value::Array(words)) => {
            Some(value::command_words(words))
        }
        ("command/call", Value::Text(name)) => Some(format!("{name}()")),
        _ => None,
    })
}

/// Returns where an output lies.
pub(super) fn place(output: &StoredOutput) -> String {
    match &output.at {
        Some(path) => path.to_string(),
        None => Escaped(&output.name).to_string(),
    }
}

/// Says what the store was not given.
fn stored_words(stored: StoredAs) -> &'static str {
    match stored {
        StoredAs::Content => "",
        StoredAs::Digest => ", its digest only",
        StoredAs::Keep => ", its digest only: it stays in place",
    }
}

fn content(content: &OutputContent) -> String {
    match content {
        OutputContent::File {
            executable,
            size,
            blob,
        } => {
            let executable = if *executable { "executable " } else { "" };
            let size = people::size(*size);
            format!("{executable}file {}, {size}", blob.short())
        }
        OutputContent::Tree(tree) => format!("folder {}", tree.short()),
        OutputContent::Link(text) => format!("link to {}", Escaped(text)),
    }
}

/// Returns a result with its components as JSON.
pub(super) fn as_json(result: &StoredResult, record: &KeyRecord) -> serde_json::Value {
    let run = &result.run;
    let outputs: Vec<_> = result.outcome.outputs.iter().map(output_json).collect();
    let components = record.components().iter();
    let components: Vec<_> = components.map(value::component_json).collect();
    json!({
        "key": result.key.to_string(),
        "label": run.label,
        "command": command(record),
        "started": history::utc_time(run.started),
        "duration_ns": run.duration,
        "host": run.host,
        "user": run.user,
        "ibid": run.version,
        "exit_code": result.outcome.exit_code,
        "outputs": outputs,
        "components": components,
    })
}

fn output_json(output: &StoredOutput) -> serde_json::Value {
    let mut json = match &output.content {
        OutputContent::File {
            executable,
            size,
            blob,
        } => json!({
            "kind": "file", "executable": executable, "size": size, "digest": blob.to_string(),
        }),
        OutputContent::Tree(tree) => json!({"kind": "folder", "digest": tree.to_string()}),
        OutputContent::Link(text) => json!({"kind": "link", "to": Escaped(text).to_string()}),
    };
    json["stored_as"] = match output.stored_as {
        StoredAs::Content => "content",
        StoredAs::Digest => "digest",
        StoredAs::Keep => "keep",
    }
    .into();
    json["path"] = place(output).into();
    json["declared"] = Escaped(&output.name).to_string().into();
    json
}
