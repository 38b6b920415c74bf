//! Commands that the caller runs by its own means, such as tools in containers: their results are
//! cited like those of any other command.
//!
//! Owns what such a run is made of. Its outputs stand in one folder of a view that the caller has
//! already named to others. Where the tool runs, the view is a folder, the root of the step; where it
//! does not, the view is a link to a copy of the earlier result, which all share. Invariants: where a
//! view lies is no part of the key; of the caller's environment only the names that it lists are
//! keyed; a copy that stands is never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _};
use std::path::{Path, PathBuf};

use ibid_core::action::{
    CommandLine, DocumentFormat, EnvMode, EnvRequest, InputRequest, OutputKind, OutputSpec, Policy,
    Segment, Step, Word, looks_like_secret,
};
use ibid_core::config::Overrides;
use ibid_core::digest::encoding::Value as Data;
use ibid_core::engine::{self, Caller, Decision, Prepared, Sink, StepOutcome, Stored};
use ibid_core::environ::EnvSnapshot;
use ibid_core::fs::{self, FileKind, Meter, Signature};
use ibid_core::scan::{Filter, Scanner, place_of, way_back};
use ibid_core::store::{LinkMode, View};
use ibid_core::tree::{Content, Place, RelPath};

use super::hits::{Came, Hits, Printing, Repeatable};
use super::{Door, Failure};
use crate::args::ExecutionArgs;
use crate::commands::exec::failure;
use crate::context::Session;
use crate::exit;
use crate::report::Reporter;
use crate::request;
use crate::run::{Purpose, Run};

/// A command, what it depends on, and where it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// What history calls it.
    pub label: String,
    /// Its words, with the inputs in them marked by their position.
    pub words: Vec<Word>,
    /// The files and folders that it reads: their names do not count.
    pub inputs: Vec<PathBuf>,
    /// The environment that it sees.
    pub environ: EnvSnapshot,
    /// Where the caller looks for programs: what that environment has to say, too.
    pub path: Option<OsString>,
    /// The variables of it that are keyed, beside all of its locale (`LC_…`).
    pub env: Vec<String>,
    /// Its typed parameters by their names, as JSON.
    pub params: String,
    /// A list of all else that it depends on, as JSON.
    pub specs: String,
    /// Versions of what it uses, by name.
    pub versions: BTreeMap<String, String>,
    /// Its programs, where they lie here.
    pub programs: Vec<Vec<u8>>,
    /// What the image that it runs in is known by.
    pub image: Option<String>,
    /// The name of the folder in its view that it fills.
    pub output: String,
    /// How to go about it.
    pub execution: ExecutionArgs,
}

impl Door {
    /// Has a tool run by `caller` in its view, or makes that lead to its earlier result.
    pub fn run_tool(&self, tool: &Tool, view: &Path, caller: &dyn Caller) -> Result<(), Failure> {
        let context = &self.context;
        let session = context.session(None, request::execution_overrides(&tool.execution))?;
        let force = tool.execution.force;
        let mut run = Run::new(context, &session, view, Purpose::Execute { force })?;
        if let Some(caveat) = &run.caveat {
            let warning = format!("{caveat}; running without storing the result");
            context.console.warn(&warning);
        }
        let step = step(tool, view)?;
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let prepared = engine::prepare(&step, &in_view(run.engine(&reporter), &tool.environ));
        let asked = Asked {
            tool,
            view,
            prepared: &prepared.map_err(|error| failure(&error))?,
            session: &session,
            sink: &reporter,
        };
        let outcome = asked.fulfil(&mut run, caller);
        run.collect(&session);
        run.leave();
        let outcome = outcome?;
        // Who hears of a failure has the tool run, so a result that was brought back is none.
        let has_run = matches!(outcome.decision, Decision::Ran { .. });
        if session.config.strict.value && has_run && reporter.cache_failed() {
            return Err(Failure::new(
                exit::IBID_FAILED,
                "the tool ran, but the cache failed, and `strict` is set",
            )
            .hint("the warnings above name the fault"));
        }
        Ok(())
    }

