//! `Heart`: what keeps the leases of one handle alive, and the files that they are made of.
//!
//! One thread beats for all leases that are held, however many there are; it starts with the first
//! that may be held for longer than a moment. The file of a lease that is released becomes a spare:
//! it leaves its place for a name in `tmp/`, and the next lease, or an entry of history, is written
//! into it there and renamed to its own place. So a run of many steps neither creates nor removes a
//! file for each of them, which ext4 punishes: it passes over every inode that was freed a moment
//! ago. Invariants: a lease has its name only while its content is whole and its own; a spare is
//! used by the process alone that made it, and a child that was forked uses none.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fs::{self, Host, Signature};

/// More spares than this are not kept: each holds a descriptor.
const SPARES: usize = 8;

/// A handle that took no more leases than these has hardly a use for spares.
pub(super) const FEW: u64 = 4;

/// This process, as leases name it.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) pid: u32,
    /// The machine, its boot and the process namespace.
    pub(super) boot: String,
    /// When the process started.
    pub(super) start: u64,
}

/// An open file of a lease, and which one it is.
#[derive(Debug)]
pub(super) struct LeaseFile {
    file: File,
    inode: (u64, u64),
    /// How long it is: nobody else writes to it.
    length: AtomicU64,
}

impl LeaseFile {
    /// Takes a file that is open for reading and writing, with its status.
    pub(super) fn new(file: File, seen: &Signature) -> Self {
        Self {
            file,
            inode: (seen.device, seen.inode),
            length: AtomicU64::new(seen.size),
        }
    }

    /// Says whether `path` is a name of this very file. As long as it is open, no other can have
    /// its number.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        Signature::of_link(path).is_ok_and(|seen| (seen.device, seen.inode) == self.inode)
    }

    /// Writes in place.
    pub(super) fn write_at(&self, bytes: &[u8], at: u64) -> std::io::Result<()> {
        let end = at + bytes.len() as u64;
        self.length.fetch_max(end, Ordering::Relaxed);
        self.file.write_all_at(bytes, at)
    }

    fn rewrite(&self, content: &[u8]) -> std::io::Result<()> {
        self.write_at(content, 0)?;
        let length = content.len() as u64;
        // A change of the length is one of the file system's, even to what it is.
        if self.length.swap(length, Ordering::Relaxed) != length {
            self.file.set_len(length)?;
        }
        Ok(())
    }
}

/// A file that was a lease and may become one again.
#[derive(Debug)]
struct Spare {
    path: PathBuf,
    file: Arc<LeaseFile>,
}

/// What trying to use a spare came to.
pub(super) enum Reused {
    /// It is the lease.
    Lease(Arc<LeaseFile>),
    /// Something stands at the place.
    Taken,
    /// There is no spare that can be used.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Heart {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    every: Duration,
}

