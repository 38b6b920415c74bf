//! Work on many files, done by two threads: one computes while the other waits for the system.
//!
//! More threads would not help: what takes the time are calls into one file system, and a disk
//! would only seek. Where no thread is to be had, one does it all.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `work` on up to two threads, each with the numbers below `count` that are its own, in
/// ascending pieces of `piece`; returns what each thread made.
pub(crate) fn share_out<T: Send>(
    count: usize,
    piece: usize,
    work: impl Fn(&mut dyn Iterator<Item = usize>) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut left = 0..0;
        let mut numbers = std::iter::from_fn(|| {
            if left.is_empty() {
                let from = next.fetch_add(piece, Ordering::Relaxed).min(count);
                left = from..from.saturating_add(piece).min(count);
            }
            left.next()
        });
        work(&mut numbers)
    };
    if count <= piece {
        return vec![run()];
    }
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().spawn_scoped(scope, run).ok();
        let own = run();
        let other = other.map(|other| other.join().expect("no reader panics"));
        std::iter::once(own).chain(other).collect()
    })
}

/// Does two things at once, if they are many enough for a thread to be worth it.
pub(crate) fn both<A: Send, B>(
    are_many: bool,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B,
) -> (A, B) {
    if !are_many {
        return (one(), other());
    }
    let one = std::sync::Mutex::new(Some(one));
    let take = || one.lock().expect("nobody panics with it").take();
    std::thread::scope(|scope| {
        let run = || take().map(|one| one());
        let started = std::thread::Builder::new().spawn_scoped(scope, run).ok();
        let other = other();
        let made = started.and_then(|started| started.join().expect("no reader panics"));
        (
            made.unwrap_or_else(|| take().expect("nobody took it")()),
            other,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_things_are_done() {
        for are_many in [false, true] {
            assert_eq!(both(are_many, || 1, || "two"), (1, "two"));
        }
    }

    #[test]
    fn every_number_is_given_out_once() {
        for count in [0, 1, 7, 8, 9, 1000] {
            let parts = share_out(count, 8, |numbers| numbers.collect::<Vec<_>>());
            assert!(parts.iter().all(|part| part.is_sorted()));
            let mut all = parts.concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
