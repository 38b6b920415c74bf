//! The witness: everything that this process looks at, written down while somebody asks for it.
//!
//! Because no other module calls the file system, what is noted here is all that a decision can
//! rest on. It is one for the whole process, so that no look on any thread passes by, and no child that
//! a fork makes of it writes in it. Invariants: the status of a thing is taken before it is read or
//! listed, so that a change in between shows; what cannot be looked at again in the same way makes
//! the account unfit, and does so silently.
//! It decides nothing: what of an account counts, and for how long, is for its reader to say.

use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;

use super::{Facts, Links, Signature, cached_pages};
use crate::tree::RelPath;

/// The process that writes down what it looks at; 0 where none does. It changes while the lock is
/// held.
static WRITER: AtomicU32 = AtomicU32::new(0);
static ACCOUNT: Mutex<Option<(Accounting, Account)>> = Mutex::new(None);

/// An account that was begun: who has this may end it, and nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounting(u64);

/// What was looked at since [`begin_account`].
#[derive(Debug, Default)]
pub struct Account {
    /// By path, and whether a link at its end was followed.
    pub looks: HashMap<(PathBuf, bool), Noted>,
    /// Which directories were listed.
    pub listed: HashSet<PathBuf>,
    /// What paths without links were found for which.
    pub resolved: HashMap<PathBuf, Option<PathBuf>>,
    /// From when on it may be seen otherwise although nothing changed, in nanoseconds since 1970.
    pub until: Option<u64>,
    /// What happened that cannot be looked at again.
    pub spoilt: Option<&'static str>,
}

/// What was found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// The look failed so: mostly because nothing is there.
    Failed(i32),
    /// What stands there counts, and nothing that changes in it.
    Place,
    /// It had this status.
    Status {
        /// The status.
        signature: Signature,
        /// Whether it was opened, and then whether no page of it was known to be dirty before.
        clean: Option<bool>,
    },
    /// It was found in two ways, or in one that cannot be looked at again.
    Unsteady,
}

/// Writes down every look from here on; `None` where somebody else has it done already.
pub fn begin_account() -> Option<Accounting> {
    static BEGUN: AtomicU64 = AtomicU64::new(0);
    // What this thread looks at now would pass by.
    if ASIDE.get() {
        return None;
    }
    let mut account = match ACCOUNT.try_lock() {
        Ok(account) => account,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // A fork may have copied it while it was held, and then nobody ever lets go of it.
        Err(TryLockError::WouldBlock) => return None,
    };
    let here = process::id();
    if WRITER.load(Ordering::SeqCst) == here {
        return None;
    }
    let begun = Accounting(BEGUN.fetch_add(1, Ordering::Relaxed));
    *account = Some((begun, Account::default()));
    WRITER.store(here, Ordering::SeqCst);
    Some(begun)
}

/// Stops, and returns what was written down; `None` if this account has ended, or is that of the
/// process that this one was forked from.
pub fn end_account(begun: Accounting) -> Option<Account> {
    if WRITER.load(Ordering::SeqCst) != process::id() {
        return None;
    }
    let mut account = lock();
    account
        .take_if(|(which, _)| *which == begun)
        .map(|(_, account)| {
            WRITER.store(0, Ordering::SeqCst);
            account
        })
}

/// Says that what was looked at is seen otherwise from this moment on, in nanoseconds since 1970.
pub fn counts_until(moment: u64) {
    note(|account| account.until = Some(account.until.map_or(moment, |until| until.min(moment))));
}

/// Says that something rests on more than looks. The account is worth nothing then.
pub fn spoil_account(why: &'static str) {
    note(|account| {
        *account = Account {
            spoilt: Some(why),
            ..Account::default()
        };
    });
}

thread_local! {
    static ASIDE: Cell<bool> = const { Cell::new(false) };
}

/// Looks without writing it down, on this thread: at what is ibid's own where inputs may lie, and
/// of which something else tells whether it counts.
pub fn look_aside<T>(look: impl FnOnce() -> T) -> T {
    let _aside = Aside(ASIDE.replace(true));
    look()
}

/// What it was before, which it is again afterwards, whatever happens meanwhile.
struct Aside(bool);

impl Drop for Aside {
    fn drop(&mut self) {
        ASIDE.set(self.0);
    }
}

fn lock() -> MutexGuard<'static, Option<(Accounting, Account)>> {
    // Every change is whole, so a panic elsewhere does not spoil it.
    ACCOUNT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says whether looks are written down.
pub(super) fn is_on() -> bool {
    WRITER.load(Ordering::Relaxed) != 0 && !ASIDE.get()
}

fn note(change: impl FnOnce(&mut Account)) {
    // In a child the lock may be held by a thread that it does not have.
    if is_on()
        && WRITER.load(Ordering::Relaxed) == process::id()
        && let Some((_, account)) = lock().as_mut()
    {
        change(account);
    }
}

fn put(path: &Path, follow: bool, found: Noted) {
    note(|account| {
        // Of an account that is spoilt nothing more is needed.
        if account.spoilt.is_some() {
            return;
        }
        match account.looks.entry((path.to_owned(), follow)) {
            Entry::Vacant(entry) => {
                entry.insert(found);
            }
            Entry::Occupied(mut entry) => {
                let both = entry.get().and(found);
                entry.insert(both);
            }
        }
    });
}

