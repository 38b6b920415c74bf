//! Stages: runs that the caller makes itself, told of before and after.
//!
//! Owns what the key of a stage is made of: the code that is handed in, inputs and outputs named
//! from the folder of the outputs, which is the root, and what else is declared. A stage's name is
//! that of its record, and no part of its key. What is on record, and what may be, is the engine's
//! to say. Invariant: asking writes nothing, neither below the root nor in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ibid_core::action::{
    CommandLine, InputRequest, OutputKind, OutputSpec, Packages, Policy, Step, parse_duration,
};
use ibid_core::config::Overrides;
use ibid_core::digest::Key;
use ibid_core::engine::{self, NotStored, OwnRun, Prepared, Unrecorded, Witness, manifest};
use ibid_core::scan::{place_of, way_back};
use ibid_core::store::{Access, Lookup, ProcessMemory};
use ibid_core::tree::RelPath;
use serde_json::{Value, json};

use super::{Door, Failure};
use crate::commands::exec::failure;
use crate::commands::key::as_json;
use crate::context::now;
use crate::exit;
use crate::report::{Reporter, outcome_json};
use crate::request;
use crate::run::{Purpose, Run};

/// A stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The folder of its outputs, absolute and without links.
    pub root: PathBuf,
    /// The name of its record.
    pub record: String,
    /// What history calls it.
    pub label: String,
    /// The module that it runs.
    pub module: String,
    /// Everything that this consists of, by name.
    pub code: BTreeMap<String, Vec<u8>>,
    /// The files that this was read from.
    pub files: Vec<PathBuf>,
    /// Files and folders that it reads.
    pub inputs: Vec<OsString>,
    /// Files and folders that it makes.
    pub outputs: Vec<OsString>,
    /// Parameters, as words `NAME=JSON`.
    pub params: Vec<OsString>,
    /// Variables, as words `NAME` and `NAME=VALUE`.
    pub env: Vec<OsString>,
    /// Versions of what it uses, by name.
    pub versions: BTreeMap<String, String>,
    /// For how long its record counts.
    pub ttl: Option<String>,
}

/// A stage with its key, and all that this rests on as it was then.
pub struct PreparedStage {
    root: PathBuf,
    files: Vec<PathBuf>,
    prepared: Prepared,
    at: Duration,
}

impl fmt::Debug for PreparedStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedStage")
            .field("key", &self.prepared.key)
            .finish_non_exhaustive()
    }
}

impl PreparedStage {
    fn record(&self) -> &str {
        let name = self.prepared.action.policy.manifest.as_deref();
        name.unwrap_or_default()
    }

    /// Returns key and components, as `ibid key` has them.
    pub fn json(&self) -> Value {
        as_json(&self.prepared)
    }
}

impl Door {
    /// Makes the key of a stage.
    pub fn prepare_stage(&self, stage: Stage) -> Result<PreparedStage, Failure> {
        let (root, files) = (stage.root.clone(), stage.files.clone());
        self.with_stage(stage, Purpose::MakeKey, |prepared, cx| {
            prepared.watch();
            Ok(PreparedStage {
                root,
                files,
                prepared,
                at: cx.clock.now(),
            })
        })
    }

    /// Says whether a run of a stage is on record that answers for the next one, as key and
    /// components and, where there is none, why. Writes nothing.
    pub fn stage_on_record(&self, stage: Stage) -> Result<Value, Failure> {
        self.with_stage(stage, Purpose::Foresee, |prepared, cx| {
            let mut answer = as_json(&prepared);
            match engine::on_record(&prepared, cx) {
                Ok(()) => answer["skip"] = true.into(),
                Err(why) => {
                    answer["skip"] = false.into();
                    answer["why"] = why_json(&why);
                }
            }
            Ok(answer)
        })
    }

