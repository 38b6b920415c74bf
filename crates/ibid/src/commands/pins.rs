//! `ibid pins`: which results are protected.

use std::fmt::Write as _;

use ibid_core::store::{Access, OutputContent, Pin, StoredResult};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::known::Known;
use super::named::unreadable;
use super::pin;
use crate::args::PinsArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::{history, people};

/// More bytes no result has.
const LIMIT: u64 = 64 << 20;

pub(super) fn run(_args: &PinsArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let (mut pins, unread) = known.store.pins().map_err(unreadable)?;
    pins.sort_by(|a, b| (&a.label, a.when).cmp(&(&b.label, b.when)));
    for reason in unread {
        context
            .console
            .warn(&format!("a pin cannot be read: {reason}"));
    }
    if context.console.is_json() {
        let pins = pins.iter().map(|pin| {
            let mut json = pin::as_json(pin);
            json["bytes"] = size(&known, pin).into();
            json
        });
        let pins: Vec<_> = pins.collect();
        context.console.json_data(&json!({ "pins": pins }))?;
        return Ok(Exit::OK);
    }
    let mut text = String::new();
    for pin in &pins {
        let size = size(&known, pin).map_or_else(|| "gone".to_owned(), people::size);
        let _ = write!(
            text,
            "{}  {}  {size:>8}  {}",
            history::local_time(pin.when),
            pin.key.short(),
            Escaped(pin.label.as_bytes())
        );
        if !pin.why.is_empty() {
            let _ = write!(text, "  ({})", Escaped(pin.why.as_bytes()));
        }
        text.push('\n');
    }
    context.console.data(text.as_bytes())?;
    if pins.is_empty() {
        context.console.say("no result is pinned");
    }
    Ok(Exit::OK)
}

/// Returns the bytes of a pinned result's files; folders count by what their listings say. `None`
/// where the result is not stored any more.
fn size(known: &Known<'_>, pin: &Pin) -> Option<u64> {
    let bytes = known.store.read_blob(&pin.result?, LIMIT).ok()?;
    let result = StoredResult::decode(&bytes).ok()?;
    let sizes = result
        .outcome
        .outputs
        .iter()
        .map(|output| match &output.content {
            OutputContent::File { size, .. } => *size,
            OutputContent::Tree(tree) => {
                let listing = known.store.listing(tree).ok();
                listing.map_or(0, |listing| listing.total_size())
            }
            OutputContent::Link(text) => text.len() as u64,
        });
    Some(sizes.fold(0, u64::saturating_add))
}
