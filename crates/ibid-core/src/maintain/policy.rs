//! What may be kept, and for how long.

use std::time::Duration;

/// What a collection goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many bytes of disk the store may take, trash included; `None` for as many as there are.
    pub max_size: Option<u64>,
    /// How long after its last use a result stays; `None` for ever. History goes by it, too.
    pub max_age: Option<Duration>,
    /// Of each label, only so many results stay, the newest.
    pub keep_last: Option<usize>,
    /// How long blobs stay that nothing names, and how long the trash is kept. Nothing that is
    /// true hangs on it: it saves the work of making again what was needed after all.
    pub grace: Duration,
}
