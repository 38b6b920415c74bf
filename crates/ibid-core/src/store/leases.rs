//! Leases: "somebody computes this key", "somebody writes this output".
//!
//! They only save work. Nothing may depend on them: a network file system can lack what they
//! need, a suspended owner wakes up after its lease was taken over (hazards D4, D5).
//!
//! ```text
//! leases/<hex of key>, leases/o-<hex of the path's digest>, leases/collection
//!   20 digits: a counter, rewritten in place every 2 s while the lease is held
//!   [host, boot, pid, start time of the process, nonce, session that it runs, start of that]
//! ```
//!
//! An observer judges by its own monotonic clock: a counter that stood still for 20 s belongs to
//! nobody; on the same boot a process that is gone, or started at another time, is dead at once,
//! and so is one of another boot of this machine.
//! A dead lease is taken over by renaming it to a name of one's own and looking at what was
//! renamed; only the observer that holds the dead one goes on. A lease is released only if its
//! name still leads to the owner's file.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::error::StoreError;
pub use super::heart::Pace;
use super::heart::{Beating, LeaseFile, Own, Reused};
use super::layout::{FILE_MODE, is_link, list_or_empty};
use super::local::LocalStore;
use crate::digest::encoding::{DecodeError, Decoder, Encoder};
use crate::digest::{Digest, Key};
use crate::fs::{self, Facts, FileKind, PathError, Published, Signature};

/// How often a held lease says that its owner lives.
pub(super) const BEAT: Duration = Duration::from_secs(2);

/// How long a counter may stand still: ten beats, for a machine that swaps.
const STILL: Duration = Duration::from_secs(20);

/// Digits of the counter, which has a fixed place so that it can be rewritten.
const COUNTER: usize = 20;

/// Longer files are no leases.
const LIMIT: u64 = 1 << 14;

/// What a lease is about.
#[derive(Clone, Copy, Debug)]
pub enum LeaseOn<'a> {
    /// Computing this key.
    Key(&'a Key),
    /// Writing this output, by its absolute path.
    Output(&'a Path),
    /// Collecting what the store need not keep: one collection at a time is enough.
    Collection,
}

impl LeaseOn<'_> {
    fn file_name(self) -> String {
        match self {
            Self::Key(key) => key.hex(),
            Self::Collection => "collection".to_owned(),
            Self::Output(path) => format!("o-{}", Digest::of(path.as_os_str().as_bytes()).hex()),
        }
    }
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The name of its host.
    pub host: String,
    /// Its process on that host.
    pub pid: u32,
    boot: String,
    start: u64,
    nonce: [u8; 16],
    /// The leader of the session that it runs, and when that started; zeros for none.
    session: (u32, u64),
}

impl Holder {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder
            .array(7)
            .text(&self.host)
            .text(&self.boot)
            .uint(u64::from(self.pid))
            .uint(self.start)
            .bytes(&self.nonce)
            .uint(u64::from(self.session.0))
            .uint(self.session.1);
        encoder.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array_of(7)?;
        let host = decoder.text()?.to_owned();
        let boot = decoder.text()?.to_owned();
        let (Ok(pid), start) = (u32::try_from(decoder.uint()?), decoder.uint()?) else {
            return decoder.fail("process id above 32 bits");
        };
        let Ok(nonce) = decoder.bytes()?.try_into() else {
            return decoder.fail("nonce that is not 16 bytes");
        };
        let (Ok(leader), since) = (u32::try_from(decoder.uint()?), decoder.uint()?) else {
            return decoder.fail("process id above 32 bits");
        };
        decoder.finish()?;
        Ok(Self {
            host,
            pid,
            boot,
            start,
            nonce,
            session: (leader, since),
        })
    }

    /// Returns a holder to begin fuzzing with.
    #[cfg(any(test, fuzzing))]
    pub(super) fn example() -> Self {
        Self {
            host: "h".to_owned(),
            pid: 7,
            boot: "b".to_owned(),
            start: 8,
            nonce: [9; 16],
            session: (0, 0),
        }
    }

    /// Says whether this process is known to be gone: only a process of the same boot, and of
    /// the same process namespace, can be looked for.
    fn is_gone(&self, own_boot: &str) -> bool {
        if own_boot.is_empty() || self.boot != own_boot {
            return false;
        }
        fs::is_gone(self.pid, self.start)
    }
}

