//! When a recorded digest may be believed without reading the file: pure rules over given times.
//!
//! An entry says: this signature had this digest when it was hashed, and hashing began then. The
//! rules decide whether content can have changed since without moving the signature:
//!
//! * a rewrite within one tick of the clock keeps both timestamps (hazard B1);
//! * a write past the page cache that waits for its disk has stamped the file and not changed it yet;
//! * a store through a mapped page that is dirty already moves none (hazard B2);
//! * a power cut may keep the timestamps and lose the bytes (hazard B8).

use crate::fs::{COARSEST_NANOS, Signature, Timestamp};

/// Twice the kernel's write-back age, and more: what was dirty has been written by then.
pub(crate) const SETTLED_NANOS: i128 = 120_000_000_000;

/// Who may store to a file without moving its timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writers {
    /// Anybody who has a page mapped that is dirty already.
    Any,
    /// Nobody by a mapping: the page cache was known to hold no dirty page when hashing began. It
    /// tells nothing of who writes past it (`O_DIRECT`), so that stamps have to be older then.
    NoDirtyPage,
    /// Nobody: it is an output of a process that has ended.
    Ended,
    /// Nobody ever: it is a private file of ibid's own, which nobody else has had open for
    /// writing.
    Never,
}

/// Which clock told a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The one that stamps the file.
    Stamps,
    /// The same, moved on beyond all stamps that it had given before, so that nothing of that moment
    /// looks like what came before it.
    Nudge,
    /// The host's, which stands for it where it could not be asked.
    WallClock,
}

/// The moment at which hashing began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    pub(super) at: Timestamp,
    pub(super) by: By,
}

impl Started {
    /// Says whether a file with this signature had been at rest for so long that no page of it can
    /// have been dirty.
    pub(in super::super) fn finds_at_rest(&self, signature: &Signature) -> bool {
        self.at.as_nanos() - signature.last_change().as_nanos() >= SETTLED_NANOS
    }
}

/// The circumstances in which a file was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// When hashing began.
    pub started: Started,
    /// What is known of those who may write to it through a mapping.
    pub writers: Writers,
    /// Whether it was hashed since the host was booted.
    pub this_boot: bool,
}