    /// Records a run of a stage that is over. Where the stage was not prepared before it began,
    /// stamps have to tell that its inputs are those that it read.
    pub fn record_stage(&self, stage: &PreparedStage, witnessed: bool) -> Result<Value, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let purpose = Purpose::Execute { force: false };
        let run = Run::new(&self.context, &session, &stage.root, purpose)?;
        if let Some(caveat) = &run.caveat {
            self.context.console.warn(caveat);
        }
        let reporter = Reporter::new(&self.context.console, false, &|| (), &|| ());
        let outcome = {
            let cx = run.engine(&reporter);
            let now = cx.clock.now();
            let (started, witness) = if witnessed {
                (stage.at, Witness::Prepared)
            } else {
                (now, Witness::Stamps(stage.files.clone()))
            };
            let over = OwnRun {
                started,
                took: now.saturating_sub(started),
                witness,
            };
            engine::record_own_run(&stage.prepared, &over, &cx)
        };
        run.collect(&session);
        let cache_failed = reporter.cache_failed();
        run.leave();
        let outcome = outcome.map_err(|error| failure(&error))?;
        if session.config.strict.value && cache_failed {
            return Err(Failure::new(
                exit::IBID_FAILED,
                "the run is over, but the cache failed, and `strict` is set",
            )
            .hint("the warnings above name the fault"));
        }
        let standing = manifest::read(&stage.root, stage.record());
        let mut answer = outcome_json(&outcome);
        // A folder that cannot be written keeps no record of what is stored.
        answer["on_record"] = standing.is_some_and(|it| it.key == outcome.key).into();
        answer["by_choice"] = matches!(
            outcome.decision,
            engine::Decision::Ran {
                not_stored: Some(NotStored::Mode),
                ..
            }
        )
        .into();
        Ok(answer)
    }

    /// Brings the outputs of a stored result of a stage back, with its record, and says how; or why
    /// there is none.
    pub fn restore_stage(&self, stage: Stage) -> Result<Value, Failure> {
        let purpose = Purpose::Execute { force: false };
        self.with_stage(stage, purpose, |prepared, cx| {
            let brought = engine::bring_back_only(&prepared, cx);
            Ok(match brought.map_err(|error| failure(&error))? {
                Ok(outcome) => outcome_json(&outcome),
                Err(why) => json!({ "why": why_json(&why) }),
            })
        })
    }

    /// Removes the record of a stage. Neither the result that this is of counts any longer, wherever
    /// it is kept, nor the one of the key that the stage has, if it is told: a record may be gone, or
    /// damaged. Says whether there was a record.
    pub fn invalidate_stage(
        &self,
        root: &Path,
        record: &str,
        key: Option<Key>,
    ) -> Result<bool, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let recorded = manifest::read(root, record).map(|manifest| manifest.key);
        let keys: BTreeSet<_> = recorded.into_iter().chain(key).collect();
        let memory = Arc::new(ProcessMemory::default());
        if !keys.is_empty()
            && let Ok(store) = session.open_store(Access::ReadWrite, memory)
        {
            for key in keys {
                if let Lookup::Found(_) = store.look_up(&key)
                    && let Err(error) = store.invalidate(&key, now(), "by hand")
                {
                    let warning =
                        format!("the stored result still counts: {}", engine::chain(&error));
                    self.context.console.warn(&warning);
                }
            }
        }
        manifest::remove(root, record).map_err(|error| Failure::of(exit::IBID_FAILED, &error))
    }

    fn with_stage<T>(
        &self,
        stage: Stage,
        purpose: Purpose,
        ask: impl FnOnce(Prepared, &engine::Context<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let root = stage.root.clone();
        let step = step(stage)?;
        let run = Run::new(&self.context, &session, &root, purpose)?;
        let reporter = Reporter::new(&self.context.console, false, &|| (), &|| ());
        let answer = {
            let cx = run.engine(&reporter);
            engine::prepare(&step, &cx)
                .map_err(|error| failure(&error))
                .and_then(|prepared| ask(prepared, &cx))
        };
        run.leave();
        answer
    }
}

fn why_json(why: &Unrecorded) -> Value {
    let triggers: Vec<_> = why.triggers.iter().map(|trigger| trigger.word()).collect();
    let change = |(component, old, new): &(String, Option<String>, Option<String>)| json!({ "component": component, "old": old, "new": new });
    let changes: Vec<_> = why.changes.iter().map(change).collect();
    json!({ "triggers": triggers, "reason": why.reason, "changes": changes })
}

/// Returns the step that a stage is.
fn step(stage: Stage) -> Result<Step, Failure> {
    let ttl = stage.ttl.as_deref().map(parse_duration).transpose();
    let ttl =
        ttl.map_err(|error| Failure::usage("`ttl` takes a duration").because_of(Some(&error)))?;
    let place = |word: &OsString| place_of(word.as_bytes(), &RelPath::ROOT, &stage.root);
    let is_dir = |word: &OsString| word.as_bytes().ends_with(b"/");
    let input = |word| InputRequest::Path {
        place: place(word),
        dir_only: is_dir(word),
        way: way_back(word.as_bytes(), &RelPath::ROOT, &stage.root),
    };
    let output = |word| OutputSpec {
        kind: if is_dir(word) {
            OutputKind::Dir(place(word))
        } else {
            OutputKind::Path(place(word))
        },
        optional: false,
        keep: false,
    };
    let (inputs, outputs) = (
        stage.inputs.iter().map(input).collect(),
        stage.outputs.iter().map(output).collect(),
    );
    let command = CommandLine::Call {
        name: stage.module,
        code: stage.code,
    };
    Ok(Step {
        inputs,
        outputs,
        params: request::params(&stage.params)?,
        env: request::env(&stage.env)?,
        versions: stage.versions,
        packages: Packages::None,
        policy: Policy {
            label: stage.label,
            ttl,
            manifest: Some(stage.record),
            ..Policy::default()
        },
        ..Step::new(command)
    })
}
