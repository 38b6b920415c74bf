//! Preparing: a declared step becomes an action with its key, and everything that was looked at
//! on the way is remembered, so that it can be looked at again when the command has run.
//!
//! Reads the workspace, changes nothing. The result is the only thing that can be looked up.

mod command;
mod environment;
mod gather;
mod inputs;
mod packages;
mod segments;
mod settled;
mod versions;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use self::gather::{Gather, filter};
pub(super) use self::settled::not_counted;
use super::context::Context;
use super::error::Error;
use super::event::{Note, Work};
use super::overlay::Overlay;
use crate::action::{Action, KeyRecord, OutputKind, OutputSpec, Platform, StdinRequest, Step};
use crate::digest::{BlobId, Key};
use crate::fs::Meter;
use crate::output::{MadeLinks, Reserved, Role};
use crate::pipeline::PipelineStep;
use crate::scan::programs::Surroundings;
use crate::scan::{Listing, Pattern, ScanError, Scanner, Seen, Watch};
use crate::store::LocalStore;
use crate::tree::{Place, RelPath};

/// An action with its key, ready to be looked up.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What is computed.
    pub action: Action,
    /// What the key is made of.
    pub record: KeyRecord,
    /// The key.
    pub key: Key,
    /// Worth telling if the command runs.
    pub notes: Vec<Note>,
    /// The encoded record, whose derived hash is the key.
    pub(super) encoded: Vec<u8>,
    /// How the command is started.
    pub(super) start: Start,
    /// Everything that the key's digests rest on.
    pub(super) seen: Vec<Seen>,
    /// What leads there, as it was when the run began.
    pub(super) watched: OnceLock<Watch>,
    /// Listings of input directories: stored, so that a later `why` can name the file in them.
    pub(super) listings: Vec<Listing>,
    /// The code of a function, by name; of a command it lies in the workspace.
    pub(super) called: BTreeMap<String, Vec<u8>>,
    /// What outputs have to keep away from.
    pub(super) reads: Vec<(Role, Place)>,
}

impl Prepared {
    /// Looks at all that leads to what the key rests on, for a run that begins.
    pub fn watch(&self) {
        self.watched.get_or_init(|| Watch::of(&self.seen));
    }

    /// Returns what outputs may not be; `made` are links that are outputs themselves.
    pub(super) fn reserved<'a>(&'a self, made: &'a MadeLinks, cx: &Context<'a>) -> Reserved<'a> {
        Reserved {
            root: cx.root,
            reads: &self.reads,
            store: cx.store.filter(|_| !cx.access.in_view).map(LocalStore::dir),
            made,
        }
    }
}

/// How the command is started.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) program: PathBuf,
    pub(super) argv: Vec<Vec<u8>>,
    pub(super) dir: PathBuf,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) stdin: Option<PathBuf>,
}

/// Resolves a step to its action and key.
pub fn prepare(step: &Step, cx: &Context<'_>) -> Result<Prepared, Error> {
    prepare_over(step, &Overlay::default(), cx)
}

/// Resolves a step as if what the overlay holds stood already.
pub(super) fn prepare_over(
    step: &Step,
    overlay: &Overlay,
    cx: &Context<'_>,
) -> Result<Prepared, Error> {
    let meter = cx.begin(Work::Hashing);
    let prepared = resolve(step, overlay, cx, &meter);
    cx.end();
    match (prepared, cx.interrupt.signal()) {
        // What could not be read is not at fault.
        (Err(_), Some(signal)) if meter.is_stopped() => Err(Error::Interrupted { signal }),
        (prepared, _) => prepared,
    }
}

