//! A restore without restoring: whether it would succeed, and what would then stand where.
//!
//! Compares and chooses as a restore does, and verifies what that would copy; writes nothing.

use std::path::PathBuf;

use super::aside::MadeLinks;
use super::content::{Digests, Entries, wanted};
use super::inspect::{DifferenceKind, compare, one, places};
use super::restore::RestoreError;
use super::target::Parents;
use super::walk::walk;
use crate::action::OutputSpec;
use crate::store::{ListingProblem, LocalStore, StoredOutput};
use crate::tree::{Entry, RelPath};

/// Goes through a restore of the outputs of a result, and returns what each place that it is about
/// will hold; nothing, where something is to go. An error is one that the restore would meet.
pub fn rehearse(
    declared: &[OutputSpec],
    outputs: &[StoredOutput],
    (root, made): (&std::path::Path, &MadeLinks),
    digests: &Digests<'_>,
    store: &LocalStore,
) -> Result<Vec<(PathBuf, Entries)>, RestoreError> {
    let mut leaves = Vec::new();
    for place in places(declared, outputs, root, made)? {
        if let Some(missing) = place.missing_in_store() {
            let mut differences = Vec::new();
            one(&place, digests, &|_| None, &mut differences)?;
            if differences.is_empty() {
                continue;
            }
            return Err(RestoreError::NotStored(missing));
        }
        let wanted = match place.content {
            Some(content) => wanted(content, |id| {
                store.listing(&id).map_err(|problem| match problem {
                    ListingProblem::Blob(problem) => RestoreError::Blob(problem),
                    problem => RestoreError::Listing(problem.to_string()),
                })
            })?,
            None => Entries::new(),
        };
        match place.target(Parents::AsTheyAre)? {
            None => verify(&RelPath::ROOT, &wanted, store)?,
            Some(target) => {
                let standing = walk(&target.dir, &target.name)?;
                for (path, what) in compare(&wanted, &target, &standing, digests) {
                    if what != DifferenceKind::Stray {
                        verify(&path, &wanted, store)?;
                    }
                }
            }
        }
        leaves.push((place.path, wanted));
    }
    Ok(leaves)
}

/// Verifies every blob at a path of an output and below it.
fn verify(path: &RelPath, wanted: &Entries, store: &LocalStore) -> Result<(), RestoreError> {
    for (entry_path, entry) in wanted.range(path.clone()..) {
        if entry_path.strip_prefix(path).is_none() {
            // `a-b` lies between `a` and `a/b`.
            if entry_path.as_bytes().starts_with(path.as_bytes()) {
                continue;
            }
            break;
        }
        if let Entry::File { size, blob, .. } = entry {
            store
                .contains_verified(blob, *size)
                .map_err(RestoreError::Blob)?;
        }
    }
    Ok(())
}
