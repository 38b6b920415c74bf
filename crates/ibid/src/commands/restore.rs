//! `ibid restore`: the outputs of a stored result, in a folder of their own.

use std::sync::Arc;

use ibid_core::fs::{Meter, Timestamp, random_name};
use ibid_core::output::{Digests, Ground, RestoreError, Restorer, RunStamp};
use ibid_core::store::{Access, LinkMode};
use serde_json::json;

use super::known::Known;
use super::output::stored_result;
use crate::args::RestoreArgs;
use crate::context::{Context, wall_clock};
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::{history, people};

pub(super) fn run(args: &RestoreArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    let (session, store) = (&known.session, &known.store);
    let result = stored_result(&known, &args.of)?;
    let stats = session.stat_cache(false);
    let meter = Arc::new(Meter::new());
    let dir = context.place.dir.join(&args.to);
    let now: Timestamp = wall_clock();
    let from_store = Restorer {
        store,
        digests: Digests {
            stats: &stats,
            meter: &meter,
        },
        link_mode: LinkMode::Reflink,
        ground: Ground {
            root: &session.root,
            stamp: RunStamp {
                now,
                id: &random_name()[..8],
            },
            swept: None,
        },
    };
    context.console.begin("restoring", &meter);
    let restored = from_store.restore_to(&dir, &result.outcome.outputs);
    context.console.end();
    let restored = restored.map_err(|error| failure(&error))?;
    if context.console.is_json() {
        context.console.json_data(&json!({
            "key": result.key.to_string(),
            "label": result.run.label,
            "started": history::utc_time(result.run.started),
            "files": restored.files,
            "bytes": restored.bytes,
            "to": people::path(&dir),
        }))?;
    } else {
        context.console.say(&format!(
            "restored {}, {}, into `{}`",
            people::count(restored.files, "file"),
            people::size(restored.bytes),
            people::path(&args.to)
        ));
    }
    Ok(Exit::OK)
}

fn failure(error: &RestoreError) -> Failure {
    match error {
        RestoreError::NotEmpty(_) => {
            Failure::of(exit::USAGE, error).hint("`--to` takes a new or an empty folder")
        }
        error if error.is_miss() => Failure::of(exit::STEP_FAILED, error)
            .hint("what the cache lost is made again by the next run of the step"),
        error => Failure::of(exit::IBID_FAILED, error),
    }
}
