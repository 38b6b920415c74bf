//! `ibid unpin`: results that may go again.

use ibid_core::store::{Access, Pin};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::collecting::{refuse_unwritable, store_failed};
use super::known::Known;
use super::named::{self, FEWEST_DIGITS, unreadable};
use super::pin;
use crate::args::UnpinArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};

pub(super) fn run(args: &UnpinArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadWrite)?;
    let (pins, _) = known.store.pins().map_err(unreadable)?;
    let meant = meant(&known, &args.of, pins)?;
    refuse_unwritable(&known)?;
    for pin in &meant {
        let unpinned = known.store.unpin(&pin.key);
        unpinned.map_err(|error| store_failed(&error))?;
        context.console.say(&format!(
            "unpinned the result of `{}`, key {}",
            Escaped(known.name_of(&pin.label).as_bytes()),
            pin.key.short()
        ));
    }
    if context.console.is_json() {
        let keys: Vec<_> = meant.iter().map(pin::as_json).collect();
        context.console.json_data(&json!({ "unpinned": keys }))?;
    }
    Ok(Exit::OK)
}

/// Returns the pins that a word means: of a step or a label all of them, whichever keys they
/// protect.
fn meant(known: &Known<'_>, word: &str, pins: Vec<Pin>) -> Result<Vec<Pin>, Failure> {
    let digits = word.strip_prefix("blake3:").unwrap_or(word);
    let by_key = |pin: &Pin| digits.len() >= FEWEST_DIGITS && pin.key.hex().starts_with(digits);
    // A label whose history is forgotten is still that of its pins.
    let by_word = |pin: &Pin| pin.label == word || by_key(pin);
    if pins.iter().any(by_word) {
        return Ok(pins.into_iter().filter(by_word).collect());
    }
    let meant: Vec<Pin> = if let Some(labels) = named::labels(known, word)? {
        let of_labels = pins.into_iter().filter(|pin| labels.contains(&pin.label));
        of_labels.collect()
    } else {
        let key = named::find(known, word)?.key;
        pins.into_iter().filter(|pin| pin.key == key).collect()
    };
    if meant.is_empty() {
        let word = Escaped(word.as_bytes());
        return Err(Failure::new(
            exit::STEP_FAILED,
            format!("no result of `{word}` is pinned"),
        )
        .hint("`ibid pins` lists those that are"));
    }
    Ok(meant)
}