    /// Makes the view of a tool lead to its earlier result where that is over at once: nothing has
    /// to be read to make its key, and the result stands in a copy, or is little. Returns whether the
    /// cache is to be collected now, which is for the caller to hear. `None`: whatever there is to
    /// say, [`Self::run_tool`] says.
    pub fn recall_tool(&self, tool: &Tool, view: &Path) -> Option<bool> {
        if self.recall_tool_again(tool, view).is_some() {
            return Some(false);
        }
        // A folder may hold any number of files.
        let is_file =
            |path: &PathBuf| Signature::of(path).is_ok_and(|found| found.kind() == FileKind::File);
        if tool.execution.force || tool.inputs.len() > FEW || !tool.inputs.iter().all(is_file) {
            return None;
        }
        let context = &self.context;
        let noting = HITS.noting(context, tool);
        let overrides = request::execution_overrides(&tool.execution);
        let session = context.session(None, overrides).ok()?;
        let purpose = Purpose::Execute { force: false };
        let mut run = Run::new(context, &session, view, purpose).ok()?;
        if run.caveat.is_some() || session.config.strict.value {
            return None;
        }
        let generation = noting.as_ref().and_then(|_| run.generation());
        let step = step(tool, view).ok()?;
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let printing = Printing::heard_by(&reporter, noting.is_some());
        let prepared =
            engine::prepare_as_known(&step, &in_view(run.engine(&printing), &tool.environ))?;
        let asked = Asked {
            tool,
            view,
            prepared: &prepared,
            session: &session,
            sink: &printing,
        };
        if let Some((outcome, copy)) = asked.cite(&mut run, engine::cite_as_known) {
            if let (Some(noting), Some(generation)) = (&noting, generation) {
                let came = Came {
                    run: &run,
                    session: &session,
                    generation,
                    view: &copy,
                    outcome: &outcome,
                };
                HITS.keep(context, tool, noting.end(&came, printing.all()));
            }
            run.leave();
            return Some(false);
        }
        // What follows is somebody else's to note.
        drop(noting);
        let found = asked.find(&mut run, Stored::is_little);
        let collects = run.is_to_collect(&session);
        run.leave();
        found.ok()?.map(|_| collects)
    }

    /// Does the same where nothing has changed since an equal tool was recalled.
    pub(super) fn recall_tool_again(&self, tool: &Tool, view: &Path) -> Option<StepOutcome> {
        let hit = HITS.find(&self.context, tool)?;
        let copy = hit.standing()?;
        let again = || Ok(hit.again(&tool.label, &copy, &self.context));
        let outcome = lent(&copy, view, hit.last_view().as_deref(), again).ok()??;
        hit.note_view(view);
        Some(outcome)
    }

    /// Collects the cache, as the end of a run does.
    pub fn collect(&self) -> Result<(), Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let purpose = Purpose::Execute { force: false };
        let run = Run::new(&self.context, &session, &session.root, purpose)?;
        run.collect_now(&session);
        run.leave();
        Ok(())
    }

    /// Makes a folder for views. Nobody takes it away before the view is dropped, and it stays then
    /// for as long as views do.
    pub fn make_views(&self) -> Result<View, Failure> {
        let context = &self.context;
        let session = context.session(None, Overrides::default())?;
        let purpose = Purpose::Execute { force: false };
        let run = Run::new(context, &session, &session.root, purpose)?;
        let views = run.make_views(&session);
        run.leave();
        views
    }

    /// Returns the digest of a file's bytes, or of everything below a folder, as text.
    pub fn digest(&self, path: &Path) -> Result<String, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let (stats, meter) = (session.stat_cache(false), Meter::new());
        let unreadable = |error| Failure::of(exit::USAGE, &error);
        let filter = Filter::inputs(&[]).map_err(unreadable)?;
        let scanner = Scanner::new(&session.root, &stats, &meter);
        let place = place_of(
            path.as_os_str().as_encoded_bytes(),
            &RelPath::ROOT,
            &session.root,
        );
        let path = place.on_disk(&session.root);
        let found = scanner.content(&path, &filter).map_err(unreadable)?;
        stats.flush();
        Ok(match found.content.resolved() {
            Content::File { blob, .. } => blob.digest().to_string(),
            Content::Tree(tree) => tree.digest().to_string(),
            Content::Link { .. } => unreachable!("a resolved content is no link"),
        })
    }
}

/// Tools that were recalled lately.
static HITS: Hits<Tool> = Hits::new();

