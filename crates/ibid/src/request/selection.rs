//! Which steps a command line means, and which of them must run.

use std::collections::BTreeSet;

use ibid_core::pipeline::{Pipeline, Reach, StepId, UnknownStep};

use crate::args::SelectArgs;
use crate::error::Failure;
use crate::report::people;

/// Steps of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Those to be done.
    pub(crate) steps: BTreeSet<StepId>,
    /// Those whose command runs even if a result is known: the named ones, not what they wait for.
    pub(crate) forced: BTreeSet<StepId>,
}

/// Finds the steps that are meant; with `force` the named ones must run, all if none is named.
pub(crate) fn selection(
    pipeline: &Pipeline,
    args: &SelectArgs,
    force: bool,
) -> Result<Selection, Failure> {
    if pipeline.steps.is_empty() {
        return Err(Failure::usage("`ibid.toml` declares no steps")
            .hint("a step is a table `[steps.NAME]` with `run`; `ibid init` shows one"));
    }
    let reach = match (args.only, args.downstream) {
        (true, _) => Reach::Only,
        (_, true) => Reach::Downstream,
        _ => Reach::Upstream,
    };
    let steps = pipeline.select(&args.steps, reach).map_err(unknown)?;
    let mut forced = BTreeSet::new();
    if force && args.steps.is_empty() {
        forced.clone_from(&steps);
    } else if force {
        for name in &args.steps {
            forced.extend(pipeline.named(name).map_err(unknown)?);
        }
    }
    Ok(Selection { steps, forced })
}

fn unknown(UnknownStep { name, suggestion }: UnknownStep) -> Failure {
    let shown = people::os(name.as_ref());
    let failure = Failure::usage(format!("no step is called `{shown}`"));
    match suggestion {
        Some(similar) => failure.hint(format!("did you mean `{similar}`?")),
        None => failure.hint("`ibid plan` lists the steps"),
    }
}
