//! `ibid init`: a first file of steps.

use ibid_core::fs::{PathError, Published, Staged};
use serde_json::json;

use crate::context::Context;
use crate::error::Failure;
use crate::exit::{self, Exit};

const NAME: &str = "ibid.toml";

/// What is written: one small step that runs in an empty folder, and what else there is.
const TEMPLATE: &str = include_str!("init.toml");

pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let path = context.place.dir.join(NAME);
    let write = || -> Result<Published, PathError> {
        let mut staged = Staged::create(&context.place.dir)?;
        staged.write_all(TEMPLATE.as_bytes())?;
        staged.set_mode(0o644)?;
        staged.publish_new(&path)
    };
    match write() {
        Ok(Published::New) => {}
        Ok(_) => {
            return Err(
                Failure::usage("there is an `ibid.toml` in this folder already")
                    .hint("`ibid plan` says what a run of its steps would do"),
            );
        }
        Err(error) => return Err(Failure::of(exit::IBID_FAILED, &error)),
    }
    let console = &context.console;
    if console.is_json() {
        console.json_data(&json!({"written": NAME}))?;
        return Ok(Exit::OK);
    }
    console.say("wrote `ibid.toml`: `ibid plan` says what would be done, `ibid run` does it");
    let mut above = context.place.dir.ancestors().skip(1);
    if above.any(|folder| folder.join(NAME).exists()) {
        console.note("a folder above has an `ibid.toml`, too: from here on its paths end here");
    }
    Ok(Exit::OK)
}