impl Noted {
    /// Returns what two looks at one path come to.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Place, status @ Self::Status { .. })
            | (status @ Self::Status { .. }, Self::Place) => status,
            (
                Self::Status { signature, clean },
                Self::Status {
                    signature: again,
                    clean: other,
                },
            ) if signature == again => Self::Status {
                signature,
                clean: match (clean, other) {
                    (Some(one), Some(other)) => Some(one && other),
                    (one, other) => one.or(other),
                },
            },
            _ => Self::Unsteady,
        }
    }
}

/// Notes a look at a status.
pub(super) fn looked(path: &Path, links: Links, found: Result<&Signature, Errno>) {
    if is_on() {
        let noted = match found {
            Ok(signature) => Noted::Status {
                signature: *signature,
                clean: None,
            },
            Err(error) => Noted::Failed(error.raw_os_error()),
        };
        put(path, links == Links::Follow, noted);
    }
}

/// Notes that a file was opened, with its status, before anything of it is read.
pub(super) fn opened(path: &Path, links: Links, (file, signature): (&File, &Signature)) {
    if is_on() {
        let clean = cached_pages(file).is_some_and(super::CachedPages::are_clean);
        let noted = Noted::Status {
            signature: *signature,
            clean: Some(clean),
        };
        put(path, links == Links::Follow, noted);
    }
}

/// Notes that only what stands at a path counts, or, where it could not be opened or entered, that
/// nothing does. Any other failure cannot be told from a look.
pub(super) fn place(path: &Path, links: Links, failed: Option<Errno>) {
    if is_on() {
        let noted = match failed {
            None => Noted::Place,
            Some(error @ (Errno::NOENT | Errno::NOTDIR)) => Noted::Failed(error.raw_os_error()),
            Some(_) => Noted::Unsteady,
        };
        put(path, links == Links::Follow, noted);
    }
}

/// Notes the directories between a handle and what is named below it.
pub(super) fn way(top: &Path, below: &RelPath) {
    if is_on() {
        let mut above = below.parent();
        while let Some(dir) = above.filter(|dir| !dir.is_root()) {
            place(&dir.below(top), Links::Keep, None);
            above = dir.parent();
        }
    }
}

/// Notes a link whose text is about to be read, or that something is none.
pub(super) fn text_of(path: &Path) {
    if is_on() {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let found = rustix::fs::statx(CWD, path, flags, StatxFlags::BASIC_STATS);
        let found = found.map(|stat| Facts::from_statx(&stat).signature);
        match &found {
            // What it holds does not count where it is no link.
            Ok(signature) if signature.kind() != super::FileKind::Link => {
                put(path, false, Noted::Place);
            }
            Ok(signature) => looked(path, Links::Keep, Ok(signature)),
            Err(error) => looked(path, Links::Keep, Err(*error)),
        }
    }
}

/// Notes an open directory that is about to be listed, links followed.
pub(super) fn listed(path: &Path, dir: impl AsFd) {
    if is_on() {
        let flags = AtFlags::EMPTY_PATH;
        let found = rustix::fs::statx(dir, c"", flags, StatxFlags::BASIC_STATS)
            .map(|stat| Facts::from_statx(&stat).signature);
        looked(path, Links::Follow, found.as_ref().map_err(|error| *error));
        note(|account| {
            account.listed.insert(path.to_owned());
        });
    }
}

/// Notes which path without links was found for another.
pub(super) fn resolved(path: &Path, found: Option<&Path>) {
    note(|account| {
        let found = found.map(Path::to_owned);
        let known = account.resolved.entry(path.to_owned());
        if *known.or_insert_with(|| found.clone()) != found {
            account.spoilt = Some("a path led to two places");
        }
    });
}

/// Notes a look that cannot be made again.
pub(super) fn unlike_any(path: &Path) {
    if is_on() {
        put(path, true, Noted::Unsteady);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::fs::exists;

    #[test]
    fn an_account_is_that_of_who_began_it() {
        const ACCOUNTS: usize = 2_000;
        let whole = AtomicUsize::new(0);
        let of = |thread: usize| {
            let own: Vec<PathBuf> = (0..8).map(|at| format!("/{thread}/{at}").into()).collect();
            while whole.load(Ordering::Relaxed) < ACCOUNTS {
                let Some(begun) = begin_account() else {
                    continue;
                };
                for path in &own {
                    let _ = exists(path);
                }
                counts_until(1);
                let account = end_account(begun).expect("nobody else ends it");
                assert!(end_account(begun).is_none());
                // Other tests start processes.
                if account.spoilt.is_some() {
                    continue;
                }
                let is_noted = |path: &PathBuf| account.looks.contains_key(&(path.clone(), false));
                assert!(own.iter().all(is_noted));
                assert_eq!(account.until, Some(1));
                whole.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let of = &of;
                scope.spawn(move || of(thread));
            }
        });
    }

    #[test]
    fn who_looks_aside_begins_nothing_and_looks_on_after_a_panic() {
        look_aside(|| assert_eq!(begin_account(), None));
        let panicked = std::panic::catch_unwind(|| look_aside(|| panic!("meant")));
        assert!(panicked.is_err() && !ASIDE.get());
    }
}
