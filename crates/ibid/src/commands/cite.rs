//! `ibid cite`: which run made a file, by its content alone.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use ibid_core::action::{ComponentKind, HumanDuration, KeyRecord};
use ibid_core::digest::Digest;
use ibid_core::fs::Meter;
use ibid_core::scan::Scanner;
use ibid_core::store::{Access, FoundOutput};
use ibid_core::tree::{Escaped, Place, RelPath};
use serde_json::json;

use super::known::Known;
use super::{named, show};
use crate::args::{CiteArgs, CiteFormat};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::{history, people, value};

pub(super) fn run(args: &CiteArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let (session, store) = (&known.session, &known.store);
    let shown = people::path(&args.file);
    let path = context.place.dir.join(&args.file);
    let (stats, meter) = (session.stat_cache(false), Arc::new(Meter::new()));
    context.console.begin("hashing", &meter);
    let hashed = Scanner::new(&session.root, &stats, &meter).file_digest(&path);
    context.console.end();
    let digest = hashed
        .map_err(|error| {
            Failure::of(exit::USAGE, &error).hint("`ibid cite` takes a file that can be read")
        })?
        .digest;
    let mut found = store.find_output(&digest).map_err(named::unreadable)?;
    found.sort_by_key(|found| (!found.stands, std::cmp::Reverse(found.result.run.started)));
    let Some(first) = found.first() else {
        return Err(nobodys(&known, &path, &shown));
    };
    let record = named::record(store, &first.result.key)?;
    let step = known.step_of(&first.result.run.label);
    let step = step.and_then(|id| Some(known.pipeline()?.step(id).name.as_str()));
    match args.format {
        _ if context.console.is_json() => json_citation((&known, step), &digest, &found, &record)?,
        CiteFormat::Json => json_citation((&known, step), &digest, &found, &record)?,
        CiteFormat::Text => {
            let text = text((&shown, step), first, found.len() - 1, &record);
            context.console.data(text.as_bytes())?;
        }
        CiteFormat::Bibtex => context
            .console
            .data(bibtex(&digest, first, &record).as_bytes())?,
    }
    Ok(Exit::OK)
}

/// No run made these bytes; if a step of the project writes the file, somebody edited it.
fn nobodys(known: &Known<'_>, path: &Path, shown: &str) -> Failure {
    let failure = Failure::new(
        exit::STEP_FAILED,
        format!("no run that this cache knows made `{shown}`"),
    );
    let place = Place::resolve(
        path.as_os_str().as_bytes(),
        &RelPath::ROOT,
        &known.session.root,
    );
    let step = place.inside().and_then(|path| known.writer(path));
    let step = step.and_then(|id| Some(known.pipeline()?.step(id)));
    let Some(step) = step else {
        return failure
            .hint("only stored outputs are known, and a change of one byte makes another file");
    };
    let name = Escaped(step.name.as_bytes());
    let label = &step.step.policy.label;
    let ran = known.store.entries_of(label, 1).unwrap_or_default();
    let ran = ran.iter().any(|entry| entry.result.is_some());
    let failure = failure.cause(if ran {
        format!("the step `{name}` writes it, and none of its runs gave these bytes: it was edited")
    } else {
        format!("the step `{name}` writes it, and this cache knows of no result of that step")
    });
    failure.hint(format!(
        "`ibid run {name}` puts it right, and keeps what stands there in `.ibid/replaced`"
    ))
}

fn text(
    (shown, step): (&str, Option<&str>),
    found: &FoundOutput,
    others: usize,
    record: &KeyRecord,
) -> String {
    let run = &found.result.run;
    let mut text = format!("{shown} is {}\n", place(found));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<8} {}", Escaped(value.as_bytes()));
    };
    if let Some(step) = step {
        row("step", step);
    }
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
    (known, step): (&Known<'_>, Option<&str>),
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
    known.context.console.json_data(&json!({
        "step": step,
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
