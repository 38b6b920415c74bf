//! `Moves`: folders that were renamed or removed, as the kernel tells.
//!
//! What was done through this host counts, by whatever path; of another host that shares a network
//! file system nothing is heard. Must not know why a folder matters. Invariants: one inotify instance
//! serves all of a process, as few of them are allowed, and is closed with the last [`Moves`]; what
//! happens once a folder is watched is told to each who watched it before; nothing waits.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};

/// The instance of this process, while anybody needs it.
static SHARED: Mutex<Weak<Instance>> = Mutex::new(Weak::new());

/// The number that stands for events that were lost.
const LOST: i32 = -1;

/// An inotify instance.
#[derive(Debug)]
struct Instance {
    fd: OwnedFd,
    /// A child of the process has the same queue, and would take events away.
    process: Pid,
    /// The numbers of all folders that were told of, in that order.
    told: Mutex<Vec<i32>>,
}

/// Hears of moves from its beginning on.
#[derive(Clone, Debug)]
pub struct Moves {
    instance: Arc<Instance>,
    from: usize,
}

/// A folder that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched(i32);

impl Moves {
    /// Begins; `None` where the kernel allows no more of it.
    pub fn begin() -> Option<Self> {
        let mut shared = held(&SHARED);
        let own = |it: &Arc<Instance>| it.process == getpid();
        let instance = match shared.upgrade().filter(own) {
            Some(instance) => instance,
            None => Arc::new(Instance::new()?),
        };
        *shared = Arc::downgrade(&instance);
        let from = instance.hear().len();
        Some(Self { instance, from })
    }

    /// Watches a folder; `None` where that is not allowed.
    pub fn watch(&self, folder: &Path) -> Option<Watched> {
        let flags = WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        let number = add_watch(&self.instance.fd, folder, flags);
        number.ok().map(Watched)
    }

    /// Returns the folders that were moved or removed; `None` where that was not all heard.
    pub fn told(&self) -> Option<BTreeSet<Watched>> {
        let told = self.instance.hear();
        let since = &told[self.from..];
        let whole = !since.contains(&LOST);
        whole.then(|| since.iter().copied().map(Watched).collect())
    }
}

impl Instance {
    fn new() -> Option<Self> {
        Some(Self {
            fd: init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?,
            process: getpid(),
            told: Mutex::default(),
        })
    }

    /// Returns all that was told so far.
    fn hear(&self) -> MutexGuard<'_, Vec<i32>> {
        let mut told = held(&self.told);
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.fd, &mut space);
        loop {
            match reader.next() {
                // One of a queue that ran over has the number for lost ones.
                Ok(event) => told.push(event.wd()),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return told,
                Err(_) => {
                    told.push(LOST);
                    return told;
                }
            }
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