#[derive(Debug, Default)]
struct State {
    own: Option<Own>,
    next: u64,
    /// The leases that are held, each with how often it has beaten.
    held: BTreeMap<u64, (Arc<LeaseFile>, u64)>,
    spares: Vec<Spare>,
    /// The process whose thread beats.
    beaten_by: Option<u32>,
    /// The handle is gone: nothing is kept for later.
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heart {
    /// Makes one that beats so often.
    pub(super) fn new(every: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                wake: Condvar::new(),
                every,
            }),
        }
    }

    /// Returns who this process is: asked once, and again in a child that was forked.
    pub(super) fn own(&self, host: &Host) -> Own {
        let pid = std::process::id();
        let mut state = self.shared.state();
        if let Some(own) = state.own.as_ref().filter(|own| own.pid == pid) {
            return own.clone();
        }
        let own = Own {
            pid,
            boot: fs::boot_and_namespace(host),
            start: fs::own_start().unwrap_or(0),
        };
        // What a parent has set aside it goes on using itself.
        state.spares.clear();
        state.own = Some(own.clone());
        own
    }

    /// Makes a spare a lease with this content at `place`.
    pub(super) fn reuse(&self, content: &[u8], place: &Path) -> Reused {
        let spare = {
            let mut state = self.shared.state();
            let is_own = state.own.as_ref().map(|own| own.pid) == Some(std::process::id());
            state.spares.pop().filter(|_| is_own)
        };
        let Some(spare) = spare else {
            return Reused::Nothing;
        };
        let written = spare.file.rewrite(content);
        let renamed = written.is_ok().then(|| fs::rename_new(&spare.path, place));
        match renamed {
            Some(Ok(true)) => Reused::Lease(spare.file),
            // Only the reply was lost, on a network file system.
            Some(_) if spare.file.is_at(place) => Reused::Lease(spare.file),
            Some(Ok(false)) => {
                self.shared.state().spares.push(spare);
                Reused::Taken
            }
            _ => {
                if spare.file.is_at(&spare.path) {
                    let _ = fs::remove_file(&spare.path);
                }
                Reused::Nothing
            }
        }
    }

    /// Keeps nothing for later any more, and removes what was kept.
    pub(super) fn rest(&self) {
        let mut state = self.shared.state();
        state.closed = true;
        let spares = std::mem::take(&mut state.spares);
        let own = state.own.as_ref().map(|own| own.pid);
        for spare in spares {
            if own == Some(std::process::id()) && spare.file.is_at(&spare.path) {
                // What stays behind is found by age.
                let _ = fs::remove_file(&spare.path);
            }
        }
        // Nobody waits where no thread beats.
        if state.beaten_by.is_some() {
            self.shared.wake.notify_all();
        }
    }

    /// Beats for a lease from now on; for one that is held for a moment only once
    /// [`Self::beat_for_all`] is called.
    pub(super) fn hold(&self, file: Arc<LeaseFile>, pace: Pace) -> Beating {
        let mut state = self.shared.state();
        let number = state.next;
        state.next += 1;
        state.held.insert(number, (file, 0));
        if pace == Pace::Lasting {
            self.start(&mut state);
        }
        Beating {
            shared: Arc::clone(&self.shared),
            number,
        }
    }

    /// Beats from now on for what was taken for a moment, too.
    pub(super) fn beat_for_all(&self) {
        let mut state = self.shared.state();
        if !state.held.is_empty() {
            self.start(&mut state);
        }
    }

    /// Says whether a thread beats.
    #[cfg(test)]
    pub(super) fn beats(&self) -> bool {
        self.shared.state().beaten_by.is_some()
    }

    fn start(&self, state: &mut State) {
        let pid = std::process::id();
        if state.beaten_by != Some(pid) {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("ibid-lease".to_owned());
            // Without the thread the lease looks dead after a while, which costs only work.
            let started = thread.spawn(move || shared.beat());
            state.beaten_by = started.is_ok().then_some(pid);
        }
    }

    /// Takes the spare that the last lease has left, to be filled with something else: its file,
    /// where that lies, which it is and how long. Where many leases are taken they use it
    /// themselves.
    pub(super) fn give_away(&self) -> Option<GivenAway> {
        let mut state = self.shared.state();
        let is_own = state.own.as_ref().map(|own| own.pid) == Some(std::process::id());
        if !is_own || state.next > FEW {
            return None;
        }
        let Spare { path, file } = state.spares.pop()?;
        drop(state);
        match Arc::try_unwrap(file) {
            Ok(LeaseFile {
                file,
                inode,
                length,
            }) => Some(((file, path, inode), length.into_inner())),
            // Somebody may still write in it.
            Err(file) => {
                if file.is_at(&path) {
                    let _ = fs::remove_file(&path);
                }
                None
            }
        }
    }
}

/// A spare that becomes something else: its file, where it lies, which it is, and how long.
pub(super) type GivenAway = ((File, PathBuf, (u64, u64)), u64);

/// For how long a lease is to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// For as long as it takes: others see that its owner lives.
    #[default]
    Lasting,
    /// For a moment: work of a few calls, long over when the first beat would be due.
    Brief,
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.rest();
    }
}

impl Shared {
    /// Rewrites the counters until the handle and its leases are gone.
    fn beat(&self) {
        let mut state = self.state();
        while !(state.closed && state.held.is_empty()) {
            let waited = self.wake.wait_timeout(state, self.every);
            let (next, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() {
                for (file, count) in state.held.values_mut() {
                    *count += 1;
                    // A beat that fails is one that observers do not see.
                    let _ = file.write_at(format!("{count:020}").as_bytes(), 0);
                }
            }
        }
    }
}

/// A lease that is beaten for, until it is dropped.
#[derive(Debug)]
pub(super) struct Beating {
    shared: Arc<Shared>,
    number: u64,
}

impl Beating {
    /// Ends the lease at `place`, unless somebody else has that by now, and keeps its file for
    /// another one under a name in `tmp`, where many are taken or its owner says that it `keeps` it.
    pub(super) fn release(&self, (file, keeps): (Arc<LeaseFile>, bool), place: &Path, tmp: &Path) {
        // First of all: what has no name any more must not be written to.
        self.shared.state().held.remove(&self.number);
        if !file.is_at(place) {
            return;
        }
        let state = self.shared.state();
        let is_own = state.own.as_ref().map(|own| own.pid) == Some(std::process::id());
        let is_used = (keeps || state.next > FEW) && state.spares.len() < SPARES;
        let is_wanted = is_own && !state.closed && is_used;
        drop(state);
        let path = tmp.join(fs::random_name());
        if !is_wanted || fs::rename(place, &path).is_err() {
            let _ = fs::remove_file(place);
            return;
        }
        if !file.is_at(&path) {
            // Taken over in this moment: another's lease goes back unless its place is taken.
            if !fs::rename_new(&path, place).unwrap_or(false) {
                let _ = fs::remove_file(&path);
            }
            return;
        }
        let mut state = self.shared.state();
        if state.closed {
            let _ = fs::remove_file(&path);
        } else {
            state.spares.push(Spare { path, file });
        }
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.held.remove(&self.number);
        if state.closed && state.held.is_empty() && state.beaten_by.is_some() {
            self.shared.wake.notify_all();
        }
    }
}
