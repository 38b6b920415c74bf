//! Which steps are meant by names and patterns on a command line.

use std::collections::{BTreeSet, HashMap};

use super::{Pipeline, StepId};
use crate::mistake::closest;

/// How far a selection reaches beyond the named steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The named steps and all that they wait for.
    #[default]
    Upstream,
    /// The named steps alone.
    Only,
    /// The named steps, all that wait for them, and what those wait for.
    Downstream,
}

/// A name or pattern that matches no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no step is called `{name}`")]
pub struct UnknownStep {
    /// What was typed.
    pub name: String,
    /// The step that was probably meant.
    pub suggestion: Option<String>,
}

/// The names of the steps of a pipeline.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// Full names with those of the declarations, in order.
    all: Vec<(&'a str, &'a str)>,
    full: HashMap<&'a str, StepId>,
    declared: HashMap<&'a str, BTreeSet<StepId>>,
}

impl<'a> Names<'a> {
    /// Takes full names with those of the declarations, in order.
    pub(super) fn new(names: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = Self::default();
        for (index, (full, declared)) in names.enumerate() {
            let id = StepId::new(index);
            found.all.push((full, declared));
            found.full.insert(full, id);
            found.declared.entry(declared).or_default().insert(id);
        }
        found
    }

    /// Returns what one name or pattern means: a step, all points of a matrix, or the steps whose
    /// full name or declaration's name matches.
    pub(super) fn find(&self, name: &str) -> Result<BTreeSet<StepId>, UnknownStep> {
        if let Some(id) = self.full.get(name) {
            return Ok(BTreeSet::from([*id]));
        }
        if let Some(points) = self.declared.get(name) {
            return Ok(points.clone());
        }
        let matching = self.matching(name);
        if !matching.is_empty() {
            return Ok(matching);
        }
        let known = self.declared.keys().chain(self.full.keys()).copied();
        let known: BTreeSet<&str> = known.collect();
        Err(UnknownStep {
            name: name.to_owned(),
            suggestion: closest(name, known).map(str::to_owned),
        })
    }

    fn matching(&self, pattern: &str) -> BTreeSet<StepId> {
        let glob = Some(pattern).filter(|text| text.contains(['*', '?', '[', '{']));
        let Some(glob) = glob.and_then(|text| globset::Glob::new(text).ok()) else {
            return BTreeSet::new();
        };
        let matcher = glob.compile_matcher();
        let names = self.all.iter().enumerate();
        let is_meant = |(_, (full, declared)): &(usize, &(&str, &str))| {
            matcher.is_match(full) || matcher.is_match(declared)
        };
        names
            .filter(is_meant)
            .map(|(index, _)| StepId::new(index))
            .collect()
    }
}

impl Pipeline {
    /// Returns the steps that `names` mean; all steps if there are no names. A name is that of a
    /// step, of a matrix (all its points), or a pattern of either.
    pub fn select(&self, names: &[String], reach: Reach) -> Result<BTreeSet<StepId>, UnknownStep> {
        if names.is_empty() {
            return Ok((0..self.steps.len()).map(StepId::new).collect());
        }
        let known = self.names();
        let mut chosen = BTreeSet::new();
        for name in names {
            chosen.extend(known.find(name)?);
        }
        Ok(match reach {
            Reach::Only => chosen,
            Reach::Upstream => self.graph.with_upstream(&chosen),
            Reach::Downstream => self
                .graph
                .with_upstream(&self.graph.with_downstream(&chosen)),
        })
    }

    /// Returns the steps that one name or pattern means.
    pub fn named(&self, name: &str) -> Result<BTreeSet<StepId>, UnknownStep> {
        self.names().find(name)
    }

    fn names(&self) -> Names<'_> {
        Names::new(
            self.steps
                .iter()
                .map(|step| (step.name.as_str(), step.declared.as_str())),
        )
    }
}
