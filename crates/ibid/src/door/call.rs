//! Functions of the caller's process: their results are cited like those of commands.
//!
//! Owns what a call is made of, and where its result stands: in a view of its key, a folder that
//! is the root of its step. So a result is recognised, brought back, shared and explained by the
//! same engine as any other, and what stands in a view is a copy, never the entry. Invariants: where
//! a view lies is no part of its key; a view that stands is never changed, since somebody may be
//! reading it: what differs is made anew beside it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ibid_core::action::{
    CommandLine, DocumentFormat, EnvMode, OutputKind, OutputSpec, Packages, Policy, Step,
    parse_duration,
};
use ibid_core::engine::{self, Caller, Decision, Made, Prepared, StepOutcome};
use ibid_core::exec::{Status, Stream};
use ibid_core::store::View;
use ibid_core::tree::{Place, RelPath};

use super::hits::{Came, Hits, Repeatable};
use super::{Door, Failure, recent};
use crate::args::ExecutionArgs;
use crate::commands::exec::failure;
use crate::context::Session;
use crate::exit;
use crate::report::Reporter;
use crate::request;
use crate::run::{Purpose, Run, future_views};

/// A function, what it is called with, and what it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function's name.
    pub name: String,
    /// What history calls it.
    pub label: String,
    /// Everything that the function consists of, by name.
    pub code: BTreeMap<String, Vec<u8>>,
    /// Its arguments, as JSON.
    pub spec: String,
    /// Versions of what it uses, by name.
    pub versions: BTreeMap<String, String>,
    /// The name of the file or folder that it makes.
    pub output: String,
    /// For how long a result counts.
    pub ttl: Option<String>,
    /// How to go about it.
    pub execution: ExecutionArgs,
}

/// What a call came to.
#[derive(Debug)]
pub struct Called {
    /// Whether there is a result: the function did what it was to do, now or before.
    pub succeeded: bool,
    /// Where the result stands.
    pub path: PathBuf,
    /// The copy that it stands in: it is as the store has it while this is held.
    pub view: View,
}

impl Door {
    /// Calls a function by `caller`, or brings its earlier result back.
    pub fn call(&self, call: &Call, caller: &dyn Caller) -> Result<Called, Failure> {
        let force = call.execution.force;
        self.requested(call, Keys::Anew, |request, run| {
            if let Some(caveat) = &run.caveat {
                let warning = format!("{caveat}; running without storing the result");
                self.context.console.warn(&warning);
            }
            let cited = if force {
                None
            } else {
                request.cite(run, engine::cite)
            };
            let done = cited.map_or_else(|| request.fulfil(run, caller), Ok);
            run.collect(request.session);
            let done = done?;
            if request.session.config.strict.value && request.reporter.cache_failed() {
                return Err(Failure::new(
                    exit::IBID_FAILED,
                    "the function returned, but the cache failed, and `strict` is set",
                )
                .hint("the warnings above name the fault"));
            }
            Ok(done)
        })?
    }

    /// Brings the earlier result of a function back if it stands in its view, and that is known
    /// without reading it. This never takes long; whatever else there is to say, [`Self::call`]
    /// says.
    pub fn recall(&self, call: &Call) -> Option<Called> {
        if let Some(called) = self.recall_again(call) {
            return Some(called);
        }
        let noting = HITS.noting(&self.context, call);
        let recalled = self.requested(call, Keys::AsKnown, |request, run| {
            let generation = noting.as_ref().and_then(|_| run.generation());
            let (outcome, view) = request.cited(run, engine::cite_as_known)?;
            if let (Some(noting), Some(generation)) = (&noting, generation) {
                let came = Came {
                    run,
                    session: request.session,
                    generation,
                    view: &view,
                    outcome: &outcome,
                };
                // What a function prints is not heard.
                HITS.keep(&self.context, call, noting.end(&came, Some(Vec::new())));
            }
            if request.is_new {
                recent::keep(call, &request.session.root, request.prepared);
            }
            Some(called(&outcome, view, &call.output))
        });
        recalled.ok()?
    }

    /// Does the same where nothing has changed since an equal call was recalled.
    pub(super) fn recall_again(&self, call: &Call) -> Option<Called> {
        let hit = HITS.find(&self.context, call)?;
        let view = hit.standing()?;
        let outcome = hit.again(&call.label, &view, &self.context)?;
        Some(called(&outcome, view, &call.output))
    }

    /// Prepares a call, and does with it what is asked for.
    fn requested<T>(
        &self,
        call: &Call,
        keys: Keys,
        act: impl FnOnce(&Request<'_>, &mut Run<'_>) -> T,
    ) -> Result<T, Failure> {
        let context = &self.context;
        let session = context.session(None, request::execution_overrides(&call.execution))?;
        let known = match keys {
            Keys::AsKnown => recent::find(call, &session.root),
            Keys::Anew => None,
        };
        let is_new = known.is_none();
        // What cannot be understood is refused before anything is opened.
        let step = is_new.then(|| step(call)).transpose()?;
        let purpose = Purpose::Execute {
            force: call.execution.force,
        };
        let mut run = Run::new(context, &session, &session.root, purpose)?;
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let prepare = |step: &Step| {
            let prepared = engine::prepare(step, &run.engine(&reporter));
            prepared.map(Arc::new).map_err(|error| failure(&error))
        };
        let made = step.as_ref().map(prepare).transpose()?;
        let prepared = made.or(known).expect("what is not known is made");
        let request = Request {
            session: &session,
            prepared: &prepared,
            is_new,
            output: &call.output,
            reporter: &reporter,
        };
        let done = act(&request, &mut run);
        run.leave();
        Ok(done)
    }

