//! Declared steps to finished ones: matrices multiplied, placeholders filled, edges drawn.
//!
//! ```text
//! declared -> points (matrix) -> drafts (paths filled) -> writers (one a path)
//!          -> settled (patterns that stand for outputs) -> steps (commands filled) -> graph
//! ```
//!
//! Reads `specs` and looks whether a file is called like a pattern; touches nothing else on disk.
//! The order of declaration is the order of steps; nothing depends on the order of a map.

mod build;
mod command;
mod draft;
mod edges;
mod links;
mod matrix;
mod overlap;
mod paths;
mod quote;
mod reads;
#[cfg(test)]
mod sample;
mod scope;
mod script;
mod shell;
mod template;
#[cfg(test)]
mod tests;
mod writers;

pub(super) use edges::holds;
pub(super) use quote::{Beside, as_word};

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::declared::{DeclaredPipeline, Sources};
use super::load::PipelineError;
use super::selection::Names;
use super::{Graph, Pipeline, PipelineStep};
use crate::action::EnvMode;
use crate::mistake::Mistake;
use build::{Around, build};
use draft::{Draft, remembering};
use edges::Known;
use matrix::{MOST_STEPS, Point, points};
use scope::Scope;
use writers::Writers;

/// Expands what was declared to a pipeline whose root is `root`.
pub(super) fn expand(
    declared: DeclaredPipeline,
    sources: &Sources,
    root: &Path,
) -> Result<Pipeline, PipelineError> {
    let folder = || {
        root.file_name()
            .unwrap_or(root.as_os_str())
            .to_string_lossy()
            .into_owned()
    };
    let name = declared.name.clone().unwrap_or_else(folder);
    let (steps, graph) = expanded(&declared, &name, sources, root)?;
    Ok(Pipeline {
        name,
        steps,
        graph,
        limits: declared.limits,
    })
}

/// Makes the steps and the graph of the pipeline that is called `name`.
fn expanded(
    declared: &DeclaredPipeline,
    name: &str,
    sources: &Sources,
    root: &Path,
) -> Result<(Vec<PipelineStep>, Graph), PipelineError> {
    let points = all_points(declared, sources)?;
    let mut scopes: Vec<Scope<'_>> = Vec::new();
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    for (step, points) in declared.steps.iter().zip(&points) {
        for point in points {
            let mut scope = Scope {
                sources,
                params: &declared.params,
                step,
                point: point.as_ref(),
                used: BTreeMap::new(),
            };
            drafts.push(Draft::new(&mut scope, root)?);
            scopes.push(scope);
        }
    }
    if let Some((first, second)) = edges::twice(&drafts) {
        let message = format!(
            "there is a step of this name already ({})",
            sources.line(first)
        );
        return Err(sources.mistake(second, message).into());
    }
    finish(&drafts, &mut scopes, (name, declared.env_mode), root)
}

/// Returns the points of each step; a step without a matrix has one that is none.
fn all_points(
    declared: &DeclaredPipeline,
    sources: &Sources,
) -> Result<Vec<Vec<Option<Point>>>, Mistake> {
    let mut count = 0;
    let mut all = Vec::with_capacity(declared.steps.len());
    for step in &declared.steps {
        let points = match &step.matrix {
            None => vec![None],
            Some(matrix) => points(matrix, sources)?.into_iter().map(Some).collect(),
        };
        count += points.len();
        if count > MOST_STEPS {
            let message = format!("with this step there are more than {MOST_STEPS} steps");
            return Err(sources.mistake(&step.name.at, message));
        }
        all.push(points);
    }
    Ok(all)
}

/// Finishes all steps, and draws the edges.
fn finish<'d>(
    drafts: &'d [Draft<'d>],
    scopes: &mut [Scope<'d>],
    (name, env_mode): (&str, EnvMode),
    root: &Path,
) -> Result<(Vec<PipelineStep>, Graph), PipelineError> {
    let Some(sources) = scopes.first().map(|scope| scope.sources) else {
        return Ok((Vec::new(), Graph::default()));
    };
    let writers = Writers::new(drafts, sources)?;
    edges::not_its_own(drafts, &writers, sources, root)?;
    let mut reach = remembering(&writers);
    let mut around = Around {
        root,
        name,
        env_mode,
        writers: &writers,
        drafts,
        documents: HashMap::new(),
    };
    let mut steps = Vec::with_capacity(drafts.len());
    let mut reads = Vec::with_capacity(drafts.len());
    for (index, (draft, scope)) in drafts.iter().zip(scopes).enumerate() {
        let settlement = draft.settle(index, &mut reach);
        let (step, read) = build(draft, scope, settlement, &mut around)?;
        steps.push(step);
        reads.push(read);
    }
    let names = Names::new(drafts.iter().map(Draft::names));
    let known = Known {
        drafts,
        writers: &writers,
        names: &names,
        sources,
    };
    let graph = edges::graph(&known, &reads, &mut reach, root)?;
    Ok((steps, graph))
}
