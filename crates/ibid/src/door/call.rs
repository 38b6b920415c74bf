//! Functions of the caller's process: their results are cited like those of commands.
//!
//! Owns what a call is made of, and where its result stands: in the view of its key, a folder that
//! is the root of its step. So a result is recognised, put right, shared and explained by the same
//! engine as any other, and what stands in a view is a copy, never the entry. Invariant: where a
//! view lies is no part of its key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ibid_core::action::{
    CommandLine, DocumentFormat, OutputKind, OutputSpec, Packages, Policy, Step, parse_duration,
};
use ibid_core::engine::{self, Caller};
use ibid_core::tree::{Place, RelPath};
use serde_json::Value;

use super::{Door, Failure};
use crate::args::ExecutionArgs;
use crate::commands::exec::failure;
use crate::exit;
use crate::report::{Reporter, outcome_json};
use crate::request;
use crate::run::{Purpose, Run};

/// A function, what it is called with, and what it makes.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct Called {
    /// How it went, as JSON: its exit code is not 0 where the function failed.
    pub outcome: Value,
    /// Where the result stands.
    pub path: PathBuf,
}

impl Door {
    /// Calls a function by `caller`, or brings its earlier result back.
    pub fn call(&self, call: Call, caller: &dyn Caller) -> Result<Called, Failure> {
        let context = &self.context;
        let session = context.session(None, request::execution_overrides(&call.execution))?;
        let force = call.execution.force;
        let (step, output) = step(call)?;
        let purpose = Purpose::Execute { force };
        let mut run = Run::new(context, &session, &session.root, purpose)?;
        if let Some(caveat) = &run.caveat {
            let warning = format!("{caveat}; running without storing the result");
            context.console.warn(&warning);
        }
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let prepared = engine::prepare(&step, &run.engine(&reporter));
        let key = prepared.map_err(|error| failure(&error))?.key;
        run.enter_view(&key, Some(caller))?;
        let outcome = engine::step(&step, &run.engine(&reporter));
        run.collect(&session);
        let path = run.root().join(output);
        let cache_failed = reporter.cache_failed();
        run.leave();
        let outcome = outcome.map_err(|error| failure(&error))?;
        if session.config.strict.value && cache_failed {
            return Err(Failure::new(
                exit::IBID_FAILED,
                "the function returned, but the cache failed, and `strict` is set",
            )
            .hint("the warnings above name the fault"));
        }
        Ok(Called {
            outcome: outcome_json(&outcome),
            path,
        })
    }

    /// Returns the key of a call, and where its result stands or would stand.
    pub fn place_of_call(&self, call: Call) -> Result<(String, PathBuf), Failure> {
        let context = &self.context;
        let session = context.session(None, request::execution_overrides(&call.execution))?;
        let (step, output) = step(call)?;
        let purpose = Purpose::Execute { force: false };
        let mut run = Run::new(context, &session, &session.root, purpose)?;
        let reporter = Reporter::new(&context.console, false, &|| (), &|| ());
        let prepared = engine::prepare(&step, &run.engine(&reporter));
        let key = prepared.map_err(|error| failure(&error))?.key;
        run.enter_view(&key, None)?;
        let path = run.root().join(output);
        run.leave();
        Ok((key.to_string(), path))
    }
}

/// Returns the step of a call, and the name of its output.
fn step(call: Call) -> Result<(Step, String), Failure> {
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
        name: call.name,
        code: call.code,
    };
    let step = Step {
        specs: vec![spec],
        versions: call.versions,
        packages: Packages::None,
        outputs: vec![OutputSpec {
            kind: OutputKind::Path(Place::Inside(place)),
            optional: false,
            keep: false,
        }],
        policy: Policy {
            label: call.label,
            ttl,
            ..Policy::default()
        },
        ..Step::new(command)
    };
    Ok((step, call.output))
}
