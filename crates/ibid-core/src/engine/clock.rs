//! `Clock`: the wall clock of one process, read once.
//!
//! A front door reads the clock when it starts; from then on time moves monotonically, so that a
//! clock that is set back meanwhile cannot make a duration negative (hazard B4).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time since 1970, as this process sees it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Duration,
    at: Instant,
}

impl Clock {
    /// Starts at `now`, which the front door just read. A time before 1970 counts as 1970.
    pub fn starting(now: SystemTime) -> Self {
        let started = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started,
            at: Instant::now(),
        }
    }

    /// Returns the time since 1970.
    pub fn now(&self) -> Duration {
        self.started + self.at.elapsed()
    }

    /// Returns the time since the clock was started.
    pub fn elapsed(&self) -> Duration {
        self.at.elapsed()
    }

    /// Returns nanoseconds since 1970, as records keep them.
    pub fn nanos(&self) -> u64 {
        nanos(self.now())
    }
}

/// Returns a duration in nanoseconds; one of 584 years or more is cut.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
