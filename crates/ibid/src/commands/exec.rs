//! `ibid exec`: a command, or its earlier result.

use std::io::Read;

use ibid_core::engine::{self, Decision, NotStored, StepOutcome};
use ibid_core::exec::{Status, expect_child_status};
use signal_hook::consts::SIGPIPE;

use crate::args::ExecArgs;
use crate::context::{Context, Process};
use crate::error::Failure;
use crate::exit::{self, Exit};
use crate::report::Reporter;
use crate::run::{OwnStdin, Purpose, Run};
use crate::{request, signals};

pub(super) fn run(args: ExecArgs, context: &Context) -> Result<Exit, Failure> {
    let outcome = perform(args, context, &mut OwnStdin)?;
    match (ending(&outcome), context.console.check_passed()) {
        // The command's own failure says more.
        (Exit::Code(0), Err(lost)) => Err(lost),
        (ending, _) => Ok(ending),
    }
}

/// Does a step; its standard input, if it is declared, is read from `stdin`.
pub(crate) fn perform(
    args: ExecArgs,
    context: &Context,
    stdin: &mut dyn Read,
) -> Result<StepOutcome, Failure> {
    let root = args.step.makes.root.as_deref();
    let root = root.map(|root| request::asked_root(root, &context.place.dir));
    let session = context.session(root.transpose()?, request::overrides(&args.step, &args.run))?;
    let mut request = request::exec(args.step, &args.run, &context.place.dir, &session)?;
    let mut run = Run::new(
        context,
        &session,
        &request.root,
        Purpose::Execute {
            force: request.force,
        },
    )?;
    if request.stdin {
        run.spool_stdin(&mut request.step, stdin)?;
    }
    let is_own = context.process == Process::Own;
    if is_own && !request.step.versions_from.is_empty() {
        expect_child_status();
    }
    let on_running = || {
        if is_own {
            // Whoever started this process may have wished not to hear of children; that is
            // inherited.
            expect_child_status();
            // Before the command runs nothing needs more than the default: to end.
            signals::forward_to(&context.interrupt);
        }
        if let Some(caveat) = &run.caveat {
            let warning = format!("{caveat}; running without storing the result");
            context.console.warn(&warning);
        }
    };
    // A pipe would have told the command so by this signal; there is a process between them here.
    let on_unread = || context.interrupt.raise(SIGPIPE);
    let reporter = Reporter::new(&context.console, request.explain, &on_running, &on_unread);
    let outcome = engine::step(&request.step, &run.engine(&reporter));
    context.console.end();
    run.collect(&session);
    let cache_failed = reporter.cache_failed();
    run.leave();
    let outcome = outcome.map_err(|error| failure(&error))?;
    if session.config.strict.value && cache_failed {
        return Err(Failure::new(
            exit::IBID_FAILED,
            "the command ran, but the cache failed, and `--strict` is set",
        )
        .hint("the warnings above name the fault"));
    }
    Ok(outcome)
}

/// Ends as the command did.
fn ending(outcome: &StepOutcome) -> Exit {
    let timed_out = matches!(
        outcome.decision,
        Decision::Ran {
            not_stored: Some(NotStored::TimedOut),
            ..
        }
    );
    match outcome.status {
        Status::Exited(code) => Exit::Code(code),
        // The signal was ours, so it is no wish of anybody that this process ends by it.
        status @ Status::Signalled { .. } if timed_out => Exit::Code(status.code()),
        Status::Signalled { signal } => Exit::Signal(signal),
    }
}

/// Maps whose fault it is to an exit code.
pub(crate) fn failure(error: &engine::Error) -> Failure {
    use engine::ErrorKind;
    let code = match error.kind() {
        ErrorKind::User => exit::USAGE,
        ErrorKind::NotFound => exit::NOT_FOUND,
        ErrorKind::NotExecutable => exit::NOT_EXECUTABLE,
        ErrorKind::Interrupted(_) => exit::INTERRUPTED,
        _ => exit::IBID_FAILED,
    };
    let failure = Failure::of(code, error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
