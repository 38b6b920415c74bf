//! `ibid log`: history, the latest first.

use ibid_core::store::RunEntry;

use super::named::unreadable;
use crate::args::LogArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::report::history;

pub(super) fn run(args: &LogArgs, context: &Context) -> Result<Exit, Failure> {
    let store = context.stored()?;
    let entries: Vec<RunEntry> = match &args.label {
        Some(label) => store.entries_of(label, usize::MAX),
        None => store.entries(usize::MAX),
    }
    .map_err(unreadable)?;
    if let Some(label) = args.label.as_ref().filter(|_| entries.is_empty()) {
        return Err(super::named::unknown(label));
    }
    if context.console.is_json() {
        let entries: Vec<_> = entries.iter().map(history::entry_json).collect();
        context
            .console
            .json_data(&serde_json::json!({ "runs": entries }))?;
    } else {
        let lines: String = entries.iter().map(history::entry_line).collect();
        context.console.data(lines.as_bytes())?;
    }
    Ok(Exit::OK)
}
