//! `ibid output`: what a run printed, each stream where it belongs.

use std::io::BufReader;

use ibid_core::exec::{Stream, replay};
use ibid_core::store::{Access, Lookup, StoredResult};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::known::Known;
use super::{named, underway};
use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};

pub(super) fn run(args: &OutputArgs, context: &Context) -> Result<Exit, Failure> {
    let known = Known::open(context, Access::ReadOnly)?;
    if args.follow && underway::follow(&known, &args.of)? {
        return Ok(Exit::OK);
    }
    let result = stored_result(&known, &args.of)?;
    let store = &known.store;
    let Some(log) = result.run.log else {
        context.console.note("the command printed nothing");
        return Ok(Exit::OK);
    };
    let (file, _) = store
        .open_verified(&log.blob, Some(log.size))
        .map_err(|problem| {
            Failure::new(exit::STEP_FAILED, "what the command printed is not there")
                .because_of(Some(&problem))
                .hint("the next run of the step stores it again")
        })?;
    let mut written = Ok(());
    replay(BufReader::new(file), |stream, bytes| {
        if written.is_ok() {
            written = pass(context, stream, bytes);
        }
    })
    .map_err(|error| Failure::of(exit::IBID_FAILED, &error))?;
    written.map(|()| Exit::OK)
}

/// Prints what came on a stream where it belongs.
pub(super) fn pass(context: &Context, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
    let console = &context.console;
    if console.is_json() {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let mut line = json!({ "stream": stream });
        match std::str::from_utf8(bytes) {
            Ok(text) => line["text"] = text.into(),
            Err(_) => line["bytes"] = bytes.into(),
        }
        return console.json_data(&line);
    }
    match stream {
        Stream::Stdout => console.data(bytes),
        Stream::Stderr => {
            console.pass_err(bytes);
            Ok(())
        }
    }
}

/// Returns the result that a word names, or says why there is none. Of a run that was named itself
/// it is that run's result, whether or not it still stands for its key.
pub(super) fn stored_result(known: &Known<'_>, word: &str) -> Result<StoredResult, Failure> {
    let store = &known.store;
    let named = named::find(known, word)?;
    let key = named.key;
    let looked_up = store.look_up(&key);
    if let Some(result) = named.result {
        if let Lookup::Tombstone(tombstone) = &looked_up {
            let why = Escaped(tombstone.why.as_bytes());
            known.context.console.note(&format!(
                "the result of the key {} was invalidated: {why}",
                key.short()
            ));
        }
        return store.read_result(&result).map_err(|reason| {
            Failure::new(
                exit::STEP_FAILED,
                format!(
                    "the result of that run of the key {} is not stored",
                    key.short()
                ),
            )
            .because_of(Some(&reason))
            .hint("what the cache lost is made again by a run of the same inputs")
        });
    }
    let (why, hint) = match looked_up {
        Lookup::Found(result) => return Ok(*result),
        Lookup::Tombstone(tombstone) => (
            format!("it was invalidated: {}", Escaped(tombstone.why.as_bytes())),
            "the next run of the step stores another",
        ),
        Lookup::Absent(reason) => (
            reason.to_string(),
            "a step that failed stores no result; `ibid log` says how it went",
        ),
    };
    Err(Failure::new(
        exit::STEP_FAILED,
        format!("no result is stored for the key {}", key.short()),
    )
    .cause(why)
    .hint(hint))
}
