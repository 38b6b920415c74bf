//! Commands that tell versions: what they print is a component.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::Start;
use crate::action::{Step, command_text};
use crate::engine::context::Context;
use crate::engine::error::Error;
use crate::engine::memo::{Told, remembered};
use crate::exec::{Launch, Status, Stdin, run};
use crate::scan::programs::resolve_program;

/// More than this is no version.
const LIMIT: usize = 1 << 20;

/// Runs the commands in the environment of the step's own, and returns what each printed on both
/// streams, by its command line.
pub(super) fn resolve(
    step: &Step,
    cx: &Context<'_>,
    start: &Start,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut outputs = BTreeMap::new();
    for argv in &step.versions_from {
        let command = command_text(argv);
        let (output, _) = remembered(
            cx.memo,
            |state| &mut state.versions,
            || (argv.clone(), (start.env.clone(), start.dir.clone())),
            |(_, program)| !program.starts_with(cx.root),
            || ask(argv, &command, cx, start),
        )?;
        outputs.insert(command, output);
    }
    Ok(outputs)
}

fn ask(argv: &[Vec<u8>], command: &str, cx: &Context<'_>, start: &Start) -> Result<Told, Error> {
    let path = start.env.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new(""), |(_, value)| value);
    let word = argv.first().map(Vec::as_slice).unwrap_or_default();
    let program = resolve_program(word, path, &start.dir).map_err(Error::Tool)?;
    let launch = Launch {
        env: start.env.clone(),
        stdin: Stdin::Null,
        orphans: cx.access.orphans,
        ..Launch::new(
            program.path.clone(),
            argv.to_vec(),
            start.dir.clone(),
            cx.spool_dir.to_owned(),
        )
    };
    let mut output = Vec::new();
    let mut take = |_, bytes: &[u8]| {
        // One byte beyond the limit is enough to tell.
        let room = (LIMIT + 1).saturating_sub(output.len());
        output.extend_from_slice(&bytes[..bytes.len().min(room)]);
    };
    let ended = run(launch, &mut take, cx.interrupt)?;
    let problem = match ended.status {
        Status::Exited(0) if output.len() <= LIMIT => return Ok((output, program.path)),
        Status::Exited(0) => format!("printed more than {LIMIT} bytes"),
        status => format!("ended with {status}"),
    };
    Err(Error::VersionsFrom {
        command: command.to_owned(),
        problem,
    })
}