impl Holder {
    /// Says whether it ran on this machine before that was booted again. Machines that share
    /// both name and id would take each other's leases over, which costs work and nothing else.
    fn is_of_another_boot(&self, own: &Self) -> bool {
        let machine_and_boot = |holder: &Self| {
            let mut words = holder.boot.split(' ').map(str::to_owned);
            let machine = words.next().filter(|machine| !machine.is_empty())?;
            Some((machine, words.next()?))
        };
        let (Some(theirs), Some(ours)) = (machine_and_boot(self), machine_and_boot(own)) else {
            return false;
        };
        self.host == own.host && theirs.0 == ours.0 && theirs.1 != ours.1
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = crate::tree::Escaped(self.host.as_bytes());
        write!(f, "process {} on {host}", self.pid)
    }
}

/// What trying to get a lease came to.
#[derive(Debug)]
pub enum Acquisition {
    /// It is ours until the guard is dropped.
    Acquired(Lease),
    /// Somebody else has it, and seems to live.
    Held(Holder),
    /// Go on without: there are no leases here, which is told once as a fault of the store, or
    /// the holder waits for this very process.
    Unavailable,
}

/// Tries for one lease. Keep it between tries: it remembers how long the holder's counter has
/// stood still.
#[derive(Debug)]
pub struct LeaseAttempt<'a> {
    store: &'a LocalStore,
    path: PathBuf,
    identity: Holder,
    seen: Option<(Vec<u8>, Instant)>,
    ancestors: Option<Vec<u32>>,
    abandoned: Option<(u32, u64)>,
    pace: Pace,
}

impl LocalStore {
    /// Says that what leases were taken for a moment for takes longer: others see from now on that
    /// their owner lives.
    pub fn takes_longer(&self) {
        self.heart.beat_for_all();
    }

