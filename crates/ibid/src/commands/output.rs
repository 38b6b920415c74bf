//! `ibid output`: what a run printed, each stream where it belongs.

use std::io::BufReader;

use ibid_core::exec::{Stream, replay};
use ibid_core::store::{LocalStore, Lookup, StoredResult};
use ibid_core::tree::Escaped;
use serde_json::json;

use super::named;
use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};

pub(super) fn run(args: &OutputArgs, context: &Context) -> Result<Exit, Failure> {
    let store = context.stored()?;
    let result = stored_result(&store, &args.of)?;
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

fn pass(context: &Context, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
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

/// Returns the result that a word names, or says why there is none.
pub(super) fn stored_result(store: &LocalStore, word: &str) -> Result<StoredResult, Failure> {
    let key = named::find(store, word)?.key;
    let (why, hint) = match store.look_up(&key) {
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
