//! `Moves`: folders that were renamed or removed, as the kernel tells.
//!
//! What was done through this host counts, by whatever path; of another host that shares a network
//! file system nothing is heard. Must not know why a folder matters. Invariants: one inotify instance
//! serves all of a process, as few of them are allowed; it is kept, since closing one takes 10 to 20
//! ms, but watches nothing once nobody listens; what happens once a folder is watched is told to each
//! who watched it before; nothing waits.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init, remove_watch};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};

/// The instance of this process, once anybody needed it.
static SHARED: Mutex<Option<Arc<Instance>>> = Mutex::new(None);

/// The number that stands for events that were lost.
const LOST: i32 = -1;

/// An inotify instance.
#[derive(Debug)]
struct Instance {
    fd: OwnedFd,
    /// A child of the process has the same queue, and would take events away.
    process: Pid,
    heard: Mutex<Heard>,
}

/// What an instance is doing.
#[derive(Debug, Default)]
struct Heard {
    listeners: usize,
    watched: BTreeSet<i32>,
    /// The numbers of all folders that were told of, in that order.
    told: Vec<i32>,
}

/// Hears of moves from its beginning on.
#[derive(Clone, Debug)]
pub struct Moves(Arc<Listener>);

#[derive(Debug)]
struct Listener {
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
        let instance = match shared.take().filter(own) {
            Some(instance) => instance,
            None => Arc::new(Instance::new()?),
        };
        *shared = Some(Arc::clone(&instance));
        let from = {
            let mut heard = instance.hear();
            heard.listeners += 1;
            heard.told.len()
        };
        Some(Self(Arc::new(Listener { instance, from })))
    }

    /// Watches a folder; `None` where that is not allowed.
    pub fn watch(&self, folder: &Path) -> Option<Watched> {
        let flags = WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        let Listener { instance, .. } = &*self.0;
        let number = add_watch(&instance.fd, folder, flags).ok()?;
        held(&instance.heard).watched.insert(number);
        Some(Watched(number))
    }

    /// Returns the folders that were moved or removed; `None` where that was not all heard.
    pub fn told(&self) -> Option<BTreeSet<Watched>> {
        let Listener { instance, from } = &*self.0;
        let heard = instance.hear();
        let since = &heard.told[*from..];
        let whole = !since.contains(&LOST);
        whole.then(|| since.iter().copied().map(Watched).collect())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A child of the process has the same watches, which are not its own.
        if self.instance.process != getpid() {
            return;
        }
        let mut heard = held(&self.instance.heard);
        heard.listeners -= 1;
        if heard.listeners > 0 {
            return;
        }
        heard.told.clear();
        for number in std::mem::take(&mut heard.watched) {
            // One of a folder that is gone is none any more.
            let _ = remove_watch(&self.instance.fd, number);
        }
    }
}

impl Instance {
    fn new() -> Option<Self> {
        Some(Self {
            fd: init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?,
            process: getpid(),
            heard: Mutex::default(),
        })
    }

    /// Hears all that was told so far.
    fn hear(&self) -> MutexGuard<'_, Heard> {
        let mut heard = held(&self.heard);
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.fd, &mut space);
        loop {
            match reader.next() {
                // One of a queue that ran over has the number for lost ones.
                Ok(event) => heard.told.push(event.wd()),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return heard,
                Err(_) => {
                    heard.told.push(LOST);
                    return heard;
                }
            }
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