    /// Prepares to get a lease; nothing happens before the first try.
    pub fn lease(&self, on: LeaseOn<'_>) -> LeaseAttempt<'_> {
        let Own { pid, boot, start } = self.heart.own(&self.options.host);
        let identity = Holder {
            host: self.options.host.name.clone(),
            pid,
            boot,
            start,
            nonce: fs::random_bytes(),
            session: (0, 0),
        };
        LeaseAttempt {
            store: self,
            path: self.layout.dir("leases").join(on.file_name()),
            identity,
            seen: None,
            ancestors: None,
            abandoned: None,
            pace: Pace::default(),
        }
    }

    /// Returns the processes of this boot of this machine that hold a lease and live, each once.
    pub fn holders_here(&self) -> Vec<u32> {
        let dir = self.layout.dir("leases");
        let boot = fs::boot_and_namespace(&self.options.host);
        let files = list_or_empty(&dir).unwrap_or_default();
        let contents = files
            .iter()
            .filter_map(|(name, _)| fs::read_small(&fs::below(&dir, name), LIMIT).ok());
        let holders = contents.filter_map(|content| decode(&content));
        let here = holders.filter(|it| !boot.is_empty() && it.boot == boot && !it.is_gone(&boot));
        let pids: BTreeSet<u32> = here.map(|holder| holder.pid).collect();
        pids.into_iter().collect()
    }

    /// Says whether a lease's file is nobody's: its process is gone, or it is no lease. Of another
    /// machine's nothing is known.
    pub(super) fn is_lease_of_the_gone(&self, path: &Path) -> bool {
        let boot = fs::boot_and_namespace(&self.options.host);
        let content = fs::open_nofollow(path)
            .and_then(|(file, signature)| fs::read_limited((&file, path), signature.size, LIMIT));
        match content {
            Ok(content) => decode(&content).is_none_or(|holder| holder.is_gone(&boot)),
            Err(error) => !error.is_absent(),
        }
    }

    fn leases_work(&self) -> bool {
        self.options.leases && self.is_writable() && !self.leases_failed.load(Ordering::Relaxed)
    }

    fn no_leases(&self, path: &Path, error: &StoreError) -> Acquisition {
        // A lease alone is nothing lost, and what cannot be stored for want of space is told of.
        if matches!(error, StoreError::Full { .. }) {
            return Acquisition::Unavailable;
        }
        let first = !self.leases_failed.swap(true, Ordering::Relaxed);
        if first && self.is_writable() {
            let reason = match error {
                StoreError::Io(error) => format!("no leases here: {}", error.source),
                other => format!("no leases here: {other}"),
            };
            self.report("lease", path, &reason);
        }
        Acquisition::Unavailable
    }
}

impl LeaseAttempt<'_> {
    /// Says for how long the lease is to be held.
    #[must_use]
    pub fn at(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Tries once, without waiting. A dead holder's lease is taken over.
    pub fn try_acquire(&mut self) -> Acquisition {
        self.try_at(Instant::now())
    }

    fn try_at(&mut self, now: Instant) -> Acquisition {
        if !self.store.leases_work() {
            return Acquisition::Unavailable;
        }
        // Each turn ends with the lease, with a living holder, or after somebody else moved on.
        for _ in 0..4 {
            match self.create() {
                Ok(Some(lease)) => return Acquisition::Acquired(lease),
                Ok(None) => {}
                Err(error) => return self.store.no_leases(&self.path, &error),
            }
            if self.is_of_a_stranger() {
                // Whose results do not count is not waited for.
                return Acquisition::Unavailable;
            }
            let content = match self.content() {
                Ok(content) => content,
                Err(error) if error.is_absent() => continue,
                // No lease looks so: it is out of the way, or the next turn says why not.
                Err(_) if self.is_none() && self.store.layout.discard(&self.path).is_ok() => {
                    continue;
                }
                Err(error) => return self.store.no_leases(&self.path, &StoreError::Io(error)),
            };
            match self.judge(&content, now) {
                Some(holder) if self.waits_for_us(&holder) => return Acquisition::Unavailable,
                Some(holder) => {
                    // Whoever waits for this one may hold others meanwhile.
                    self.store.takes_longer();
                    return Acquisition::Held(holder);
                }
                None => self.take_over(&content),
            }
        }
        Acquisition::Unavailable
    }

    /// Returns who holds the lease now, if somebody seems to; nothing is taken or written.
    pub fn holder(&mut self) -> Option<Holder> {
        let content = fs::read_small(&self.path, LIMIT).ok()?;
        self.judge(&content, Instant::now())
    }

    /// Says whether this very process is the holder, for another of its steps.
    pub fn is_ours(&self, holder: &Holder) -> bool {
        let of = |it: &Holder| (it.pid, it.start);
        holder.boot == self.identity.boot
            && holder.host == self.identity.host
            && of(holder) == of(&self.identity)
    }

    /// Says whether what stands there can be no lease: something else than a file, or a large one.
    fn is_none(&self) -> bool {
        Signature::of_link(&self.path)
            .is_ok_and(|it| it.kind() != FileKind::File || it.size > LIMIT)
    }

    /// Says whether somebody made it who may not record results here.
    fn is_of_a_stranger(&self) -> bool {
        Facts::of_link(&self.path).is_ok_and(|facts| !self.store.trusts(facts.owner))
    }

    /// Reads the lease. Of one that may not be read the times stand for the counter, which moves
    /// them: somebody holds it as long as they change.
    fn content(&self) -> Result<Vec<u8>, PathError> {
        match fs::read_small(&self.path, LIMIT) {
            Err(error) if error.is_denied() => {
                let seen = Signature::of_link(&self.path)?;
                Ok(format!("{} {:?}", seen.inode, seen.last_change()).into_bytes())
            }
            content => content,
        }
    }

    /// Creates the lease's file whole, unless there is one.
    fn create(&self) -> Result<Option<Lease>, StoreError> {
        let content = [format!("{:020}", 0).as_bytes(), &self.identity.encode()].concat();
        let layout = &self.store.layout;
        // Nothing is renamed through a link, which a new file finds out with all that follows.
        if !is_link(&layout.dir("leases")) {
            match self.store.heart.reuse(&content, &self.path) {
                Reused::Lease(file) => return Ok(Some(self.held(file))),
                Reused::Taken => return Ok(None),
                Reused::Nothing => {}
            }
        }
        let mut staged = self.store.stage_bytes(&content, FILE_MODE)?;
        let published = layout
            .publish_new(&mut staged, &self.path)
            .map_err(|error| self.store.write_failed(error))?;
        match published {
            Published::AlreadyThere => Ok(None),
            Published::New => {
                let (file, seen) = fs::open_in_place(&self.path).map_err(StoreError::Io)?;
                Ok(Some(self.held(Arc::new(LeaseFile::new(file, &seen)))))
            }
        }
    }

    fn held(&self, file: Arc<LeaseFile>) -> Lease {
        Lease {
            beating: self.store.heart.hold(Arc::clone(&file), self.pace),
            keeps_file: false,
            file,
            path: self.path.clone(),
            tmp: self.store.layout.dir("tmp"),
            identity: self.identity.clone(),
            abandoned: self.abandoned,
        }
    }

    /// Returns the holder if it may live. What is no lease at all has 20 s too: it may be half
    /// visible.
    fn judge(&mut self, content: &[u8], now: Instant) -> Option<Holder> {
        let since = match &self.seen {
            Some((seen, since)) if seen == content => *since,
            _ => {
                self.seen = Some((content.to_vec(), now));
                now
            }
        };
        let holder = decode(content);
        let gone = holder.as_ref().is_some_and(|it| {
            it.is_gone(&self.identity.boot) || it.is_of_another_boot(&self.identity)
        });
        if gone || now.saturating_duration_since(since) > STILL {
            return None;
        }
        Some(holder.unwrap_or_else(|| Holder {
            host: "an unknown host".to_owned(),
            pid: 0,
            boot: String::new(),
            start: 0,
            nonce: [0; 16],
            session: (0, 0),
        }))
    }

    /// Says whether the holder runs this process, directly or through others: it ends after us,
    /// so waiting for it would never end.
    fn waits_for_us(&mut self, holder: &Holder) -> bool {
        if holder.boot.is_empty() || holder.boot != self.identity.boot {
            return false;
        }
        let ancestors = self
            .ancestors
            .get_or_insert_with(|| fs::ancestors(self.identity.pid));
        ancestors.contains(&holder.pid)
    }

    /// Renames the dead lease away, and back if it turns out to be another one.
    fn take_over(&mut self, dead: &[u8]) {
        self.seen = None;
        self.abandoned = decode(dead)
            .filter(|holder| holder.session.0 != 0 && holder.is_gone(&self.identity.boot))
            .map(|holder| holder.session);
        let unreadable = |path: &Path| {
            let read = fs::read_small(path, LIMIT);
            read.is_err_and(|error| error.is_denied())
        };
        let closed = decode(dead).is_none() && unreadable(&self.path);
        let Ok(aside) = self.store.layout.discard(&self.path) else {
            return;
        };
        if closed && unreadable(&aside) {
            return;
        }
        let moved = fs::read_small(&aside, LIMIT).unwrap_or_default();
        let same = match (decode(&moved), decode(dead)) {
            (Some(moved), Some(dead)) => moved.nonce == dead.nonce,
            (None, None) => moved == dead,
            _ => false,
        };
        // A living lease goes back unless its place is taken; its owner works on either way.
        if same || !fs::rename_new(&aside, &self.path).unwrap_or(false) {
            let _ = fs::remove_file(&aside);
        }
    }
}

fn decode(content: &[u8]) -> Option<Holder> {
    Holder::decode(content.get(COUNTER..)?).ok()
}

/// A lease that this process holds. Dropping it releases it.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    /// Where its file goes afterwards.
    tmp: PathBuf,
    identity: Holder,
    abandoned: Option<(u32, u64)>,
    file: Arc<LeaseFile>,
    beating: Beating,
    /// Whether its file is kept for what is written next.
    keeps_file: bool,
}

