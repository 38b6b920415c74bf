//! Going through everything that is stored: all keys, and who made a given content.
//!
//! Slow by nature and read-only, but for damage that is put aside on the way. What cannot be read
//! is left out: a search that finds less is no fault.

use std::collections::{BTreeSet, HashMap};

use super::format::{OutputContent, StoredAs, StoredOutput, StoredResult};
use super::local::LocalStore;
use super::results::Lookup;
use crate::digest::{BlobId, Digest, Key, TreeId};
use crate::fs::PathError;
use crate::tree::{Entry, RelPath};

/// One output, or one entry of an output directory, that has the content looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOutput {
    /// The result that it belongs to.
    pub result: StoredResult,
    /// Which of the result's outputs.
    pub output: StoredOutput,
    /// Where in that output, if it is a directory and the content lies below it.
    pub below: Option<RelPath>,
    /// Whether the result is the one that stands for its key now; others are known from history.
    pub stands: bool,
}

impl LocalStore {
    /// Returns all keys that have a file, sorted.
    pub fn keys(&self) -> Result<Vec<Key>, PathError> {
        let names = self.layout.sharded_names("keys")?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Returns all blobs by name, sorted; nothing is verified.
    pub fn blobs(&self) -> Result<Vec<BlobId>, PathError> {
        let names = self.layout.sharded_names("blobs")?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Goes through the results of all keys and then through those that only history names, each
    /// once, and says of each whether it stands for its key.
    pub fn each_result(&self, mut visit: impl FnMut(StoredResult, bool)) -> Result<(), PathError> {
        let mut seen = BTreeSet::new();
        for key in self.keys()? {
            if let Lookup::Found(result) = self.look_up(&key) {
                seen.insert(BlobId::of(&result.encode()));
                visit(*result, true);
            }
        }
        for blob in self.entries(usize::MAX)?.iter().filter_map(|e| e.result) {
            if seen.insert(blob)
                && let Ok(result) = self.read_result(&blob)
            {
                visit(result, false);
            }
        }
        Ok(())
    }

    /// Finds every output, and every file in an output directory, whose content has this digest:
    /// a file's bytes or a directory's listing.
    pub fn find_output(&self, digest: &Digest) -> Result<Vec<FoundOutput>, PathError> {
        let mut found = Vec::new();
        let mut listings = HashMap::new();
        self.each_result(|result, stands| {
            for output in &result.outcome.outputs {
                let places = match &output.content {
                    OutputContent::File { blob, .. } if blob.digest() == digest => vec![None],
                    OutputContent::Tree(tree) if tree.digest() == digest => vec![None],
                    // Of what was not stored there is no listing.
                    OutputContent::Tree(_) if output.stored_as != StoredAs::Content => Vec::new(),
                    OutputContent::Tree(tree) => listings
                        .entry(*tree)
                        .or_insert_with(|| self.places_in(tree, digest))
                        .clone(),
                    OutputContent::File { .. } | OutputContent::Link(_) => Vec::new(),
                };
                found.extend(places.into_iter().map(|below| FoundOutput {
                    result: result.clone(),
                    output: output.clone(),
                    below,
                    stands,
                }));
            }
        })?;
        Ok(found)
    }

    fn places_in(&self, tree: &TreeId, digest: &Digest) -> Vec<Option<RelPath>> {
        let Ok(tree) = self.listing(tree) else {
            return Vec::new();
        };
        let has = |entry: &Entry| match entry {
            Entry::File { blob, .. } => blob.digest() == digest,
            // Output trees hold links as links; only inputs know what those lead to.
            Entry::Link(_) | Entry::LinkOut { .. } | Entry::Dir => false,
        };
        tree.iter()
            .filter(|(_, entry)| has(entry))
            .map(|(path, _)| Some(path.clone()))
            .collect()
    }
}
