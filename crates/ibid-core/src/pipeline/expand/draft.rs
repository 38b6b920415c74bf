//! One point of a step with its paths filled: enough to see who writes and reads what.

use std::path::Path;

use super::command::{NamedWords, PathWord};
use super::matrix::Point;
use super::paths::{self, Input, Named, Output};
use super::scope::Scope;
use super::writers::{Reached, Writers};
use crate::action::InputRequest;
use crate::fs::FileKind;
use crate::mistake::Mistake;
use crate::pipeline::declared::{At, DeclaredStep};
use crate::pipeline::step::Settled;
use crate::scan::Filter;
use crate::tree::{Place, RelPath};

/// A step on its way.
pub(super) struct Draft<'d> {
    pub(super) step: &'d DeclaredStep,
    pub(super) point: Option<&'d Point>,
    /// Its full name.
    pub(super) name: String,
    pub(super) manifest: String,
    pub(super) inputs: Vec<Input<'d>>,
    pub(super) outputs: Vec<Output<'d>>,
    pub(super) code: Vec<Code<'d>>,
    pub(super) excludes: Vec<String>,
    /// Names and patterns of steps that come before, one for each text.
    pub(super) after: Vec<String>,
}

/// Declared code.
#[derive(Clone, Debug)]
pub(super) struct Code<'d> {
    pub(super) at: &'d At,
    pub(super) named: Named,
}

/// What became of the patterns of a step.
#[derive(Debug, Default)]
pub(super) struct Settlement<'d> {
    pub(super) inputs: Vec<(&'d At, InputRequest)>,
    /// What placeholders of inputs stand for, in order of declaration.
    pub(super) words: Vec<NamedWords<'d>>,
    pub(super) code: Vec<Code<'d>>,
    pub(super) settled: Vec<Settled>,
    pub(super) inside: Vec<Settled>,
}

impl<'d> Draft<'d> {
    /// Fills the paths of a step.
    pub(super) fn new(scope: &mut Scope<'d>, root: &Path) -> Result<Self, Mistake> {
        let step = scope.step;
        let name = &step.name.value;
        let (name, manifest) = match scope.point {
            None => (name.clone(), name.clone()),
            Some(point) => (
                format!("{name}@{}", point.name),
                format!("{name}@{}", point.manifest),
            ),
        };
        let excludes = step.exclude.iter();
        let excludes = excludes.map(|text| paths::exclude(scope, text, root));
        let excludes = excludes.collect::<Result<_, _>>()?;
        let inputs = step.inputs.iter();
        let inputs = inputs.map(|path| paths::input(scope, path, root));
        let inputs = inputs.collect::<Result<_, _>>()?;
        let outputs = step.outputs.iter();
        let outputs = outputs.map(|path| paths::output(scope, path, root));
        let outputs = outputs.collect::<Result<_, _>>()?;
        let code = step.code.iter().map(|text| {
            let (named, _) = paths::named(scope, text, root)?;
            Ok(Code {
                at: &text.at,
                named,
            })
        });
        let code = code.collect::<Result<_, _>>()?;
        let after = step.after.iter().map(|text| scope.fill(text));
        let after = after.collect::<Result<_, _>>()?;
        Ok(Self {
            step,
            point: scope.point,
            name,
            manifest,
            inputs,
            outputs,
            code,
            excludes,
            after,
        })
    }

