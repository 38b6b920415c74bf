//! `Resources`: what a step needs of the machine. Never keyed.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a step occupies while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Processors; at least one.
    pub cpus: u64,
    /// Bytes of memory, if it is known.
    pub memory: Option<u64>,
    /// How long it is expected to run at most: for batch systems, which must be told. It ends no
    /// command; `timeout` does.
    pub time: Option<Duration>,
    /// Anything else that is counted, such as `gpus`.
    pub others: BTreeMap<String, u64>,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            cpus: 1,
            memory: None,
            time: None,
            others: BTreeMap::new(),
        }
    }
}
