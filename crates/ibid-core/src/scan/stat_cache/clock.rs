//! What time it is on a file system, by the clock that stamps its files.
//!
//! Where this very kernel stamps, it is asked. Elsewhere a file is touched, because a network clock
//! is not ours; where nothing can be touched, the host's clock stands for it. Invariant: a moment
//! that is returned for a hashing is none that the clock has yet to reach when that begins. So one
//! that was found out earlier in the process counts no longer once the clock was set back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::rules::{By, Started};
use crate::fs::{
    Dir, FileSystem, Signature, Timestamp, create_dirs, may_write_in, nudge, slots, stamping_time,
};

/// The clocks of all file systems.
#[derive(Debug)]
pub(super) struct Clocks {
    /// That of the host.
    host: fn() -> Timestamp,
    /// Where a file may be touched.
    dirs: Vec<PathBuf>,
    /// The same, and it may be made for that.
    own_dir: Option<PathBuf>,
    probes: Mutex<BTreeMap<u64, Probe>>,
}

/// A moment that was found out.
#[derive(Clone, Copy, Debug)]
struct Probe {
    started: Started,
    /// When that was, by the host's clock.
    host: Timestamp,
}

impl Clocks {
    pub(super) fn new(
        host: fn() -> Timestamp,
        dirs: Vec<PathBuf>,
        own_dir: Option<PathBuf>,
    ) -> Self {
        Self {
            host,
            dirs,
            own_dir,
            probes: Mutex::default(),
        }
    }

    /// Returns the time by the host's clock.
    pub(super) fn host(&self) -> Timestamp {
        (self.host)()
    }

    /// Returns the time on `fs`, for a hashing of the file with this signature that begins
    /// afterwards. What costs more than a question is found out at the first call of the process,
    /// and again when the file was changed since or the host's clock is behind that moment. An
    /// earlier start is on the safe side as long as the clock has not gone back behind it: from
    /// there on files get stamps again that look older than the hashing.
    pub(super) fn started(&self, signature: &Signature, fs: &FileSystem) -> Started {
        if let Some(started) = self.stamping_here(fs) {
            return started;
        }
        let last = self.probes().get(&fs.device).copied();
        let changed = signature.last_change().as_nanos() + i128::from(fs.granularity);
        match last {
            Some(Probe { started, host })
                if changed < started.at.as_nanos() && host <= self.host() =>
            {
                started
            }
            _ => self.touched_on(fs),
        }
    }

    /// Returns the time on `fs` as it is at this call.
    pub(super) fn started_anew(&self, fs: &FileSystem) -> Started {
        self.stamping_here(fs)
            .unwrap_or_else(|| self.touched_on(fs))
    }

    /// Moves the clock of `fs` on and returns the time then, where this kernel stamps and can do that;
    /// `dir` lies there, and may be written in.
    pub(super) fn nudged(&self, fs: &FileSystem, dir: &Dir) -> Option<Started> {
        self.stamping_here(fs)?;
        let at = nudge(dir, fs.device)?;
        Some(Started { at, by: By::Nudge })
    }

    /// Returns the time by the clock of this kernel, where that stamps.
    fn stamping_here(&self, fs: &FileSystem) -> Option<Started> {
        // Who is given no folder goes by the clock that it is given.
        let has_folder = self.own_dir.is_some() || !self.dirs.is_empty();
        let is_ours = has_folder && fs.kind.is_stamped_here();
        is_ours
            .then(stamping_time)
            .flatten()
            .map(|at| Started { at, by: By::Stamps })
    }

    fn touched_on(&self, fs: &FileSystem) -> Started {
        // Taken first: a clock that is set back meanwhile is found to be behind it.
        let host = self.host();
        let probe = self.dirs.iter().find_map(|dir| touch_on(dir, fs));
        // Its own folder may be made for that.
        let probe = probe.or_else(|| {
            let own = self.own_dir.as_deref()?;
            create_dirs(own, Some(0o700)).ok()?;
            touch_on(own, fs)
        });
        let started = Started {
            at: probe.unwrap_or(host),
            by: probe.map_or(By::WallClock, |_| By::Stamps),
        };
        self.probes().insert(fs.device, Probe { started, host });
        started
    }

    fn probes(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Probe>> {
        // The map is whole between two statements, so a panic elsewhere spoils nothing.
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Touches the probe in `dir` if that lies on `fs` and may be written. No folder is made for it:
/// one of them lies in the user's own workspace.
fn touch_on(dir: &Path, fs: &FileSystem) -> Option<Timestamp> {
    let signature = Signature::of(dir).ok()?;
    let usable = signature.device == fs.device && may_write_in(dir);
    usable
        .then(|| slots::touch(&dir.join("now")).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use ibid_testkit::TempDir;

    use super::*;

    #[test]
    fn a_moment_that_the_clock_has_yet_to_reach_again_is_no_start() {
        static SECONDS: AtomicI64 = AtomicI64::new(1000);
        let clock = || Timestamp {
            seconds: SECONDS.load(Ordering::Relaxed),
            nanos: 1,
        };
        let dir = TempDir::new();
        let fs = FileSystem::of(dir.path()).unwrap();
        let clocks = Clocks::new(clock, Vec::new(), None);
        let changed = Timestamp {
            seconds: 500,
            nanos: 1,
        };
        let file = Signature {
            mtime: changed,
            ctime: changed,
            ..Signature::of(dir.path()).unwrap()
        };
        let started = |seconds: i64| {
            SECONDS.store(seconds, Ordering::Relaxed);
            clocks.started(&file, &fs).at.seconds
        };
        assert_eq!(started(1000), 1000);
        assert_eq!(started(2000), 1000, "an earlier moment will do");
        assert_eq!(started(500), 500, "the file may get the same stamps again");
        assert_eq!(started(501), 501, "and was changed since");
    }
    #[test]
    fn the_clock_that_stamps_is_asked_for_each_hashing() {
        let dir = TempDir::new();
        let fs = FileSystem::of(dir.path()).unwrap();
        let clocks = Clocks::new(Timestamp::default, vec![dir.path().to_owned()], None);
        let now = || stamping_time().map(Timestamp::as_nanos);
        let Some(_) = now().filter(|_| fs.kind.is_stamped_here()) else {
            return;
        };
        let file = Signature {
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            ..Signature::of(dir.path()).unwrap()
        };
        let started = || clocks.started(&file, &fs).at.as_nanos();
        let first = started();
        while now() <= Some(first) {}
        assert!(started() > first);
    }
}
