//! What goes: decided from an inventory, a policy and the time, and from nothing else.

use super::inventory::Inventory;
use super::policy::Policy;

/// What a collection would do. Indices are those of the inventory that it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Results that are evicted, the least valuable first.
    pub evict: Vec<usize>,
    /// Blobs that go to the trash: nothing names them any more.
    pub discard: Vec<u32>,
    /// Entries of history that are forgotten.
    pub forget: Vec<usize>,
    /// Tombstones that nothing needs any more.
    pub tombstones: Vec<usize>,
    /// Leftovers that are deleted for good.
    pub delete: Vec<usize>,
    /// Bytes of disk taken before, trash included.
    pub before: u64,
    /// Bytes of disk that will be taken.
    pub after: u64,
}

/// Decides what goes.
pub fn plan(_inventory: &Inventory, _policy: &Policy) -> Plan {
    todo!("room C")
}