/// Says whether a file whose signature still is `signature` still has the content it had.
/// `granularity` is that of its file system, in nanoseconds.
pub fn is_trusted(signature: &Signature, granularity: u64, hashed: &Circumstances) -> bool {
    let is_coarse = signature.ctime.nanos == 0 || hashed.writers == Writers::NoDirtyPage;
    let tick = match hashed.started.by {
        By::Stamps if !is_coarse => granularity,
        By::Nudge if !is_coarse => 0,
        _ => granularity.max(COARSEST_NANOS),
    };
    let started = hashed.started.at.as_nanos();
    let settled = |stamp: Timestamp| stamp.as_nanos() + i128::from(tick) < started;
    let racy = !(settled(signature.mtime) && settled(signature.ctime));
    if racy && hashed.writers != Writers::Never {
        return false;
    }
    hashed.started.finds_at_rest(signature) || (hashed.writers != Writers::Any && hashed.this_boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = 10_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 1 }
    }

    fn file(mtime: Timestamp, ctime: Timestamp) -> Signature {
        Signature {
            device: 1,
            inode: 2,
            size: 3,
            mtime,
            ctime,
            mode: 0o100_644,
            links: 1,
        }
    }

    fn started(seconds: i64, by: By) -> Started {
        let at = at(seconds);
        Started { at, by }
    }

    fn hashed_at(seconds: i64) -> Circumstances {
        Circumstances {
            started: started(seconds, By::Stamps),
            writers: Writers::Any,
            this_boot: true,
        }
    }

    fn trusted(signature: &Signature, hashed: Circumstances) -> bool {
        is_trusted(signature, TICK, &hashed)
    }

    #[test]
    fn a_file_that_was_old_when_hashed_is_trusted_in_any_boot() {
        let old = file(at(1000), at(1000));
        for this_boot in [true, false] {
            let hashed = Circumstances {
                this_boot,
                ..hashed_at(1120)
            };
            assert!(trusted(&old, hashed));
        }
    }

    #[test]
    fn a_stamp_within_one_tick_of_the_start_is_racy_even_if_pages_are_clean() {
        let quiet = Circumstances {
            writers: Writers::Ended,
            ..hashed_at(1000)
        };
        let stamp = |nanos_before: u32| Timestamp {
            seconds: 999,
            nanos: 1_000_000_001 - nanos_before,
        };
        let long_ago = at(1);
        assert!(!trusted(&file(stamp(10_000_000), long_ago), quiet));
        assert!(!trusted(&file(long_ago, stamp(10_000_000)), quiet));
        assert!(trusted(&file(stamp(10_000_001), stamp(10_000_001)), quiet));
    }

    #[test]
    fn where_the_clock_was_moved_on_an_older_stamp_is_none_of_what_follows() {
        let nudged = Circumstances {
            writers: Writers::Ended,
            started: started(1000, By::Nudge),
            ..hashed_at(1000)
        };
        let before = Timestamp {
            seconds: 1000,
            nanos: 0,
        };
        let just_before = Timestamp {
            seconds: 999,
            nanos: 999_999_999,
        };
        assert!(trusted(&file(just_before, just_before), nudged));
        let same = at(1000);
        assert!(!trusted(&file(just_before, same), nudged));
        assert!(!trusted(&file(same, just_before), nudged));
        // A stamp of whole seconds is none of that clock's.
        assert!(!trusted(&file(just_before, before), nudged));
        let clean = Circumstances {
            writers: Writers::NoDirtyPage,
            ..nudged
        };
        assert!(!trusted(&file(just_before, just_before), clean));
    }

    #[test]
    fn clean_pages_tell_nothing_of_writes_past_them_for_two_seconds() {
        let clean = Circumstances {
            writers: Writers::NoDirtyPage,
            ..hashed_at(1000)
        };
        assert!(!trusted(&file(at(998), at(998)), clean));
        assert!(trusted(&file(at(997), at(997)), clean));
    }

    #[test]
    fn coarse_stamps_and_the_wall_clock_need_two_seconds() {
        let quiet = Circumstances {
            writers: Writers::Ended,
            ..hashed_at(1000)
        };
        assert!(trusted(&file(at(999), at(999)), quiet));
        let whole = |seconds| Timestamp { seconds, nanos: 0 };
        assert!(!trusted(&file(whole(999), whole(999)), quiet));
        assert!(trusted(&file(whole(998), whole(998)), quiet));
        let by_wall = Circumstances {
            started: started(1000, By::WallClock),
            ..quiet
        };
        assert!(!trusted(&file(at(998), at(998)), by_wall));
        assert!(trusted(&file(at(997), at(997)), by_wall));
    }

    #[test]
    fn stamps_in_the_future_are_never_trusted() {
        let quiet = Circumstances {
            writers: Writers::Ended,
            ..hashed_at(1000)
        };
        assert!(!trusted(&file(at(2000), at(10)), quiet));
        assert!(!trusted(&file(at(10), at(2000)), quiet));
    }

    #[test]
    fn a_young_file_needs_clean_pages_or_an_ended_writer() {
        let young = file(at(1000), at(1000));
        assert!(!trusted(&young, hashed_at(1119)));
        assert!(trusted(&young, hashed_at(1120)));
        for writers in [Writers::NoDirtyPage, Writers::Ended] {
            let hashed = Circumstances {
                writers,
                ..hashed_at(1060)
            };
            assert!(trusted(&young, hashed));
        }
        // A backdated mtime does not make a file old.
        assert!(!trusted(&file(at(1), at(1000)), hashed_at(1060)));
    }

    #[test]
    fn after_a_reboot_files_hashed_young_are_hashed_again_captured_or_not() {
        let young = file(at(1000), at(1000));
        for writers in [Writers::NoDirtyPage, Writers::Ended, Writers::Never] {
            let hashed = Circumstances {
                writers,
                this_boot: false,
                ..hashed_at(1060)
            };
            assert!(!trusted(&young, hashed));
        }
    }

    #[test]
    fn a_private_file_is_known_at_once_but_in_its_boot_only() {
        let fresh = file(at(1000), at(1000));
        let private = Circumstances {
            writers: Writers::Never,
            ..hashed_at(1000)
        };
        assert!(trusted(&fresh, private));
        let rebooted = Circumstances {
            this_boot: false,
            ..private
        };
        assert!(!trusted(&fresh, rebooted));
    }
}
