//! `Overlay`: outputs that will stand otherwise than they do, once the steps that are foreseen to
//! be restored are.
//!
//! Planning writes nothing, so a step whose inputs are still to be restored is prepared over the
//! results that they will come from. Running needs none of this: the files are there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::scan::{Entries, Layer};

/// What a restore will leave at each place that it is about.
pub(super) type Leaves = Vec<(PathBuf, Arc<Entries>)>;

/// Outputs that are to be restored, over what stands on disk. Empty for a run.
#[derive(Clone, Debug, Default)]
pub struct Overlay(Layer);

impl Overlay {
    /// Adds what a restore below `root` will leave.
    pub(super) fn add(&mut self, root: &Path, leaves: &Leaves) {
        for (path, entries) in leaves {
            self.0.add(root, path, entries);
        }
    }

    /// Says whether the disk is all there is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what scanning looks at first.
    pub(super) fn layer(&self) -> &Layer {
        &self.0
    }
}
