//! `Overlay`: outputs that will stand otherwise than they do, once the steps that are foreseen to
//! be restored are.
//!
//! Planning writes nothing, so a step whose inputs are still to be restored is prepared over the
//! results that they will come from. Running needs none of this: the files are there.

use crate::store::{LocalStore, StoredResult};

/// Outputs that are to be restored, over what stands on disk. Empty for a run.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    results: Vec<StoredResult>,
}

impl Overlay {
    /// Adds the outputs of a result that is to be restored.
    pub fn add(&mut self, result: &StoredResult, store: &LocalStore) {
        let _ = store;
        self.results.push(result.clone());
    }

    /// Says whether the disk is all there is.
    pub fn is_empty(&self) -> bool {
        self.results.is_empty()
    }
}
