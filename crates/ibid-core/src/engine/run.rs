//! A miss: earlier outputs are set aside, the command runs, and what it made is stored if it may
//! be.
//!
//! ```text
//! set aside -> run -> judge -> inputs still the same? -> capture -> commit -> settle
//!                       |                 |                  |         |
//!                       +--- not stored --+------------------+---------+  the result counts
//! ```
//!
//! Whatever fails on the side of the store is told and changes nothing about the command's own
//! exit code and outputs.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Instant;

use super::context::{Context, Made};
use super::error::Error;
use super::event::{Event, Work};
use super::explain;
use super::flight;
use super::freshness::Miss;
use super::history;
use super::leftovers;
use super::made_links;
use super::outcome::{Decision, Ran, Rerun, StepOutcome};
use super::prepare::Prepared;
use super::stamp::Stamp;
use super::storing::{put_back, store};
use crate::action::{AccessMode, Command, Trigger};
use crate::digest::Digest;
use crate::digest::encoding::Encoder;
use crate::exec::{self, Ended, Launch, OnStart, Status, Stdin, Stream, StreamLog};
use crate::fs::{self, LiveOutput};
use crate::output::{Aside, Ground, MadeLinks, set_aside, validate};
use crate::store::{Lease, Pace, Replace};

/// Runs the command of a prepared step, and stores what may be stored.
pub(super) fn run_and_commit(
    prepared: &Prepared,
    miss: &Miss,
    cx: &Context<'_>,
) -> Result<StepOutcome, Error> {
    cx.tell_faults();
    let rerun = explain::rerun(prepared, miss, cx);
    prepared.notes.iter().for_each(|note| cx.note(note.clone()));
    let made = made_links::standing(prepared, &[], cx);
    let reserved = prepared.reserved(&made, cx);
    validate(&prepared.action.outputs, &reserved)?;
    if moves_outputs(cx) {
        leftovers::check(prepared, &reserved, cx)?;
    }
    let leases = match cx.writable() {
        Some(store) => flight::outputs(prepared, (store, Pace::Lasting), cx)?,
        None => Vec::new(),
    };
    let stamp = Stamp::now(cx);
    let aside = clear_the_way(prepared, stamp.ground(cx), &made, cx)?;
    cx.emit(&Event::Running { rerun: &rerun });
    let ran = match run(prepared, rerun, replace(miss), (&leases, cx)) {
        Ok(ran) => ran,
        Err(error) => {
            put_back(aside, cx);
            return Err(error);
        }
    };
    let stored = store(prepared, &ran, aside, cx);
    cx.tell_faults();
    let elapsed = cx.elapsed();
    history::record_run(prepared, &ran, stored.as_ref(), cx);
    Ok(StepOutcome {
        key: prepared.key,
        decision: Decision::Ran {
            rerun: ran.rerun,
            took: ran.ended.duration,
            not_stored: stored.err(),
        },
        status: ran.ended.status,
        elapsed,
    })
}

/// Says whether outputs are moved away before a run. Where the store is away, too: the command
/// must not meet other things than it would meet with it.
pub(super) fn moves_outputs(cx: &Context<'_>) -> bool {
    cx.access.mode != AccessMode::Off
}

/// A refresh replaces the result that stands; so does a run that follows one which this request
/// could not use. Where none stood, one that has landed meanwhile stays.
fn replace(miss: &Miss) -> Replace {
    match miss.trigger {
        Some(Trigger::Ttl | Trigger::Forced | Trigger::Outputs) => Replace::Yes,
        _ => Replace::No,
    }
}

/// Moves earlier outputs away and makes the folders above. Where the user turned the cache off,
/// nothing is moved: the command finds what is there.
fn clear_the_way<'a>(
    prepared: &Prepared,
    ground: Ground<'a>,
    made: &MadeLinks,
    cx: &Context<'a>,
) -> Result<Option<Aside<'a>>, Error> {
    let outputs = &prepared.action.outputs;
    if !moves_outputs(cx) {
        for output in outputs {
            if let Some(parent) = output.on_disk(cx.root).parent() {
                fs::create_dirs(parent, None)?;
            }
        }
        return Ok(None);
    }
    let meter = cx.begin(Work::Hashing);
    let aside = set_aside(outputs, ground, made, &cx.digests(&meter));
    cx.end();
    Ok(Some(aside?))
}