impl Lease {
    /// Releases it, and keeps its file for an entry of history that is appended next: that costs
    /// less than removing one file and making another.
    pub fn make_way(mut self) {
        self.keeps_file = true;
    }

    /// Returns the session, by its leader and when that started, that the owner of a lease which
    /// was taken over left running on this machine when it was killed.
    pub fn abandoned(&self) -> Option<(u32, u64)> {
        self.abandoned
    }

    /// Returns what notes in the lease which session its owner runs, given the session's leader
    /// and when that started, so that whoever takes the lease over can see that nothing of it is
    /// left. It is called while the lease is held.
    pub fn session_note(&self) -> impl FnOnce(u32, u64) + Send + use<> {
        let (file, identity) = (Arc::clone(&self.file), self.identity.clone());
        move |leader, start| {
            let session = (leader, start);
            let noted = Holder {
                session,
                ..identity
            };
            // A lease that cannot be written is like one without the note.
            let _ = file.write_at(&noted.encode(), COUNTER as u64);
        }
    }

    /// Says whether the lease is still this one: the owner may have been suspended and its lease
    /// taken over. To be looked at before a commit (hazard D4).
    pub fn is_ours(&self) -> bool {
        self.file.is_at(&self.path)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let file = (Arc::clone(&self.file), self.keeps_file);
        self.beating.release(file, &self.path, &self.tmp);
    }
}

/// Waiting times between tries: 5 ms, doubling up to 200 ms.
#[derive(Clone, Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(5))
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    /// Returns how long to wait before the next try; it never ends.
    fn next(&mut self) -> Option<Duration> {
        let wait = self.0;
        self.0 = (wait * 2).min(Duration::from_millis(200));
        Some(wait)
    }
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