impl Repeatable for Tool {
    fn hash(&self, state: &mut DefaultHasher) {
        (&self.params, &self.specs, &self.label, &self.inputs).hash(state);
        for word in &self.words {
            if let Word::Plain(text) = word {
                text.hash(state);
            }
        }
    }

    fn bytes(&self) -> usize {
        let words = self.words.iter().map(|word| match word {
            Word::Plain(text) => text.len(),
            Word::Segments(segments) => segments.iter().map(length).sum(),
        });
        let environ = self
            .environ
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let versions = self
            .versions
            .iter()
            .map(|(name, tag)| name.len() + tag.len());
        let inputs = self.inputs.iter().map(|path| path.as_os_str().len());
        let lists = words.chain(environ).chain(versions).chain(inputs);
        lists.sum::<usize>() + self.params.len() + self.specs.len()
    }
}

fn length(segment: &Segment) -> usize {
    match segment {
        Segment::Text(text) => text.len(),
        Segment::Input(_) => 0,
    }
}

/// A tool that is prepared, and who hears of it.
struct Asked<'a> {
    tool: &'a Tool,
    /// The view that it works in.
    view: &'a Path,
    prepared: &'a Prepared,
    session: &'a Session,
    sink: &'a dyn Sink,
}

impl Asked<'_> {
    /// Cites the result in the copy that stands, if that is as the store has it.
    fn cite(&self, run: &mut Run<'_>, cite: Cite) -> Option<(StepOutcome, View)> {
        let copy = run.standing_view(self.session, &self.prepared.key)?;
        // Behind a link it would be somebody's own folder, which is theirs to change.
        if !is_folder(copy.root()) || !is_folder(&copy.root().join(&self.tool.output)) {
            return None;
        }
        let cited = lent(&copy, self.view, None, || {
            run.enter(copy.root());
            Ok(cite(self.prepared, &self.engine(run)))
        });
        let outcome = cited.ok()??;
        copy.note_use(run.now());
        Some((outcome, copy))
    }

    /// Leads to the result, if there is one that `is_wanted`: in the copy that stands, which is read
    /// where its status tells nothing yet, or in a new one.
    fn find(&self, run: &mut Run<'_>, is_wanted: IsWanted) -> Result<Option<StepOutcome>, Failure> {
        run.enter(self.view);
        let cx = self.engine(run);
        let stored = engine::stored(self.prepared, &cx).filter(|stored| is_wanted(stored, &cx));
        let Some(stored) = stored else {
            return Ok(None);
        };
        if let Some((outcome, _)) = self.cite(run, engine::cite) {
            return Ok(Some(outcome));
        }
        let mut copy = run.make_view(self.session, &self.prepared.key)?;
        let outcome = lent(&copy, self.view, None, || {
            run.enter(copy.root());
            let brought = stored.bring_back(self.prepared, &self.engine(run));
            let outcome = brought.map_err(|error| failure(&error))?;
            if let Some(outcome) = &outcome {
                run.count_view(&outcome.decision);
            }
            Ok(outcome)
        })?;
        if outcome.is_some() && copy.show().is_err() {
            // Nobody else finds it, but a path leads there.
            copy.leave();
        }
        Ok(outcome)
    }

    /// Leads to the result, or has the tool run where its outputs are looked for.
    fn fulfil(&self, run: &mut Run<'_>, caller: &dyn Caller) -> Result<StepOutcome, Failure> {
        if !self.tool.execution.force
            && let Some(outcome) = self.find(run, |_, _| true)?
        {
            return Ok(outcome);
        }
        run.enter(self.view);
        fs::create_dirs(self.view, Some(0o700))
            .map_err(|error| Failure::of(exit::IBID_FAILED, &error))?;
        if !is_folder(self.view) {
            // Nothing runs in a copy.
            let message = "the view still leads to an earlier result";
            return Err(Failure::new(exit::IBID_FAILED, message));
        }
        let cx = engine::Context {
            caller: Some(caller),
            ..self.engine(run)
        };
        let outcome = engine::fulfil(self.prepared, &cx).map_err(|error| failure(&error))?;
        run.count_view(&outcome.decision);
        Ok(outcome)
    }

    fn engine<'b>(&'b self, run: &'b Run<'_>) -> engine::Context<'b> {
        in_view(run.engine(self.sink), &self.tool.environ)
    }
}

