//! Who writes which path: at most one step, and no output inside another.
//!
//! Outputs with a path are kept in the order of their bytes, so that what lies below a path is a
//! range, and what lies above is found by its name; patterns are kept by what their matches begin
//! with. So a look-up costs what it finds, not the number of steps.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use super::draft::Draft;
use super::overlap::{Meets, Shape};
use crate::action::OutputKind;
use crate::fs::FileKind;
use crate::mistake::Mistake;
use crate::pipeline::declared::Sources;
use crate::scan::Pattern;
use crate::tree::RelPath;

/// An output of a step, both by their places in the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Writer {
    pub(super) step: usize,
    pub(super) output: usize,
}

/// All outputs of all steps.
#[derive(Debug, Default)]
pub(super) struct Writers<'d> {
    paths: BTreeMap<&'d [u8], Exact>,
    patterns: BTreeMap<Vec<u8>, Vec<Patterned>>,
}

#[derive(Clone, Copy, Debug)]
struct Exact {
    writer: Writer,
    is_dir: bool,
}

#[derive(Debug)]
struct Patterned {
    writer: Writer,
    shape: Shape,
}

/// What a pattern of inputs reaches.
#[derive(Clone, Debug, Default)]
pub(super) struct Reached {
    /// Outputs that match.
    pub(super) matched: Vec<(RelPath, Writer)>,
    /// Outputs of which parts may match, which only the disk can tell.
    pub(super) open: Vec<Writer>,
    /// Outputs that hold matches only if they turn out to be directories.
    pub(super) perhaps: Vec<(RelPath, Writer)>,
}

impl<'d> Writers<'d> {
    /// Gathers the outputs, in order of declaration.
    pub(super) fn new(drafts: &'d [Draft<'_>], sources: &Sources) -> Result<Self, Mistake> {
        let mut writers = Self::default();
        for (step, draft) in drafts.iter().enumerate() {
            for (output, declared) in draft.outputs.iter().enumerate() {
                let writer = Writer { step, output };
                if let Some(first) = writers.add(writer, &declared.spec.kind, drafts) {
                    return Err(conflict(drafts, first, writer, sources));
                }
            }
        }
        Ok(writers)
    }

    /// Adds an output, or returns the one that is in its way.
    fn add(
        &mut self,
        writer: Writer,
        kind: &'d OutputKind,
        drafts: &[Draft<'_>],
    ) -> Option<Writer> {
        let (place, is_dir) = match kind {
            OutputKind::Path(place) => (place, false),
            OutputKind::Dir(place) => (place, true),
            OutputKind::Glob(pattern) => return self.add_pattern(writer, pattern, drafts),
        };
        let path = place.inside()?;
        if let Some(other) = self.around(path).first() {
            return Some(*other);
        }
        let patterns: Vec<&Patterned> = self.patterns_near(path.as_bytes()).collect();
        if !patterns.is_empty() {
            let shape = Shape::of_path(path, true);
            let met = patterns
                .iter()
                .find(|it| it.shape.meets(&shape) == Meets::Yes);
            if let Some(met) = met {
                return Some(met.writer);
            }
        }
        self.paths.insert(path.as_bytes(), Exact { writer, is_dir });
        None
    }

    fn add_pattern(
        &mut self,
        writer: Writer,
        pattern: &str,
        drafts: &[Draft<'_>],
    ) -> Option<Writer> {
        let shape = Shape::of_pattern(pattern, false);
        // Patterns of one step may meet: a path that both match is captured once.
        let is_other = |met: &&Patterned| {
            let same = || {
                drafts[met.writer.step].outputs[met.writer.output]
                    .spec
                    .key_name()
            };
            met.writer.step != writer.step || same() == pattern.as_bytes()
        };
        let met = self
            .patterns_near(shape.lead())
            .filter(is_other)
            .find(|met| met.shape.meets(&shape) == Meets::Yes);
        if let Some(met) = met {
            return Some(met.writer);
        }
        let exact = self.paths_near(shape.lead()).find(|(path, _)| {
            let path = RelPath::new(*path).unwrap_or_default();
            Shape::of_path(&path, true).meets(&shape) == Meets::Yes
        });
        if let Some((_, exact)) = exact {
            return Some(exact.writer);
        }
        let lead = shape.lead().to_vec();
        self.patterns
            .entry(lead)
            .or_default()
            .push(Patterned { writer, shape });
        None
    }

    /// Returns who writes a path, something above it or something below it.
    pub(super) fn at_path(&self, path: &RelPath) -> Vec<Writer> {
        let mut found = self.around(path);
        if !self.patterns.is_empty() {
            let shape = Shape::of_path(path, true);
            let patterns = self.patterns_near(path.as_bytes());
            let met = patterns.filter(|met| met.shape.meets(&shape) != Meets::No);
            found.extend(met.map(|met| met.writer));
        }
        found
    }

    /// Returns what a pattern of inputs reaches. A directory that matches stands for all in it.
    pub(super) fn at_pattern(&self, text: &str) -> Reached {
        let mut reached = Reached::default();
        let Ok(pattern) = Pattern::new(text) else {
            return reached;
        };
        let shape = Shape::of_pattern(text, true);
        for (path, exact) in self.paths_near(shape.lead()) {
            let path = RelPath::new(path).unwrap_or_default();
            let kind = if exact.is_dir {
                FileKind::Dir
            } else {
                FileKind::File
            };
            let is_met = |open| shape.meets(&Shape::of_path(&path, open)) != Meets::No;
            if pattern.matches(&path, kind) {
                reached.matched.push((path, exact.writer));
            } else if is_met(false) || (exact.is_dir && is_met(true)) {
                reached.open.push(exact.writer);
            } else if is_met(true) {
                reached.perhaps.push((path, exact.writer));
            }
        }
        let patterns = self.patterns_near(shape.lead());
        let met = patterns.filter(|met| met.shape.meets(&shape) != Meets::No);
        reached.open.extend(met.map(|met| met.writer));
        reached
    }

    /// Finds outputs that are a path, lie above it or lie below it.
    fn around(&self, path: &RelPath) -> Vec<Writer> {
        let found = around(&self.paths, path);
        found.map(|exact| exact.writer).collect()
    }

    /// Returns the outputs that have a path.
    pub(super) fn exact(&self) -> impl Iterator<Item = (RelPath, Writer)> {
        let path = |path: &&[u8]| RelPath::new(*path).unwrap_or_default();
        let paths = self.paths.iter();
        paths.map(move |(text, exact)| (path(text), exact.writer))
    }

    /// Says whether a path is an output or lies in one, as far as outputs have paths.
    pub(super) fn holds(&self, path: &RelPath) -> bool {
        let bytes = path.as_bytes();
        let mut above = above(bytes).map(|end| &bytes[..end]);
        self.paths.contains_key(bytes) || above.any(|above| self.paths.contains_key(above))
    }

    /// Finds outputs that begin with these bytes, or are folders above what does.
    fn paths_near<'s>(&'s self, lead: &'s [u8]) -> impl Iterator<Item = (&'d [u8], &'s Exact)> {
        let above = above(lead).filter_map(|end| self.paths.get_key_value(&lead[..end]));
        let above = above.map(|(path, exact)| (*path, exact));
        above.chain(self.starting_with(lead))
    }

    fn starting_with<'s>(&'s self, lead: &'s [u8]) -> impl Iterator<Item = (&'d [u8], &'s Exact)> {
        let from = Bound::Included(lead);
        let range = self.paths.range::<[u8], _>((from, Bound::Unbounded));
        let range = range.take_while(move |(path, _)| path.starts_with(lead));
        range.map(|(path, exact)| (*path, exact))
    }

    /// Finds patterns whose matches may begin as `lead` does.
    fn patterns_near<'s>(&'s self, lead: &'s [u8]) -> impl Iterator<Item = &'s Patterned> + 's {
        let shorter = (0..lead.len()).filter_map(|end| self.patterns.get(&lead[..end]));
        let from = Bound::Included(lead);
        let range = self.patterns.range::<[u8], _>((from, Bound::Unbounded));
        let longer = range
            .take_while(move |(it, _)| it.starts_with(lead))
            .map(|(_, it)| it);
        let shorter = shorter.take(if self.patterns.is_empty() {
            0
        } else {
            usize::MAX
        });
        shorter.chain(longer).flatten()
    }
}

