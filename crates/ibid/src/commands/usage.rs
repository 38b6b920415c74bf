//! `ibid usage`: what takes how much.

use std::fmt::Write as _;

use ibid_core::maintain::{self, AgeBand, Inventory, LabelUsage, Usage};
use ibid_core::store::Access;
use ibid_core::tree::Escaped;
use serde_json::json;

use super::known::Known;
use super::named;
use crate::args::UsageArgs;
use crate::context::{Context, now};
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{history, people};

/// So many steps are listed for people.
const LISTED: usize = 15;

pub(super) fn run(_args: &UsageArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    known.session.recall_listings(&known.store);
    let inventory = maintain::take(&known.store, now()).map_err(named::unreadable)?;
    let usage = maintain::usage(&inventory);
    if context.console.is_json() {
        let mut answer = as_json(&usage);
        answer["store"] = people::path(known.store.dir()).into();
        answer["unknown"] = json!(inventory.unknown);
        context.console.json_data(&answer)?;
        return Ok(Exit::OK);
    }
    if known
        .store
        .last_collected()
        .map_err(named::unreadable)?
        .is_none()
    {
        known.say_no_cache();
        return Ok(Exit::OK);
    }
    context.console.data(as_text(&usage).as_bytes())?;
    warn(&inventory, context);
    Ok(Exit::OK)
}

/// Tells what is missing from the sums, because it could not be read.
fn warn(inventory: &Inventory, context: &Context) {
    if let [first, ..] = inventory.unknown.as_slice() {
        let parts = people::count(inventory.unknown.len(), "part");
        let first = Escaped(first.as_bytes());
        context.console.warn(&format!(
            "{parts} of the cache could not be read, so their files may be counted as not needed: \
             {first}; `ibid fsck` tells all"
        ));
    }
}

fn as_text(usage: &Usage) -> String {
    let mut text = String::new();
    let results = people::count(usage.results, "result");
    let blobs = people::count(usage.blob_count, "file");
    let needed = usage.blobs.saturating_sub(usage.unreachable);
    let parts = [usage.blobs, usage.trash, usage.leftovers];
    let rest = parts.into_iter().fold(usage.disk, u64::saturating_sub);
    let mut row = |name: &str, bytes: u64, more: &str| {
        let _ = writeln!(text, "{name:<16} {:>9}{more}", people::size(bytes));
    };
    row("on disk", usage.disk, &format!("  {results} in {blobs}"));
    row("  in use", needed, "");
    for (name, bytes, more) in [
        (
            "  not needed",
            usage.unreachable,
            "  by any result: goes by itself",
        ),
        (
            "  trash",
            usage.trash,
            "  goes by itself, at once where room is needed",
        ),
        (
            "  leftovers",
            usage.leftovers,
            "  of interrupted runs: go by themselves",
        ),
    ] {
        if bytes > 0 {
            row(name, bytes, more);
        }
    }
    row("  bookkeeping", rest, "  keys, history, folders");
    let saved = usage.logical.saturating_sub(usage.distinct);
    let all = people::size(usage.logical);
    row(
        "sharing saves",
        saved,
        &format!("  of {all} in all results"),
    );
    if usage.results > 0 {
        text.push_str(&steps_text(&usage.labels));
        text.push_str(&ages_text(&usage.ages));
    }
    text
}

fn steps_text(labels: &[LabelUsage]) -> String {
    let mut text = "by step\n    alone     in all  results  last used\n".to_owned();
    for label in labels.iter().take(LISTED) {
        let (alone, all) = (people::size(label.exclusive), people::size(label.disk));
        let last = history::local_time(label.last_use);
        let name = match label.label.as_str() {
            "" => "(unknown)".to_owned(),
            name => Escaped(name.as_bytes()).to_string(),
        };
        let pinned = match label.pinned {
            0 => String::new(),
            count => format!(", {count} pinned"),
        };
        let count = label.results;
        let _ = writeln!(
            text,
            "{alone:>9}  {all:>9}  {count:>7}  {last}  {name}{pinned}"
        );
    }
    if let Some(more) = labels.get(LISTED..).filter(|more| !more.is_empty()) {
        let alone = more.iter().map(|label| label.exclusive);
        let alone = people::size(alone.fold(0, u64::saturating_add));
        let more = people::count(more.len(), "more step");
        let _ = writeln!(text, "{alone:>9}  in {more}");
    }
    text
}

fn ages_text(ages: &[AgeBand]) -> String {
    let mut text = "by last use\n    alone  results\n".to_owned();
    let mut younger = None;
    for AgeBand {
        up_to,
        results,
        exclusive,
    } in ages
    {
        let days =
            |seconds: u64| people::count(usize::try_from(seconds / 86_400).unwrap_or(0), "day");
        let when = match (up_to, younger) {
            (Some(end), _) => format!("within {}", days(*end)),
            (None, Some(end)) => format!("more than {} ago", days(end)),
            (None, None) => "ever".to_owned(),
        };
        if *results > 0 {
            let alone = people::size(*exclusive);
            let _ = writeln!(text, "{alone:>9}  {results:>7}  {when}");
        }
        younger = *up_to;
    }
    text
}

fn as_json(usage: &Usage) -> serde_json::Value {
    let label = |it: &LabelUsage| {
        json!({
            "label": it.label,
            "results": it.results,
            "pinned": it.pinned,
            "logical": it.logical,
            "disk": it.disk,
            "exclusive": it.exclusive,
            "last_use": history::utc_time(it.last_use),
        })
    };
    let age = |it: &AgeBand| {
        json!({
            "up_to_ns": it.up_to.map(|seconds| seconds.saturating_mul(1_000_000_000)),
            "results": it.results,
            "exclusive": it.exclusive,
        })
    };
    json!({
        "disk": usage.disk,
        "blobs": usage.blob_count,
        "in_blobs": usage.blobs,
        "unreachable": usage.unreachable,
        "trash": usage.trash,
        "leftovers": usage.leftovers,
        "results": usage.results,
        "logical": usage.logical,
        "distinct": usage.distinct,
        "labels": usage.labels.iter().map(label).collect::<Vec<_>>(),
        "ages": usage.ages.iter().map(age).collect::<Vec<_>>(),
    })
}
