//! Binding: a step of a pipeline gets its last words, those that only the disk can tell.
//!
//! Where a placeholder of the command stands for a pattern of inputs, its matches are listed just
//! before the step is prepared, when all that it waits for has given its outputs. They are listed
//! by the very rules that the inputs are scanned by, so the command names what is keyed.

use super::context::Context;
use super::error::Error;
use super::prepare::filter;
use crate::action::Step;
use crate::fs::Meter;
use crate::pipeline::PipelineStep;
use crate::scan::{Pattern, Scanner};

/// Returns the step with patterns of inputs in its command expanded. Reads folders, changes
/// nothing.
pub(super) fn bind(declared: &PipelineStep, cx: &Context<'_>) -> Result<Step, Error> {
    let meter = Meter::default();
    let scanner = Scanner::new(cx.root, cx.stats, &meter);
    let step = declared.bind(&mut |pattern| {
        // Made here, because few commands ask for it.
        let filter = filter(&declared.step, cx)?;
        let matches = scanner.glob(&Pattern::new(pattern)?, &filter)?;
        Ok(matches.paths)
    })?;
    Ok(step)
}