/// Makes a tool's view lead to a copy, unless nothing comes of it; an earlier view may lead there.
fn lent(
    copy: &View,
    view: &Path,
    earlier: Option<&Path>,
    act: impl FnOnce() -> Result<Option<StepOutcome>, Failure>,
) -> Result<Option<StepOutcome>, Failure> {
    // Whoever keeps what was seen lends it again.
    let is_lent = fs::look_aside(|| copy.lend_to(view, earlier));
    // What does not work here has another way, or none and is told there.
    if !is_lent.unwrap_or(false) {
        return Ok(None);
    }
    let done = act();
    if !matches!(done, Ok(Some(_))) {
        let _ = fs::remove_file(view);
    }
    done
}

/// How a result in place is cited.
type Cite = fn(&Prepared, &engine::Context<'_>) -> Option<StepOutcome>;

/// Which results are brought back.
type IsWanted = fn(&Stored, &engine::Context<'_>) -> bool;

fn is_folder(path: &Path) -> bool {
    Signature::of_link(path).is_ok_and(|it| it.kind() == FileKind::Dir)
}

/// So many inputs are few.
const FEW: usize = 64;

/// Lends what a tool in a view gets: what it is handed is only read.
fn in_view<'a>(cx: engine::Context<'a>, environ: &'a EnvSnapshot) -> engine::Context<'a> {
    engine::Context {
        env: environ,
        access: engine::Access {
            link: LinkMode::ReadOnly,
            in_view: true,
            ..cx.access
        },
        ..cx
    }
}

/// Returns the step of a tool in its view.
fn step(tool: &Tool, view: &Path) -> Result<Step, Failure> {
    if !tool.programs.is_empty() && tool.environ.get("PATH") != tool.path.as_deref() {
        return Err(Failure::usage(
            "its program is looked for in another `PATH` than that of the process",
        )
        .hint("set `os.environ[\"PATH\"]`, which sets both"));
    }
    let output = RelPath::new(tool.output.as_bytes())
        .map_err(|error| Failure::usage("the folder has no name").because_of(Some(&error)))?;
    let json = |text: &str| -> Result<Data, Failure> {
        DocumentFormat::Json
            .parse(text.as_bytes())
            .map_err(|error| Failure::usage("a param cannot be used").because_of(Some(&error)))
    };
    let (Data::Map(params), Data::Array(specs)) = (json(&tool.params)?, json(&tool.specs)?) else {
        return Err(Failure::usage("params have names, and specs are a list"));
    };
    let by_content = |path: &PathBuf| {
        let text = path.as_os_str().as_encoded_bytes();
        InputRequest::ByContent {
            place: place_of(text, &RelPath::ROOT, view),
            spelling: Vec::new(),
            way: way_back(text, &RelPath::ROOT, view),
        }
    };
    let names = tool.environ.iter().filter_map(|(name, _)| name.to_str());
    let locale = names.filter(|name| name.starts_with("LC_"));
    let keyed: BTreeSet<_> = tool.env.iter().map(String::as_str).chain(locale).collect();
    let env = keyed.into_iter().map(variable);
    Ok(Step {
        inputs: tool.inputs.iter().map(by_content).collect(),
        params,
        specs,
        env: env.collect::<Result<_, _>>()?,
        env_mode: EnvMode::Loose,
        tools: tool.programs.clone(),
        image: tool.image.clone(),
        versions: tool.versions.clone(),
        outputs: vec![OutputSpec {
            kind: OutputKind::Dir(Place::Inside(output)),
            optional: false,
            keep: false,
        }],
        policy: Policy {
            label: tool.label.clone(),
            ..Policy::default()
        },
        ..Step::new(CommandLine::Delegated(tool.words.clone()))
    })
}

/// Returns a keyed variable; it is stored and shown, so a secret is refused.
fn variable(name: &str) -> Result<EnvRequest, Failure> {
    if looks_like_secret(name) {
        return Err(Failure::usage(format!(
            "`{name}` looks like a secret, and what is keyed is stored"
        ))
        .hint("leave it out of the variables that count"));
    }
    Ok(EnvRequest {
        name: name.to_owned(),
        value: None,
    })
}
