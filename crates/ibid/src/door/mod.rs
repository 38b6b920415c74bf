//! `Door`: what the command line does for its words, for a caller in the same process.
//!
//! Owns nothing of how a request is understood or done: that is `request` and `commands`, which
//! both doors share, so that one action has one key by whichever it comes. Invariants: neither the
//! current folder, nor the environment, nor the signal handlers, nor the streams of the process are
//! touched; what is told goes to a [`Listener`].

mod call;
mod dirs;
mod hits;
mod recent;
mod stage;
mod tool;

use std::io::Read as _;
use std::sync::Arc;

pub use ibid_core::action::{Segment, Word};
use ibid_core::config::Overrides;
pub use ibid_core::engine::{Caller, Made};
pub use ibid_core::environ::EnvSnapshot;
pub use ibid_core::exec::{Interrupt, Stream};
pub use ibid_core::fs::Meter;
pub use ibid_core::store::View;
use serde_json::Value;

pub use self::call::{Call, Called};
pub use self::dirs::{Choice, Folders, Program};
pub use self::stage::{PreparedStage, Stage};
pub use self::tool::Tool;
pub use crate::args::{
    EnvModeArg, ExecutionArgs, LinkArg, MakeArgs, ModeArg, NeedArgs, PackagesArg, SelectArgs,
    ShowOutputArg, StepArgs,
};
use crate::args::{ExecArgs, RunArgs};
use crate::commands;
use crate::context::Context;
pub use crate::error::Failure;
use crate::exit::Exit;
pub use crate::place::Place;
pub use crate::report::{Listener, Weight};
use crate::report::{outcome_json, people, plan as plan_report};
use crate::request;

/// What was asked for: as the JSON of the command line, and as its text.
#[derive(Clone, Debug)]
pub struct Answer {
    /// For programs.
    pub json: Value,
    /// For people, without colours.
    pub text: String,
}

/// How a run of many steps goes about it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunCall {
    /// How many processors it may occupy; all, unless it says so.
    pub parallel: Option<u64>,
    /// Whether a failure leaves running what does not hang on it.
    pub keep_going: bool,
    /// Whose output is told.
    pub show_output: Option<ShowOutputArg>,
}

/// Takes requests made in one place.
#[derive(Debug)]
pub struct Door {
    context: Context,
}

impl Door {
    /// Makes a door whose requests are heard by `listener`.
    pub fn new(place: Place, listener: Arc<dyn Listener>) -> Self {
        Self {
            context: Context::lent(place, listener),
        }
    }

    /// Returns what the caller ends a request by.
    pub fn interrupt(&self) -> Interrupt {
        self.context.interrupt.clone()
    }

    /// Does what `ibid exec` does; `stdin` is what the command reads, if that is declared.
    pub fn exec(&self, step: StepArgs, run: ExecutionArgs, stdin: &[u8]) -> Result<Value, Failure> {
        let args = ExecArgs {
            step,
            run,
            ..ExecArgs::default()
        };
        let outcome = commands::exec::perform(args, &self.context, &mut stdin.take(u64::MAX))?;
        Ok(outcome_json(&outcome))
    }

    /// Does what `ibid key` does.
    pub fn key(&self, step: StepArgs, run: ExecutionArgs, stdin: &[u8]) -> Result<Answer, Failure> {
        let stdin = &mut stdin.take(u64::MAX);
        let prepared = commands::key::prepared((step, run), &self.context, stdin)?;
        Ok(Answer {
            json: commands::key::as_json(&prepared),
            text: commands::key::as_text(&prepared),
        })
    }

    /// Reads the steps of the project, and returns their names in the order of the file.
    pub fn steps(&self) -> Result<Vec<String>, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let steps = session.pipeline()?.steps;
        Ok(steps.into_iter().map(|step| step.name).collect())
    }

    /// Does what `ibid plan` does.
    pub fn plan(&self, select: &SelectArgs, force: bool) -> Result<Answer, Failure> {
        let session = self.context.session(None, Overrides::default())?;
        let pipeline = session.pipeline()?;
        let selection = request::selection(&pipeline, select, force)?;
        let planned = commands::plan::planned(&session, &self.context, (&pipeline, selection))?;
        Ok(Answer {
            json: plan_report::document(&planned, &pipeline),
            text: plan_report::text(&planned, &pipeline, people::Paint::Plain),
        })
    }

    /// Does what `ibid run` does, and returns its exit code; how each step went is heard.
    pub fn run(
        &self,
        select: SelectArgs,
        execution: ExecutionArgs,
        call: RunCall,
    ) -> Result<u8, Failure> {
        let args = RunArgs {
            select,
            execution,
            parallel: call.parallel,
            keep_going: call.keep_going,
            show_output: call.show_output,
            dry_run: false,
            global: crate::args::GlobalArgs::default(),
        };
        match commands::run::run(&args, &self.context)? {
            Exit::Code(code) => Ok(code),
            Exit::Signal(signal) => Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
        }
    }

    /// Does what `ibid why` does.
    pub fn why(&self, of: Option<&str>) -> Result<Answer, Failure> {
        commands::why::answer(of, &self.context)
    }
}
