//! `ibid cite`: which run made a file, by its content alone.

use std::fmt::Write as _;

use ibid_core::action::{ComponentKind, HumanDuration, KeyRecord};
use ibid_core::digest::Digest;
use ibid_core::fs;
use ibid_core::store::FoundOutput;
use ibid_core::tree::Escaped;
use serde_json::json;

use super::{named, show};
use crate::args::{CiteArgs, CiteFormat};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::{history, people, value};

pub(super) fn run(args: &CiteArgs, context: &Context) -> Result<Exit, Failure> {
    let store = context.stored()?;
    let shown = people::path(&args.file);
    let path = context.dir.join(&args.file);
    let hashed = fs::open_file(&path).and_then(|file| fs::hash_whole(&file, &path));
    let (digest, _) = hashed.map_err(|error| {
        Failure::usage(format!("cannot read `{shown}`"))
            .because_of(std::error::Error::source(&error))
            .hint("`ibid cite` takes a file that can be read")
    })?;
    let mut found = store.find_output(&digest).map_err(named::unreadable)?;
    found.sort_by_key(|found| (!found.stands, std::cmp::Reverse(found.result.run.started)));
    let Some(first) = found.first() else {
        return Err(Failure::new(
            exit::STEP_FAILED,
            format!("no run that this cache knows made `{shown}`"),
        )
        .hint("only stored outputs are known, and a change of one byte makes another file"));
    };
    let record = named::record(&store, &first.result.key)?;
    match args.format {
        _ if context.console.is_json() => json_citation(context, &digest, &found, &record)?,
        CiteFormat::Json => json_citation(context, &digest, &found, &record)?,
        CiteFormat::Text => {
            let text = text(&shown, first, found.len() - 1, &record);
            context.console.data(text.as_bytes())?;
        }
        CiteFormat::Bibtex => context
            .console
            .data(bibtex(&digest, first, &record).as_bytes())?,
    }
    Ok(Exit::OK)
}

fn text(shown: &str, found: &FoundOutput, others: usize, record: &KeyRecord) -> String {
    let run = &found.result.run;
    let mut text = format!("{shown} is {}\n", place(found));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<8} {}", Escaped(value.as_bytes()));
    };
    row("label", &run.label);
    row("command", &show::command(record).unwrap_or_default());
    let took = HumanDuration(std::time::Duration::from_nanos(run.duration));
    row(
        "ran",
        &format!(
            "{} on {}, in {took}",
            history::local_time(run.started),
            run.host
        ),
    );
    row("key", &found.result.key.to_string());
    for component in record.components() {
        use ComponentKind::{Code, Image, Implied, Input, Param, Tool, Version};
        if matches!(
            component.kind,
            Code | Image | Implied | Input | Param | Tool | Version
        ) {
            let _ = writeln!(text, "  {}", value::component(component));
        }
    }
    if others > 0 {
        let runs = people::count(others, "other output");
        let _ = writeln!(text, "  {runs} with the same bytes: `--json` lists them");
    }
    text
}

fn place(found: &FoundOutput) -> String {
    match &found.below {
        Some(below) => format!("{}/{below}", show::place(&found.output)),
        None => show::place(&found.output),
    }
}

fn json_citation(
    context: &Context,
    digest: &Digest,
    found: &[FoundOutput],
    record: &KeyRecord,
) -> Result<(), Failure> {
    let runs: Vec<_> = found
        .iter()
        .map(|found| {
            json!({
                "key": found.result.key.to_string(),
                "label": found.result.run.label,
                "path": place(found),
                "started": history::utc_time(found.result.run.started),
                "stands": found.stands,
            })
        })
        .collect();
    context.console.json_data(&json!({
        "digest": digest.to_string(),
        "made_by": show::as_json(&found[0].result, record),
        "runs": runs,
    }))
}

/// Makes an entry that a reference manager takes. Braces and backslashes would end or change it.
fn bibtex(digest: &Digest, found: &FoundOutput, record: &KeyRecord) -> String {
    let plain = |text: &str| {
        Escaped(text.as_bytes())
            .to_string()
            .replace(['{', '}', '\\'], "_")
    };
    let run = &found.result.run;
    let day = history::utc_time(run.started);
    format!(
        "@misc{{ibid-{},\n  title = {{{}}},\n  howpublished = {{{}}},\n  year = {{{}}},\n  note = \
         {{computed {day}, ibid key {}, content {digest}}}\n}}\n",
        digest.short(),
        plain(&place(found)),
        plain(&show::command(record).unwrap_or_default()),
        &day[..4],
        found.result.key,
    )
}
