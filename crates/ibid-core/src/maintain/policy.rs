//! What may be kept, and for how long. Pure data: where it was set is for the front door.

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

impl Policy {
    /// How long files without a name, blobs that nothing names and the trash stay by default.
    pub const GRACE: Duration = Duration::from_hours(24);

    /// How long a result stays after its last use by default.
    pub const MAX_AGE: Duration = Duration::from_hours(180 * 24);

    /// Evicts nothing: only what nothing names goes, and only after the grace.
    pub const fn unreachable_only(grace: Duration) -> Self {
        Self {
            max_size: None,
            max_age: None,
            keep_last: None,
            grace,
        }
    }
}