    /// Returns its full name and that of its declaration.
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.name, &self.step.name.value)
    }

    /// Lets patterns stand for the outputs of other steps that match them, where all that they
    /// reach is outputs of known paths. `index` is this step's place in the list, `reach` what
    /// the writers know of a pattern.
    pub(super) fn settle(
        &self,
        index: usize,
        reach: &mut dyn FnMut(&str) -> Reached,
    ) -> Settlement<'d> {
        let is_glob = |input: &Input<'_>| matches!(input.request, InputRequest::Glob { .. });
        let is_pattern = |code: &Code<'_>| matches!(code.named, Named::Pattern(_));
        let any = self.inputs.iter().any(is_glob) || self.code.iter().any(is_pattern);
        let filter = any.then(|| Filter::inputs(&self.excludes).ok()).flatten();
        let filter = filter.as_ref();
        let mut settlement = Settlement::default();
        for input in &self.inputs {
            let stands_for = match &input.request {
                InputRequest::Glob { pattern } => {
                    stands_for(index, pattern, filter, reach(pattern), &mut settlement)
                }
                _ => None,
            };
            let Some(paths) = stands_for else {
                settlement.inputs.push((input.at, input.request.clone()));
                settlement.words.push(input.words.clone());
                continue;
            };
            let words = paths
                .iter()
                .map(|path| PathWord::Word(path.as_bytes().to_vec()));
            settlement.words.push(NamedWords {
                name: input.words.name,
                words: words.collect(),
            });
            let paths = paths.into_iter().map(Place::Inside);
            settlement.inputs.extend(paths.map(|place| {
                let request = InputRequest::Path {
                    place,
                    dir_only: false,
                    way: None,
                };
                (input.at, request)
            }));
        }
        for code in &self.code {
            let stands_for = match &code.named {
                Named::Pattern(pattern) => {
                    stands_for(index, pattern, filter, reach(pattern), &mut settlement)
                }
                Named::Place { .. } => None,
            };
            let Some(paths) = stands_for else {
                settlement.code.push(code.clone());
                continue;
            };
            let paths = paths.into_iter().map(Place::Inside);
            settlement.code.extend(paths.map(|place| Code {
                at: code.at,
                named: Named::Place {
                    place,
                    dir_only: false,
                },
            }));
        }
        settlement
    }
}

/// Returns the outputs that a pattern stands for, if it does, and notes it.
fn stands_for(
    index: usize,
    pattern: &str,
    filter: Option<&Filter>,
    mut reached: Reached,
    settlement: &mut Settlement<'_>,
) -> Option<Vec<RelPath>> {
    let is_left_out = |path: &RelPath| filter.is_some_and(|filter| leaves_out(filter, path));
    for found in [&mut reached.matched, &mut reached.perhaps] {
        found.retain(|(path, writer)| writer.step != index && !is_left_out(path));
    }
    let is_open = reached.open.iter().any(|writer| writer.step != index);
    if reached.matched.is_empty() || is_open {
        return None;
    }
    let paths = |found: Vec<(RelPath, _)>| {
        let mut paths: Vec<RelPath> = found.into_iter().map(|(path, _)| path).collect();
        paths.sort();
        paths
    };
    let outputs = paths(reached.matched);
    settlement.settled.push(Settled {
        pattern: pattern.to_owned(),
        outputs: outputs.clone(),
    });
    if !reached.perhaps.is_empty() {
        settlement.inside.push(Settled {
            pattern: pattern.to_owned(),
            outputs: paths(reached.perhaps),
        });
    }
    Some(outputs)
}

/// Says whether a step's rules leave a path out, or a folder on the way to it.
pub(super) fn leaves_out(filter: &Filter, path: &RelPath) -> bool {
    let mut here = RelPath::ROOT;
    let count = path.components().count();
    path.components().enumerate().any(|(index, name)| {
        let kind = if index + 1 == count {
            FileKind::File
        } else {
            FileKind::Dir
        };
        match here.child(name) {
            Ok(child) => here = child,
            Err(_) => return false,
        }
        filter.skips(name, Some(&here), kind)
    })
}

/// Looks patterns up once each.
pub(super) fn remembering<'w>(writers: &'w Writers<'_>) -> impl FnMut(&str) -> Reached + 'w {
    let mut known = std::collections::HashMap::<String, Reached>::new();
    move |pattern| {
        if let Some(reached) = known.get(pattern) {
            return reached.clone();
        }
        let reached = writers.at_pattern(pattern);
        known.insert(pattern.to_owned(), reached.clone());
        reached
    }
}
