//! Where a path leads through links that people put on its way: whoever reads `data/a.csv` reads
//! what a step writes to `build/a.csv` if `data` is a link to `build`.
//!
//! Declared outputs, and what lies in them, are never looked at: what stands there is what some
//! earlier run left, and edges must not hang on leftovers. A way out of the root leads to no output.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::writers::{Writer, Writers, around};
use crate::fs::read_link;
use crate::tree::{Place, RelPath};

/// More links than the system follows on one way.
const MOST: usize = 40;

/// The links of a workspace, as far as they were asked for.
pub(super) struct Links<'a> {
    root: &'a Path,
    writers: &'a Writers<'a>,
    /// What was found at a path: the text of a link, or none.
    texts: HashMap<RelPath, Option<Vec<u8>>>,
    /// Outputs that are declared through links, by where they really lie.
    outputs: BTreeMap<Vec<u8>, Writer>,
}

impl<'a> Links<'a> {
    pub(super) fn new(root: &'a Path, writers: &'a Writers<'a>) -> Self {
        let mut links = Self {
            root,
            writers,
            texts: HashMap::new(),
            outputs: BTreeMap::new(),
        };
        for (path, writer) in writers.exact() {
            if let Some(real) = links.real(&path) {
                links.outputs.insert(real.as_bytes().to_vec(), writer);
            }
        }
        links
    }

    /// Returns who writes what is read at a path to which nobody writes by this name.
    pub(super) fn writers_of(&mut self, path: &RelPath) -> Vec<Writer> {
        let real = self.real(path);
        let mut found = real
            .as_ref()
            .map(|real| self.writers.at_path(real))
            .unwrap_or_default();
        if !self.outputs.is_empty() {
            found.extend(around(&self.outputs, real.as_ref().unwrap_or(path)));
        }
        found
    }

    /// Returns where a path leads below the root; `None` if there is no link on its way.
    fn real(&mut self, path: &RelPath) -> Option<RelPath> {
        let mut rest: Vec<Vec<u8>> = names(path);
        let (mut at, mut followed) = (RelPath::ROOT, 0);
        while let Some(name) = rest.pop() {
            at = at.child(&name).ok()?;
            if self.writers.holds(&at) {
                rest.reverse();
                for name in rest {
                    at = at.child(&name).ok()?;
                }
                break;
            }
            let Some(text) = self.text(&at) else {
                continue;
            };
            followed += 1;
            let above = at.parent().unwrap_or_default();
            match Place::resolve(&text, &above, self.root) {
                Place::Inside(target) if followed <= MOST => rest.extend(names(&target)),
                _ => return None,
            }
            at = RelPath::ROOT;
        }
        (followed > 0).then_some(at)
    }

    /// Returns the text of the link at a path, if there is one.
    fn text(&mut self, path: &RelPath) -> Option<Vec<u8>> {
        if !self.texts.contains_key(path) {
            // What cannot be looked at is told when the step is prepared.
            let text = read_link(&path.below(self.root)).ok();
            self.texts.insert(path.clone(), text);
        }
        self.texts.get(path)?.clone()
    }
}

/// Returns the names of a path, the last one first.
fn names(path: &RelPath) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = path.components().map(<[u8]>::to_vec).collect();
    names.reverse();
    names
}