/// Returns the step of a pipeline with the patterns in its command expanded, as if what the overlay
/// holds stood already, and by the rules by which its inputs are found.
pub(super) fn bind_over(
    declared: &PipelineStep,
    overlay: &Overlay,
    cx: &Context<'_>,
) -> Result<Step, Error> {
    let meter = Meter::default();
    let scanner = Scanner::new(cx.root, cx.stats, &meter).over(overlay.layer());
    let step = declared.bind(&mut |pattern| {
        // Made here, because few commands ask for it.
        let filter = filter(&declared.step, cx)?;
        let matches = scanner.glob(&Pattern::new(pattern)?, &filter)?;
        Ok(matches.paths)
    })?;
    Ok(step)
}

fn resolve(
    step: &Step,
    overlay: &Overlay,
    cx: &Context<'_>,
    meter: &Meter,
) -> Result<Prepared, Error> {
    let mut gather = Gather::new(step, overlay, cx, meter)?;
    let env = environment::resolve(step, cx);
    let declared = inputs::declared(&mut gather)?;
    let code = inputs::code(&mut gather)?;
    let seen_by_command = env.complete.iter().cloned().collect();
    let dir = step.dir.below(cx.root);
    let around = Surroundings {
        env: &seen_by_command,
        dir: &dir,
    };
    let command = command::resolve(&mut gather, &around)?;
    let packages = packages::resolve(&mut gather, &command.programs, &around)?;
    let stdin = stdin(&mut gather)?;
    let start = Start {
        program: command.program,
        argv: command.argv,
        dir,
        env: env.complete,
        stdin: stdin.as_ref().map(|(path, _)| path.clone()),
    };
    can_be_told(&gather)?;
    let versions_from = versions::resolve(step, cx, &start)?;
    let action = Action {
        command: command.keyed,
        dir: step.dir.clone(),
        env_mode: step.env_mode,
        tools: command.tools,
        image: step.image.clone(),
        code: [code, command.code].into_iter().flatten().collect(),
        implied: command.implied,
        packages,
        inputs: declared.named,
        inputs_by_content: declared.by_content,
        params: step.params.clone(),
        specs: step.specs.clone(),
        env: env.keyed,
        versions: step.versions.clone(),
        versions_from,
        salts: step.salts.clone(),
        stdin: stdin.map(|(_, blob)| blob),
        platform: Platform::this(),
        outputs: step.outputs.clone(),
        policy: step.policy.clone(),
    };
    let record = action.record();
    let encoded = record.encode();
    gather.note_absolute_paths(&action);
    Ok(Prepared {
        key: Key::derive(&encoded),
        record,
        encoded,
        action,
        start,
        notes: gather.notes,
        seen: gather.seen,
        watched: OnceLock::new(),
        listings: gather.listings,
        called: command.called,
        reads: gather.reads,
    })
}

/// Fails where a command is to tell a version ahead of a run: that may hang on what does not stand
/// yet.
fn can_be_told(gather: &Gather<'_>) -> Result<(), Error> {
    let first = gather.step.versions_from.first();
    let Some(argv) = first.filter(|_| gather.looks_ahead()) else {
        return Ok(());
    };
    let word = argv.first().map_or(&[][..], Vec::as_slice);
    Err(ScanError::Unforeseen(OsStr::from_bytes(word).into()).into())
}

/// The file on standard input, in the workspace or spooled, and its content.
fn stdin(gather: &mut Gather<'_>) -> Result<Option<(PathBuf, BlobId)>, Error> {
    match &gather.step.stdin {
        StdinRequest::Empty => Ok(None),
        StdinRequest::File(path) => {
            let digest = gather.digest(path)?;
            let place = Place::resolve(path.as_os_str().as_bytes(), &RelPath::ROOT, gather.root);
            gather.reads.push((Role::Input, place));
            Ok(Some((path.clone(), BlobId::new(digest))))
        }
    }
}

impl OutputSpec {
    /// Returns where the output lies: for a pattern, its own text below the root.
    pub fn on_disk(&self, root: &std::path::Path) -> PathBuf {
        match &self.kind {
            OutputKind::Path(place) | OutputKind::Dir(place) => place.on_disk(root),
            OutputKind::Glob(pattern) => root.join(pattern),
        }
    }
}
