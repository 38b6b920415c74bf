//! Who waits for whom: whoever reads what another step writes, and whoever says `after`.
//!
//! Looks reads up among the writers, so that the cost is that of the edges. Of each edge it is
//! known which declaration made it, because a cycle is only understood by its paths.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::draft::Draft;
use super::links::Links;
use super::overlap::lead;
use super::reads::{Read, What};
use super::writers::{Reached, Writer, Writers};
use crate::action::{OutputKind, OutputSpec};
use crate::fs::FileKind;
use crate::mistake::Mistake;
use crate::pipeline::declared::{At, Sources};
use crate::pipeline::graph::{Graph, StepId};
use crate::pipeline::selection::Names;
use crate::scan::{Pattern, place_of};
use crate::tree::{Escaped, RelPath};

/// Why a step waits for another one.
#[derive(Clone, Debug)]
enum Reason<'d> {
    Reads(&'d At, String),
    After(&'d At),
}

/// The steps that one step waits for, and why.
type Upstream<'d> = BTreeMap<StepId, Reason<'d>>;

/// What is known of all steps.
pub(super) struct Known<'a, 'd> {
    pub(super) drafts: &'a [Draft<'d>],
    pub(super) writers: &'a Writers<'a>,
    pub(super) names: &'a Names<'a>,
    pub(super) sources: &'a Sources,
}

/// Makes the graph; `reads` has what each step reads, in order.
pub(super) fn graph<'d>(
    known: &Known<'_, 'd>,
    reads: &[Vec<Read<'d>>],
    reach: &mut dyn FnMut(&str) -> Reached,
    root: &Path,
) -> Result<Graph, Mistake> {
    let mut links = Links::new(root, known.writers);
    let mut upstream: Vec<Upstream<'d>> = Vec::with_capacity(reads.len());
    for (index, reads) in reads.iter().enumerate() {
        let mut above = Upstream::new();
        for read in reads {
            for writer in known.writers_of(index, read, reach, &mut links)? {
                let name = || Reason::Reads(read.at, read.what.text());
                above.entry(StepId::new(writer.step)).or_insert_with(name);
            }
        }
        known.after(index, &mut above)?;
        upstream.push(above);
    }
    let plain: Vec<BTreeSet<StepId>> = upstream
        .iter()
        .map(|above| above.keys().copied().collect())
        .collect();
    Graph::new(plain).map_err(|cycle| known.cycle(&cycle, &upstream))
}