    /// Returns the key of a call, and where its result stands or would stand. Nothing is made.
    pub fn place_of_call(&self, call: Call) -> Result<(String, PathBuf), Failure> {
        let context = &self.context;
        let session = context.session(None, request::execution_overrides(&call.execution))?;
        let step = step(&call)?;
        let run = Run::new(context, &session, &session.root, Purpose::MakeKey)?;
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let prepared = engine::prepare(&step, &run.engine(&reporter));
        let key = prepared.map_err(|error| failure(&error))?.key;
        run.leave();
        let place = future_views(context, &session).place(&key);
        Ok((key.to_string(), place.join(call.output)))
    }
}

/// Calls that were recalled lately.
static HITS: Hits<Call> = Hits::new();

impl Repeatable for Call {
    fn hash(&self, state: &mut DefaultHasher) {
        (&self.spec, &self.label, &self.output).hash(state);
        // To hash all of it takes as long as to compare it.
        for (name, text) in &self.code {
            (name, text.len()).hash(state);
        }
    }

    fn bytes(&self) -> usize {
        let code = self.code.iter().map(|(name, text)| name.len() + text.len());
        let versions = self
            .versions
            .iter()
            .map(|(name, tag)| name.len() + tag.len());
        code.chain(versions).sum::<usize>() + self.spec.len()
    }
}

/// Where the key of a call comes from.
#[derive(Clone, Copy)]
enum Keys {
    /// It is made.
    Anew,
    /// It is made, unless an equal call was cited lately.
    AsKnown,
}

/// How a result in place is cited.
type Cite = fn(&Prepared, &engine::Context<'_>) -> Option<StepOutcome>;

/// A call that is prepared, and who hears of it.
struct Request<'a> {
    session: &'a Session,
    prepared: &'a Arc<Prepared>,
    /// Whether it was prepared for this request.
    is_new: bool,
    output: &'a str,
    reporter: &'a Reporter<'a>,
}

impl Request<'_> {
    /// Cites the result in the view that stands, if that is as the store has it.
    fn cite(&self, run: &mut Run<'_>, cite: Cite) -> Option<Called> {
        let (outcome, view) = self.cited(run, cite)?;
        Some(called(&outcome, view, self.output))
    }

    fn cited(&self, run: &mut Run<'_>, cite: Cite) -> Option<(StepOutcome, View)> {
        let view = run.standing_view(self.session, &self.prepared.key)?;
        run.enter(view.root());
        let outcome = cite(self.prepared, &run.engine(self.reporter))?;
        view.note_use(run.now());
        Some((outcome, view))
    }

    /// Brings the result into a view of its own, or computes it there. What stands already may have
    /// readers, and is left alone.
    fn fulfil(&self, run: &mut Run<'_>, caller: &dyn Caller) -> Result<Called, Failure> {
        let view = run.make_view(self.session, &self.prepared.key)?;
        run.enter(view.root());
        let showing = Showing {
            caller,
            view: Mutex::new(view),
        };
        let cx = engine::Context {
            caller: Some(&showing),
            ..run.engine(self.reporter)
        };
        let outcome = engine::fulfil(self.prepared, &cx).map_err(|error| failure(&error))?;
        run.count_view(&outcome.decision);
        if matches!(outcome.decision, Decision::Restored { .. }) {
            showing.show();
        }
        let view = showing.view.into_inner();
        let view = view.unwrap_or_else(PoisonError::into_inner);
        Ok(called(&outcome, view, self.output))
    }
}

fn called(outcome: &StepOutcome, view: View, output: &str) -> Called {
    Called {
        succeeded: outcome.status == Status::Exited(0),
        path: view.root().join(output),
        view,
    }
}

/// Shows a view as soon as the function has made what is in it: whoever waits for the result looks
/// there first.
#[derive(Debug)]
struct Showing<'a> {
    caller: &'a dyn Caller,
    view: Mutex<View>,
}

impl Showing<'_> {
    fn show(&self) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        // Where that fails, nobody else finds it, and it goes when it was read.
        let _ = view.show();
    }
}

impl Caller for Showing<'_> {
    fn call(&self, root: &Path, print: &mut dyn FnMut(Stream, &[u8])) -> Made {
        let made = self.caller.call(root, print);
        if made == Made::Whole {
            self.show();
        }
        made
    }
}

/// Returns the step of a call.
fn step(call: &Call) -> Result<Step, Failure> {
    let place = RelPath::new(call.output.as_bytes())
        .ok()
        .filter(|path| path.components().count() == 1);
    let place = place.ok_or_else(|| {
        let output = &call.output;
        Failure::usage(format!("`{output}` is not the name of a file or folder"))
            .hint("a suffix is something like `.zarr`")
    })?;
    let spec = DocumentFormat::Json
        .parse(call.spec.as_bytes())
        .map_err(|error| Failure::usage("the spec cannot be used").because_of(Some(&error)))?;
    let ttl = call.ttl.as_deref().map(parse_duration).transpose();
    let ttl = ttl.map_err(|error| {
        Failure::usage("`ttl` takes a duration")
            .because_of(Some(&error))
            .hint("`90s`, `15m`, `12h`, `30d` or `1h30m`")
    })?;
    let command = CommandLine::Call {
        name: call.name.clone(),
        code: call.code.clone(),
    };
    let step = Step {
        specs: vec![spec],
        versions: call.versions.clone(),
        packages: Packages::None,
        // It sees all that its process sees.
        env_mode: EnvMode::Loose,
        outputs: vec![OutputSpec {
            kind: OutputKind::Path(Place::Inside(place)),
            optional: false,
            keep: false,
        }],
        policy: Policy {
            label: call.label.clone(),
            ttl,
            ..Policy::default()
        },
        ..Step::new(command)
    };
    Ok(step)
}
