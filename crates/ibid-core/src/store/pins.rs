//! Pins: keys whose results stay, whatever the budget says.
//!
//! ```text
//! pins/<hex of key>   [1, key, result | null, label, when, why]
//! ```

use super::error::StoreError;
use super::local::LocalStore;
use crate::digest::{BlobId, Key};
use crate::fs::PathError;

/// A pin, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The key that it protects.
    pub key: Key,
    /// The result that stood when it was made, which stays too.
    pub result: Option<BlobId>,
    /// What history calls the step.
    pub label: String,
    /// When it was made, in nanoseconds since 1970.
    pub when: u64,
    /// Why, in the user's words.
    pub why: String,
}

impl LocalStore {
    /// Protects a key; an earlier pin of it is replaced.
    pub fn pin(&self, _pin: &Pin) -> Result<(), StoreError> {
        todo!("room B")
    }

    /// Takes the protection away; says whether there was any.
    pub fn unpin(&self, _key: &Key) -> Result<bool, StoreError> {
        todo!("room B")
    }

    /// Returns all pins, and in words what could not be read of them.
    pub fn pins(&self) -> Result<(Vec<Pin>, Vec<String>), PathError> {
        todo!("room B")
    }
}
