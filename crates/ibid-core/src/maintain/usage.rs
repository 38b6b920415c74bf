//! What takes how much.

use super::inventory::Inventory;

/// What one label takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelUsage {
    /// What history calls the step.
    pub label: String,
    /// How many results it has.
    pub results: usize,
    /// Bytes of all contents, each as often as it occurs.
    pub logical: u64,
    /// Bytes of disk that evicting all of it would give back.
    pub exclusive: u64,
    /// When one of them was last used, in nanoseconds since 1970.
    pub last_use: u64,
    /// How many of them are pinned.
    pub pinned: usize,
}

/// Results that were last used in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeBand {
    /// The oldest age in seconds that still belongs here; `None` for the last band.
    pub up_to: Option<u64>,
    /// How many results.
    pub results: usize,
    /// Bytes of disk that evicting all of them would give back.
    pub exclusive: u64,
}

/// What a store takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of disk, everything included.
    pub disk: u64,
    /// Bytes of disk of the blobs.
    pub blobs: u64,
    /// Bytes of disk of blobs that nothing names.
    pub unreachable: u64,
    /// Bytes of disk of the trash.
    pub trash: u64,
    /// How many blobs.
    pub blob_count: usize,
    /// How many results.
    pub results: usize,
    /// Bytes of all contents, each as often as a result has it.
    pub logical: u64,
    /// By label, the largest first.
    pub labels: Vec<LabelUsage>,
    /// By age of the last use, the youngest first.
    pub ages: Vec<AgeBand>,
}

/// Adds an inventory up.
pub fn usage(_inventory: &Inventory) -> Usage {
    todo!("room A")
}
