//! `ibid run`: the steps of the project's file, each done if it needs to be.

use std::num::NonZero;
use std::thread::available_parallelism;

use ibid_core::engine::ErrorKind;
use ibid_core::engine::schedule::{self, Finished, Order, RunReport};
use ibid_core::exec::expect_child_status;
use ibid_core::fs;
use ibid_core::pipeline::Pipeline;

use super::plan;
use crate::again;
use crate::args::{RunArgs, ShowOutputArg};
use crate::context::{Context, Process, Session};
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::{PipelineReporter, ShowOutput, Telltale};
use crate::request::{self, Selection};
use crate::run::{Purpose, Run};
use crate::signals;

pub(crate) fn run(args: &RunArgs, context: &Context) -> Result<Exit, Failure> {
    let session = context.session(None, request::execution_overrides(&args.execution))?;
    let pipeline = session.pipeline()?;
    let selection = request::selection(&pipeline, &args.select, args.execution.force)?;
    if args.dry_run {
        return plan::tell(&session, context, (&pipeline, selection));
    }
    // Nothing but events is printed.
    context.console.events_are_data();
    let run = Run::new(
        context,
        &session,
        &session.root,
        Purpose::Execute { force: false },
    )?;
    if let Some(caveat) = &run.caveat {
        let warning = format!("{caveat}; running without storing the results");
        context.console.warn(&warning);
    }
    let reporter = PipelineReporter::new(
        &context.console,
        &pipeline,
        Telltale {
            show: shown(args.show_output),
            explain: args.execution.explain,
            interrupt: context.interrupt.clone(),
        },
    );
    if context.process == Process::Own {
        // Whoever started this process may have wished not to hear of children; that is inherited.
        expect_child_status();
        signals::forward_and_end(&context.interrupt);
    }
    let order = Order {
        keep_going: args.keep_going,
        cpus: args.parallel.unwrap_or_else(processors),
        ..order(&pipeline, selection)
    };
    let generation = run.generation();
    let report = schedule::run(&order, &run.engine(&Silent), &reporter);
    if let (Some(asking), Some(generation)) = (&context.asking, &generation) {
        again::remember(
            asking,
            (&report, &pipeline),
            (&session, context),
            (&run, generation.as_deref()),
        );
    }
    run.collect(&session);
    ending(&report, &session, reporter.cache_failed(), context)
}

/// Returns an order of these steps that may use all of this machine.
pub(super) fn order(pipeline: &Pipeline, selection: Selection) -> Order<'_> {
    Order {
        pipeline,
        steps: selection.steps,
        forced: selection.forced,
        cpus: processors(),
        memory: fs::memory_limit(),
        open_files: fs::open_files_limit(),
        keep_going: false,
    }
}

/// Returns how many processors this process may use.
fn processors() -> u64 {
    let many = available_parallelism().map_or(1, NonZero::get);
    u64::try_from(many).unwrap_or(1)
}

fn shown(asked: Option<ShowOutputArg>) -> ShowOutput {
    match asked {
        None => ShowOutput::default(),
        Some(ShowOutputArg::Never) => ShowOutput::Never,
        Some(ShowOutputArg::Failed) => ShowOutput::Failed,
        Some(ShowOutputArg::All) => ShowOutput::All,
    }
}

/// The sink of a context that is not heard: the run tells everything by its own.
pub(super) struct Silent;

impl ibid_core::engine::Sink for Silent {
    fn event(&self, _event: &ibid_core::engine::Event<'_>) {}
}

/// Ends as the run did.
fn ending(
    report: &RunReport,
    session: &Session,
    cache_failed: bool,
    context: &Context,
) -> Result<Exit, Failure> {
    match code(report) {
        exit::OK if session.config.strict.value && cache_failed => Err(Failure::new(
            exit::IBID_FAILED,
            "all steps are done, but the cache failed, and `--strict` is set",
        )
        .hint("the warnings above name the fault")),
        exit::OK => context.console.check_passed().map(|()| Exit::OK),
        code => Ok(Exit::Code(code)),
    }
}

/// Returns the exit code of a run: whoever interrupts knows, a fault of ibid says more than that
/// of a step.
fn code(report: &RunReport) -> u8 {
    if let Some(signal) = report.interrupted {
        return u8::try_from(128 + signal).unwrap_or(exit::INTERRUPTED);
    }
    let codes = report.finished.values().map(|finished| match finished {
        Finished::Done(_) => exit::OK,
        Finished::Error(error) => match error.kind() {
            ErrorKind::User | ErrorKind::NotFound | ErrorKind::NotExecutable => exit::STEP_FAILED,
            _ => exit::IBID_FAILED,
        },
        Finished::Failed(_) | Finished::Skipped { .. } | Finished::NotStarted => exit::STEP_FAILED,
    });
    codes.max().unwrap_or(exit::OK)
}

#[cfg(test)]
mod tests {
    use ibid_core::pipeline::StepId;

    use super::*;

    fn with(finished: Vec<Finished>, interrupted: Option<i32>) -> u8 {
        let steps = finished.into_iter().enumerate();
        code(&RunReport {
            finished: steps.map(|(at, it)| (StepId::new(at), it)).collect(),
            interrupted,
            ..RunReport::default()
        })
    }

    #[test]
    fn a_run_ends_with_the_worst_that_happened() {
        use ibid_core::engine::Error;
        let because = StepId::new(0);
        assert_eq!(with(Vec::new(), None), 0);
        assert_eq!(with(vec![Finished::Skipped { because }], None), 1);
        assert_eq!(with(vec![Finished::NotStarted], Some(2)), 130);
        assert_eq!(with(vec![Finished::NotStarted], Some(15)), 143);
        let unread = fs::open_file("/nowhere/at/all".as_ref()).unwrap_err();
        let fault = Finished::Error(Error::Path(unread));
        assert_eq!(with(vec![Finished::NotStarted, fault], None), 125);
    }
}
