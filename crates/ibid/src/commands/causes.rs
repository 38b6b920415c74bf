//! A chain of causes, for people and for programs.

use std::fmt::Write as _;

use ibid_core::action::{Change, ComponentKind, ComponentName};
use ibid_core::engine::chain::{Cause, Maker, Upstream};
use ibid_core::store::{RunEntry, RunOutcome};
use ibid_core::tree::{Escaped, RelPath};
use serde_json::json;

use super::known::Known;
use super::{changed, why};
use crate::report::{history, people, value};

/// So many changes of one run are named.
const NAMED: usize = 3;

/// Prints a chain a run a line, each further in than what it caused.
pub(super) fn as_text(known: &Known<'_>, cause: &Cause) -> String {
    let mut text = format!("{}\n", sentence(known, cause));
    upstream(known, cause, "  ", &mut text);
    text
}

fn upstream(known: &Known<'_>, cause: &Cause, indent: &str, text: &mut String) {
    let is_one_of_several = cause.upstream.len() > 1;
    for Upstream { paths, label, by } in &cause.upstream {
        let subject = if is_one_of_several {
            let paths: Vec<_> = paths.iter().map(RelPath::to_string).collect();
            format!("{} changed ", quoted(&paths))
        } else {
            String::new()
        };
        let name = Escaped(known.name_of(label).as_bytes());
        let _ = match by {
            Maker::Run(cause) => {
                writeln!(text, "{indent}{subject}because {}", sentence(known, cause))
            }
            Maker::Told(run) => {
                let verb = verb(run);
                writeln!(
                    text,
                    "{indent}{subject}because `{name}` {verb}, as told above"
                )
            }
            Maker::Further(run) => {
                let verb = verb(run);
                writeln!(
                    text,
                    "{indent}{subject}because `{name}` {verb}: `ibid why {name}`"
                )
            }
            Maker::Unknown => writeln!(
                text,
                "{indent}{subject}but no known run of `{name}`, which writes it, gave these bytes"
            ),
        };
        if let Maker::Run(cause) = by {
            upstream(known, cause, &format!("{indent}  "), text);
        }
    }
}

/// Says what became of a step, and because of what: `` `fit` re-ran because `a.csv` changed ``.
fn sentence(known: &Known<'_>, cause: &Cause) -> String {
    let name = Escaped(known.name_of(&cause.run.label).as_bytes());
    let verb = verb(&cause.run);
    let reasons: Vec<_> = if cause.changes.is_empty() {
        let triggers = cause.run.triggers.iter().copied();
        triggers.map(|it| why::in_words(it).to_owned()).collect()
    } else {
        let changes = cause.changes.iter();
        changes.map(|change| of_change(known, change)).collect()
    };
    if reasons.is_empty() {
        return format!("`{name}` {verb}");
    }
    let reasons = people::some_of(&reasons, NAMED);
    format!("`{name}` {verb} because {reasons}")
}

fn verb(run: &RunEntry) -> &'static str {
    match run.outcome {
        RunOutcome::Hit => "was restored",
        _ if run.compared_to.is_some() => "re-ran",
        _ => "ran",
    }
}

/// Says what changed: a file by its path, anything else by its values.
fn of_change(known: &Known<'_>, change: &Change) -> String {
    use ComponentKind::{Code, Implied, Input, Tool};
    let is_file = matches!(change.kind, Code | Implied | Input | Tool);
    let ComponentName::Bytes(_) = &change.name else {
        return value::change(change);
    };
    if !is_file {
        return value::change(change);
    }
    let what = match (&change.old, &change.new) {
        (None, _) => "is new",
        (_, None) => "is gone",
        _ => "changed",
    };
    let much = changed::how_much(known, change);
    let much = much.map_or_else(String::new, |much| format!(": {much}"));
    format!("`{}` {what}{much}", change.name)
}

fn quoted(paths: &[String]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
    people::some_of(&paths, NAMED)
}

/// Returns a chain as JSON.
pub(super) fn as_json(known: &Known<'_>, cause: &Cause) -> serde_json::Value {
    let upstream = cause.upstream.iter().map(|Upstream { paths, label, by }| {
        let paths: Vec<_> = paths.iter().map(RelPath::to_string).collect();
        let mut json = json!({
            "paths": paths,
            "label": label,
            "step": known.name_of(label),
        });
        match by {
            Maker::Run(cause) => json["run"] = as_json(known, cause),
            Maker::Told(run) | Maker::Further(run) => json["told"] = of_run(known, run),
            Maker::Unknown => json["run"] = serde_json::Value::Null,
        }
        json
    });
    let upstream: Vec<_> = upstream.collect();
    let mut json = of_run(known, &cause.run);
    json["compared_to"] = match &cause.earlier {
        Some(earlier) => earlier.key.to_string().into(),
        None => serde_json::Value::Null,
    };
    json["changes"] = changed::as_json(known, &cause.changes);
    json["upstream"] = upstream.into();
    json
}

fn of_run(known: &Known<'_>, run: &RunEntry) -> serde_json::Value {
    let triggers: Vec<_> = run.triggers.iter().map(|trigger| trigger.word()).collect();
    json!({
        "label": run.label,
        "step": known.name_of(&run.label),
        "time": history::utc_time(run.time),
        "key": run.key.to_string(),
        "outcome": run.outcome.word(),
        "triggers": triggers,
    })
}
