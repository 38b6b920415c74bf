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

#[cfg(test)]
mod tests {
    use super::*;

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