impl<'d> Known<'_, 'd> {
    /// Returns the other steps that write what is read.
    fn writers_of(
        &self,
        index: usize,
        read: &Read<'d>,
        reach: &mut dyn FnMut(&str) -> Reached,
        links: &mut Links<'_>,
    ) -> Result<Vec<Writer>, Mistake> {
        let draft = &self.drafts[index];
        let mut found = match &read.what {
            What::Path(path) => self.writers.at_path(path),
            What::Pattern(pattern) => {
                let reached = reach(pattern);
                let matched = reached.matched.into_iter().map(|(_, writer)| writer);
                matched.chain(reached.open).collect()
            }
        };
        if let What::Path(path) = &read.what
            && read.declared
        {
            let mut own = found.iter().filter(|writer| writer.step == index);
            let output = own.find(|writer| holds(&draft.outputs[writer.output].spec, path));
            if let Some(writer) = output {
                let output = &draft.outputs[writer.output];
                let shown = Escaped(output.spec.key_name());
                let line = self.sources.line(output.at);
                let message = format!("the step reads `{path}`, its own output `{shown}` ({line})");
                let mut mistake = self.sources.mistake(read.at, message);
                mistake.hint = Some(
                    "outputs are put away before a run: write to another path than the one that \
                     is read"
                        .to_owned(),
                );
                return Err(mistake);
            }
        }
        if let What::Path(path) = &read.what
            && found.is_empty()
        {
            found = links.writers_of(path);
        }
        found.retain(|writer| writer.step != index);
        Ok(found)
    }

    fn after(&self, index: usize, above: &mut Upstream<'d>) -> Result<(), Mistake> {
        let draft = &self.drafts[index];
        let step = draft.step;
        for (text, name) in step.after.iter().zip(&draft.after) {
            let found = self.names.find(name).map_err(|unknown| {
                let mut mistake = self.sources.mistake(&text.at, unknown.to_string());
                mistake.suggestion = unknown.suggestion;
                mistake
            })?;
            // A pattern means the other steps that match.
            let exact = name == &draft.name || name == &step.name.value;
            for id in found.into_iter().filter(|id| exact || id.index() != index) {
                above.entry(id).or_insert(Reason::After(&text.at));
            }
        }
        Ok(())
    }

    /// Tells a cycle by its names, and each of its edges by what made it.
    fn cycle(&self, cycle: &[StepId], upstream: &[Upstream<'d>]) -> Mistake {
        const MOST: usize = 8;
        let mut cycle = cycle.to_vec();
        let first = (0..cycle.len()).min_by_key(|position| cycle[*position]);
        cycle.rotate_left(first.unwrap_or_default());
        let name = |id: StepId| format!("`{}`", self.drafts[id.index()].name);
        let around = cycle.iter().chain(cycle.first());
        let shown: Vec<&str> = around
            .map(|id| self.drafts[id.index()].name.as_str())
            .collect();
        let mut places = Vec::new();
        let mut told = Vec::new();
        for (position, id) in cycle.iter().enumerate() {
            let from = cycle[(position + cycle.len() - 1) % cycle.len()];
            let Some(reason) = upstream[id.index()].get(&from) else {
                continue;
            };
            let (at, why) = match reason {
                Reason::Reads(at, path) => (*at, format!("reads `{path}` of {}", name(from))),
                Reason::After(at) => (*at, format!("comes after {}", name(from))),
            };
            places.push(at);
            told.push(format!("{} {why} ({})", name(*id), self.sources.line(at)));
        }
        let more = told.len().saturating_sub(MOST);
        told.truncate(MOST);
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        let at = places.first().copied();
        let at = at.unwrap_or(&self.drafts[cycle[0].index()].step.name.at);
        let message = match cycle.as_slice() {
            [alone] => format!("the step {} waits for itself", name(*alone)),
            _ => format!("steps wait for each other: `{}`", shown.join(" -> ")),
        };
        let mut mistake = self.sources.mistake(at, message);
        mistake.hint = Some(told.join("; "));
        mistake
    }
}

impl What {
    fn text(&self) -> String {
        match self {
            Self::Path(path) => path.to_string(),
            Self::Pattern(pattern) => pattern.clone(),
        }
    }
}

/// Says whether a path is an output or lies in it.
pub(in crate::pipeline) fn holds(output: &OutputSpec, path: &RelPath) -> bool {
    match &output.kind {
        OutputKind::Path(place) | OutputKind::Dir(place) => place
            .inside()
            .is_some_and(|output| path.strip_prefix(output).is_some()),
        OutputKind::Glob(pattern) => {
            // Patterns are dear to compile, and most begin otherwise.
            path.as_bytes().starts_with(lead(pattern))
                && Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(path, FileKind::File))
        }
    }
}

/// Refuses outputs that are files of which the pipeline itself is made: a step that wrote one would
/// change what the run that is under way was read from.
pub(super) fn not_its_own(
    drafts: &[Draft<'_>],
    writers: &Writers<'_>,
    sources: &Sources,
    root: &Path,
) -> Result<(), Mistake> {
    for path in sources.paths() {
        let place = place_of(path.as_os_str().as_bytes(), &RelPath::ROOT, root);
        let Some(path) = place.inside() else { continue };
        for Writer { step, output } in writers.at_path(path) {
            let output = &drafts[step].outputs[output];
            if !holds(&output.spec, path) {
                continue;
            }
            let name = &drafts[step].name;
            let message = format!("`{name}` writes `{path}`, of which the pipeline is made");
            let mut mistake = sources.mistake(output.at, message);
            let hint = "it is read before anything runs: let the step write another file";
            mistake.hint = Some(hint.to_owned());
            return Err(mistake);
        }
    }
    Ok(())
}

/// Finds a name that two steps have.
pub(super) fn twice<'a>(drafts: &'a [Draft<'_>]) -> Option<(&'a At, &'a At)> {
    let mut seen: HashMap<&str, &At> = HashMap::new();
    drafts.iter().find_map(|draft| {
        let at = &draft.step.name.at;
        seen.insert(&draft.name, at).map(|first| (first, at))
    })
}
