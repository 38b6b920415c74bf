//! `ibid invalidate`: a stored result counts no longer.

use ibid_core::store::{Access, Lookup};
use serde_json::json;

use super::named;
use crate::args::InvalidateArgs;
use crate::context::{Context, now};
use crate::error::Failure;
use crate::exit::{self, Exit};

pub(super) fn run(args: &InvalidateArgs, context: &Context) -> Result<Exit, Failure> {
    let store = context.store(Access::ReadWrite)?;
    let key = named::find(&store, &args.of)?.key;
    if matches!(store.look_up(&key), Lookup::Tombstone(_)) {
        context.console.say("the result is invalidated already");
    } else {
        let why = args.because.as_deref().unwrap_or("by hand");
        store.invalidate(&key, now(), why).map_err(|error| {
            Failure::of(exit::IBID_FAILED, &error).hint("`ibid dirs` says where the cache lies")
        })?;
        context.console.say(&format!(
            "the result of the key {} counts no longer",
            key.short()
        ));
    }
    if context.console.is_json() {
        context
            .console
            .json_data(&json!({ "invalidated": key.to_string() }))?;
    }
    Ok(Exit::OK)
}