/// Finds what is at a path, above it or below it.
pub(super) fn around<K: Borrow<[u8]> + Ord, V: Copy>(
    paths: &BTreeMap<K, V>,
    path: &RelPath,
) -> impl Iterator<Item = V> {
    let bytes = path.as_bytes();
    let same = paths.get(bytes);
    let above = above(bytes).filter_map(|end| paths.get(&bytes[..end]));
    let slash: &[u8] = if path.is_root() { b"" } else { b"/" };
    let below = [bytes, slash].concat();
    let range = paths.range::<[u8], _>((Bound::Included(&*below), Bound::Unbounded));
    let below: Vec<V> = range
        .take_while(|(path, _)| (*path).borrow().starts_with(&below))
        .map(|(_, found)| *found)
        .collect();
    let found: Vec<V> = same
        .into_iter()
        .chain(above)
        .copied()
        .chain(below)
        .collect();
    found.into_iter()
}

/// Returns the ends of the folders above a path.
fn above(path: &[u8]) -> impl Iterator<Item = usize> {
    let ends = path.iter().enumerate();
    ends.filter(|(_, byte)| **byte == b'/').map(|(at, _)| at)
}

fn conflict(drafts: &[Draft<'_>], first: Writer, second: Writer, sources: &Sources) -> Mistake {
    let of = |writer: Writer| {
        let draft = &drafts[writer.step];
        (draft, &draft.outputs[writer.output])
    };
    let ((one, first), (two, second)) = (of(first), of(second));
    let [earlier, later] =
        [first, second].map(|output| String::from_utf8_lossy(output.spec.key_name()).into_owned());
    let owner = if one.name == two.name {
        "the same step".to_owned()
    } else {
        format!("`{}`", one.name)
    };
    let line = sources.line(first.at);
    let is_pattern = |kind: &OutputKind| matches!(kind, OutputKind::Glob(_));
    let message = if earlier == later {
        format!("`{later}` is an output of {owner} already ({line})")
    } else if is_pattern(&first.spec.kind) || is_pattern(&second.spec.kind) {
        format!("`{later}` meets the output `{earlier}` of {owner} ({line})")
    } else if later.starts_with(&format!("{earlier}/")) {
        format!("`{later}` lies in the output `{earlier}` of {owner} ({line})")
    } else {
        format!("`{later}` holds the output `{earlier}` of {owner} ({line})")
    };
    let mut mistake = sources.mistake(second.at, message);
    let axes = two.point.filter(|_| one.step.name == two.step.name);
    mistake.hint = Some(match axes.and_then(|point| point.values.first()) {
        Some((first, _)) => {
            format!(
                "every point of a matrix needs outputs of its own: put `{{matrix.{first}}}` into the path"
            )
        }
        None => "every path has one writer: let the steps write to different places".to_owned(),
    });
    mistake
}
