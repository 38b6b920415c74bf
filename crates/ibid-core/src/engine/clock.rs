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

    /// Returns a clock that shows the same time and was started at this moment, for something that
    /// begins while others are under way.
    #[must_use]
    pub fn restarted(&self) -> Self {
        let at = Instant::now();
        let started = self.started + at.duration_since(self.at);
        Self { started, at }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_clock_goes_on_from_the_same_time() {
        let a_minute_ago = Instant::now().checked_sub(Duration::from_mins(1));
        let first = Clock {
            started: Duration::from_secs(1000),
            at: a_minute_ago.unwrap(),
        };
        let second = first.restarted();
        assert!(second.started >= Duration::from_secs(1000 + 60));
        assert!(second.elapsed() < first.elapsed());
        assert!(second.now() <= first.now());
    }
}
