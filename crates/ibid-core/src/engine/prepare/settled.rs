//! Files that a pattern matches and that do not count, because the pattern stands for declared
//! outputs of other steps: what earlier runs or people left there.

use super::gather::Gather;
use crate::action::{InputRequest, Step};
use crate::engine::context::Context;
use crate::engine::error::Error;
use crate::engine::event::Warning;
use crate::engine::overlay::Overlay;
use crate::fs::Meter;
use crate::pipeline::Settled;
use crate::scan::Pattern;
use crate::tree::{Escaped, Place, RelPath};

/// Returns what to tell of patterns that stand for outputs; `step` is bound. What cannot be listed
/// is not told: nothing hangs on it.
pub(in crate::engine) fn not_counted(
    settled: &[Settled],
    step: &Step,
    cx: &Context<'_>,
) -> Vec<Warning> {
    if settled.is_empty() {
        return Vec::new();
    }
    let warning = |settled: &Settled| {
        let strays = strays(&settled.pattern, step, cx).ok()?;
        (!strays.is_empty()).then(|| Warning::NotCounted {
            pattern: settled.pattern.clone(),
            files: strays,
        })
    };
    settled.iter().filter_map(warning).collect()
}

fn strays(pattern: &str, step: &Step, cx: &Context<'_>) -> Result<Vec<String>, Error> {
    let (meter, overlay) = (Meter::default(), Overlay::default());
    let gather = Gather::new(step, &overlay, cx, &meter)?;
    let found = gather
        .scanner
        .glob(&Pattern::new(pattern)?, &gather.filter)?;
    let is_stray = |path: &RelPath| !counts(&Place::Inside(path.clone()), step);
    let strays = found.paths.iter().filter(|path| is_stray(path));
    Ok(strays
        .map(|path| Escaped(path.as_bytes()).to_string())
        .collect())
}

/// Says whether a place is read as declared or lies in a directory that is.
fn counts(place: &Place, step: &Step) -> bool {
    let inputs = step.inputs.iter().filter_map(|input| match input {
        InputRequest::Path { place, .. } | InputRequest::ByContent { place, .. } => Some(place),
        InputRequest::Glob { .. } => None,
    });
    let mut reads = inputs.chain(&step.code);
    reads.any(|read| place.is_within(read))
}
