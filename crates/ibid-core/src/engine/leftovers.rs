//! What an output pattern matches is moved away as a leftover of earlier runs. In a folder that the
//! step reads it may be the user's own data instead: there, only what a run is known to have made
//! is a leftover.

use super::context::Context;
use super::history;
use super::prepare::Prepared;
use crate::output::{OutputError, Reserved, against_sweeping};
use crate::store::StoredOutput;
use crate::tree::RelPath;
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// Refuses to go on where a pattern would sweep data out of a folder that is read. History is
/// only asked if a pattern matches something there.
pub(super) fn check(
    prepared: &Prepared,
    reserved: &Reserved<'_>,
    cx: &Context<'_>,
) -> Result<(), OutputError> {
    let made = OnceCell::new();
    let is_leftover = |pattern: &str, file: &RelPath| {
        let made: &BTreeSet<(Vec<u8>, RelPath)> = made.get_or_init(|| {
            let outputs = history::outputs_here(prepared, cx);
            let matched = |output: StoredOutput| Some((output.name, output.at?));
            outputs.filter_map(matched).collect()
        });
        made.contains(&(pattern.as_bytes().to_vec(), file.clone()))
    };
    against_sweeping(&prepared.action.outputs, reserved, &is_leftover)
}
