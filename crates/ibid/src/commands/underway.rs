//! Following a run that another process has under way.
//!
//! Leases say that there is one; what it prints is read where the process that runs it keeps it
//! for others. On another machine, or without `/proc`, only its end is waited for.

use std::path::PathBuf;
use std::thread;

use ibid_core::digest::Key;
use ibid_core::engine::live_name;
use ibid_core::exec::Stream;
use ibid_core::fs::LiveReader;
use ibid_core::store::{Backoff, LeaseAttempt, LeaseOn, LocalStore};
use ibid_core::tree::{Place, RelPath};

use super::known::Known;
use super::{named, output};
use crate::error::Failure;
use crate::report::people;

/// By what a run of a step is recognised.
struct Watched {
    label: String,
    keys: Vec<Key>,
    outputs: Vec<PathBuf>,
}

/// Prints what a run under way prints, until it ends. Says whether all was printed: if not,
/// nothing was under way, or nothing of it could be seen.
pub(super) fn follow(known: &Known<'_>, word: &str) -> Result<bool, Failure> {
    let Watched {
        label,
        keys,
        outputs,
    } = watched(known, word)?;
    let (store, console) = (&known.store, &known.context.console);
    let name = live_name(&known.session.root, &label);
    let of_keys = keys.iter().map(LeaseOn::Key);
    let of_outputs = outputs.iter().map(|path| LeaseOn::Output(path));
    let leases = of_keys.chain(of_outputs).map(|on| store.lease(on));
    let mut leases: Vec<LeaseAttempt<'_>> = leases.collect();
    let mut told = false;
    for pause in Backoff::default() {
        if let Some(reader) = find(store, &name) {
            return print(known, reader).map(|()| true);
        }
        let Some(holder) = leases.iter_mut().find_map(LeaseAttempt::holder) else {
            return Ok(false);
        };
        if !told {
            console.say(&format!("waiting for {holder}, which is running it"));
            told = true;
        }
        thread::sleep(pause);
    }
    Ok(false)
}

fn find(store: &LocalStore, name: &str) -> Option<LiveReader> {
    let pids = store.holders_here();
    pids.into_iter().find_map(|pid| LiveReader::find(pid, name))
}

/// Prints what comes until the owner is done with it.
fn print(known: &Known<'_>, mut reader: LiveReader) -> Result<(), Failure> {
    let mut lost = 0;
    loop {
        // What is read after the end is all there is.
        let is_open = reader.is_open();
        let mut came = false;
        let mut printed = Ok(());
        lost += reader.read(|stream, bytes| {
            came = true;
            let stream = match stream {
                0 => Stream::Stdout,
                _ => Stream::Stderr,
            };
            if printed.is_ok() {
                printed = output::pass(known.context, stream, bytes);
            }
        });
        printed?;
        if !is_open {
            break;
        }
        if !came {
            thread::sleep(Backoff::default().nth(4).unwrap_or_default());
        }
    }
    let console = &known.context.console;
    if lost > 0 {
        console.warn(&format!(
            "{} were printed too early or too fast to be seen here; `ibid output` prints all",
            people::size(lost)
        ));
    }
    console.say("it has ended; `ibid log` says how");
    Ok(())
}

/// Finds what a run is recognised by. A label that history does not know yet may be running for
/// the first time.
fn watched(known: &Known<'_>, word: &str) -> Result<Watched, Failure> {
    let root = &known.session.root;
    if let (Some(pipeline), [step]) = (known.pipeline(), known.steps(word).as_slice()) {
        let label = pipeline.label(*step);
        let outputs = &pipeline.step(*step).step.outputs;
        let newest = known.store.entries_of(label, 1);
        let newest = newest.map_err(named::unreadable)?;
        return Ok(Watched {
            label: label.to_owned(),
            keys: newest.iter().map(|entry| entry.key).collect(),
            outputs: outputs.iter().map(|output| output.on_disk(root)).collect(),
        });
    }
    let Ok(named) = named::find(known, word) else {
        return Ok(Watched {
            label: word.to_owned(),
            keys: Vec::new(),
            outputs: Vec::new(),
        });
    };
    let result = named.entry.as_ref().and_then(|entry| entry.result);
    let result = result.and_then(|blob| known.store.read_result(&blob).ok());
    let outputs = result.map_or_else(Vec::new, |result| result.outcome.outputs);
    let declared = outputs.iter().filter(|output| output.at.is_none());
    let place = |name: &[u8]| Place::resolve(name, &RelPath::ROOT, root).on_disk(root);
    Ok(Watched {
        label: named
            .entry
            .as_ref()
            .map_or_else(|| word.to_owned(), |entry| entry.label.clone()),
        keys: vec![named.key],
        outputs: declared.map(|output| place(&output.name)).collect(),
    })
}
