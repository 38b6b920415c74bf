//! Doing what a plan says, beside whoever uses the store meanwhile.

use super::inventory::Inventory;
use super::plan::Plan;
use crate::store::{LocalStore, StoreError};

/// What a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Results evicted.
    pub evicted: usize,
    /// Blobs moved to the trash.
    pub discarded: usize,
    /// Files deleted for good.
    pub deleted: usize,
    /// Bytes of disk that deleting gave back.
    pub freed: u64,
    /// What was to go and stayed, because it was used meanwhile.
    pub spared: usize,
    /// What could not be done, in words: a file of somebody else in a store of a group.
    pub problems: Vec<String>,
}

/// Does what the plan says.
pub fn apply(
    _store: &LocalStore,
    _inventory: &Inventory,
    _plan: &Plan,
) -> Result<Done, StoreError> {
    todo!("room C")
}
