//! `PipelineStep`: a declared step, or one point of its matrix, with everything filled in.

use super::Resources;
use super::expand::{Beside, as_word};
use crate::action::{CommandLine, InputRequest, Step};
use crate::scan::ScanError;
use crate::tree::{Place, RelPath};

/// A step of a pipeline.
#[derive(Clone, Debug)]
pub struct PipelineStep {
    /// Its name: `clean`, or `fit@Adelie` for a point of a matrix.
    pub name: String,
    /// The name of the declaration: `fit`.
    pub declared: String,
    /// What it is for, in the user's words.
    pub description: Option<String>,
    /// What computes it. Where a placeholder stands for a pattern of inputs, or code is declared
    /// by a pattern, it is only complete after [`Self::bind`].
    pub step: Step,
    /// Whether it runs even if its result is known.
    pub always: bool,
    /// How often a failed command is tried again.
    pub retries: u32,
    /// What it occupies.
    pub resources: Resources,
    /// Patterns of inputs that stand for outputs of other steps. Files that match and are no
    /// step's output do not count, which the user should be told.
    pub settled: Vec<Settled>,
    pub(super) gaps: Gaps,
}

/// A pattern of inputs or code that stands for declared outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The pattern.
    pub pattern: String,
    /// The outputs, sorted.
    pub outputs: Vec<RelPath>,
}

/// What only the files on disk can fill.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    /// The command in parts, unless it is complete: words, or pieces of the script.
    pub(super) command: Option<Vec<Part>>,
    /// Patterns of code.
    pub(super) code: Vec<String>,
    /// Patterns that stand for outputs, and outputs that hold more matches should they turn out
    /// to be directories.
    pub(super) inside: Vec<Settled>,
}

/// A part of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A word, or a piece of the script.
    Fixed(Vec<u8>),
    /// What matches a pattern.
    Matches {
        pattern: String,
        /// What follows it in the script.
        beside: Beside,
    },
}

/// Finds the sorted matches of a pattern.
type List<'l> = &'l mut dyn FnMut(&str) -> Result<Vec<RelPath>, ScanError>;

impl PipelineStep {
    /// Makes a step that is complete, with no wishes of its own about how it is run.
    pub fn new(name: &str, step: Step) -> Self {
        Self {
            name: name.to_owned(),
            declared: name.to_owned(),
            description: None,
            step,
            always: false,
            retries: 0,
            resources: Resources::default(),
            settled: Vec::new(),
            gaps: Gaps::default(),
        }
    }

    /// Returns the step with everything that patterns stand for filled in: in its command, and as
    /// code. `list` finds the sorted matches of a pattern.
    pub fn bind(
        &self,
        list: &mut dyn FnMut(&str) -> Result<Vec<RelPath>, ScanError>,
    ) -> Result<Step, ScanError> {
        let mut step = self.step.clone();
        if let Some(parts) = &self.gaps.command {
            match &mut step.command {
                CommandLine::Argv(argv) => *argv = words(parts, list)?,
                CommandLine::Shell { script, .. } => *script = text(parts, list)?,
                // No file declares one.
                CommandLine::Call { .. } | CommandLine::Delegated(_) => {}
            }
        }
        for pattern in &self.gaps.code {
            let found = some(pattern, list)?;
            step.code.extend(found.into_iter().map(Place::Inside));
        }
        for Settled { pattern, outputs } in &self.gaps.inside {
            let found = match list(pattern) {
                Err(ScanError::NoMatch(_)) => Vec::new(),
                found => found?,
            };
            let is_inside = |path: &RelPath| {
                let below = |output| {
                    path.strip_prefix(output)
                        .is_some_and(|rest| !rest.is_root())
                };
                outputs.iter().any(below)
            };
            let found = found.into_iter().filter(is_inside);
            step.inputs.extend(found.map(|path| InputRequest::Path {
                place: Place::Inside(path),
                dir_only: false,
                way: None,
            }));
        }
        Ok(step)
    }
}

/// A command that is given no file where it expects some may do anything.
fn some(pattern: &str, list: List<'_>) -> Result<Vec<RelPath>, ScanError> {
    let found = list(pattern)?;
    if found.is_empty() {
        return Err(ScanError::NoMatch(pattern.to_owned()));
    }
    Ok(found)
}

fn words(parts: &[Part], list: List<'_>) -> Result<Vec<Vec<u8>>, ScanError> {
    let mut words = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Fixed(word) => words.push(word.clone()),
            Part::Matches { pattern, .. } => {
                let found = some(pattern, list)?;
                words.extend(found.iter().map(|path| operand(path.as_bytes())));
            }
        }
    }
    Ok(words)
}

fn text(parts: &[Part], list: List<'_>) -> Result<Vec<u8>, ScanError> {
    let mut text = Vec::new();
    for part in parts {
        match part {
            Part::Fixed(piece) => text.extend_from_slice(piece),
            Part::Matches { pattern, beside } => {
                let found = some(pattern, list)?;
                let words = found
                    .iter()
                    .map(|path| as_word(&operand(path.as_bytes()), *beside));
                text.extend(words.collect::<Vec<_>>().join(&b' '));
            }
        }
    }
    Ok(text)
}

/// Writes a path as a word of a command: one that begins with a dash is no option.
pub(super) fn operand(path: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = if path.starts_with(b"-") { b"./" } else { b"" };
    [prefix, path].concat()
}