/// Runs the command; what it prints is heard by the sink as it comes.
fn run(
    prepared: &Prepared,
    rerun: Rerun,
    replace: Replace,
    (leases, cx): (&[Lease], &Context<'_>),
) -> Result<Ran, Error> {
    if cx.writable().is_some() {
        prepared.watch();
    }
    if matches!(
        prepared.action.command,
        Command::Call(_) | Command::Delegated(_)
    ) {
        let started = cx.clock.now();
        let (ended, unfit) = call(prepared, cx)?;
        return Ok(Ran {
            rerun,
            replace,
            started,
            ended,
            unfit,
        });
    }
    let start = &prepared.start;
    let stdin = match &start.stdin {
        Some(path) => Stdin::File(fs::open_file(path)?),
        None => Stdin::Null,
    };
    let launch = Launch {
        env: start.env.clone(),
        stdin,
        timeout: prepared.action.policy.timeout,
        orphans: cx.access.orphans,
        on_start: note_session(leases),
        ..Launch::new(
            start.program.clone(),
            start.argv.clone(),
            start.dir.clone(),
            cx.spool_dir.to_owned(),
        )
    };
    let _busy = cx.busy();
    let mut live = LiveOutput::new(&live_name(cx.root, &prepared.action.policy.label));
    let started = cx.clock.now();
    let ended = exec::run(
        launch,
        &mut |stream, bytes: &[u8]| {
            live.append(usize::from(stream == Stream::Stderr), bytes);
            cx.emit(&Event::Output { stream, bytes });
        },
        cx.interrupt,
    )?;
    Ok(Ran {
        rerun,
        replace,
        started,
        ended,
        unfit: Vec::new(),
    })
}

/// Calls a function of this process, or has its caller run a command. That it failed is an exit
/// code, as of a command. Returns how it ended, and why it is not to be stored.
fn call(prepared: &Prepared, cx: &Context<'_>) -> Result<(Ended, Vec<String>), Error> {
    let label = &prepared.action.policy.label;
    let name = match &prepared.action.command {
        Command::Call(name) => name,
        _ => label,
    };
    let caller = cx.caller.ok_or_else(|| Error::NotCallable(name.clone()))?;
    if let Some(signal) = cx.interrupt.signal() {
        return Err(Error::Interrupted { signal });
    }
    let _busy = cx.busy();
    let mut live = LiveOutput::new(&live_name(cx.root, label));
    let mut log = StreamLog::new(cx.spool_dir.to_owned());
    let mut logged = Ok(());
    let started = Instant::now();
    let made = caller.call(cx.root, &mut |stream, bytes| {
        live.append(usize::from(stream == Stream::Stderr), bytes);
        if logged.is_ok() {
            logged = log.append(stream, bytes);
        }
    });
    let ended = Ended {
        status: Status::Exited(u8::from(made == Made::Nothing)),
        timed_out: false,
        oom_killed: false,
        interrupted: cx.interrupt.signal(),
        survivors: Vec::new(),
        streams_open: false,
        duration: started.elapsed(),
        log: logged.and_then(|()| log.finish()),
    };
    match made {
        Made::Whole | Made::Nothing => Ok((ended, Vec::new())),
        Made::Unfit(why) => Ok((ended, why)),
    }
}

/// Returns the name under which another process finds what a running step prints; the first stream
/// there is standard output, the second standard error.
pub fn live_name(root: &Path, label: &str) -> String {
    let mut encoder = Encoder::new();
    encoder.bytes(root.as_os_str().as_bytes()).text(label);
    let digest = Digest::of(encoder.as_bytes());
    format!("ibid-output-{}", &digest.hex()[..32])
}

/// Notes in the leases which session writes the outputs, so that a later run can see that nothing
/// of it is left should this process be killed.
fn note_session(leases: &[Lease]) -> OnStart {
    let notes: Vec<_> = leases.iter().map(Lease::session_note).collect();
    OnStart(Some(Box::new(move |session| {
        for note in notes {
            note(session.leader, session.start);
        }
    })))
}
