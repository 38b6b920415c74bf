//! Long lists of points, of which as many are played as a plan allows, by as many workers as the
//! machine has processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::random::Random;
use super::{Plan, Report};

/// Plays points until all are played, or the time is over; returns how many were.
///
/// Each list is put into an order that the seed draws, and the lists take turns: whatever cuts
/// the campaign off, each list had an even share, from everywhere in it.
pub(super) fn play<P: Copy + Sync>(
    lists: &[Vec<P>],
    plan: &Plan,
    report: &mut Report,
    one: impl Fn(P, &mut Report) + Sync,
) -> usize {
    let mut chosen = in_turns(lists, &mut Random::new(plan.seed));
    chosen.truncate(plan.times);
    let (next, played) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let whole = Mutex::new(report);
    let workers = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..workers.min(plan.workers.max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(point) = chosen.get(at) else { return };
                    {
                        let whole = whole.lock().expect("no worker panics in here");
                        if whole.is_over(plan) || whole.violations.len() >= MOST {
                            return;
                        }
                    }
                    let mut own = Report::new(plan);
                    one(*point, &mut own);
                    played.fetch_add(1, Ordering::Relaxed);
                    whole.lock().expect("no worker panics in here").take(own);
                }
            });
        }
    });
    played.into_inner()
}

/// After so many violations it is clear enough.
const MOST: usize = 100;

fn in_turns<P: Copy>(lists: &[Vec<P>], random: &mut Random) -> Vec<P> {
    let mut lists = lists.to_vec();
    for list in &mut lists {
        random.shuffle(list);
    }
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|at| lists.iter().filter_map(move |list| list.get(at).copied()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_take_turns_in_an_order_that_the_seed_repeats() {
        let lists = [(0..100).collect::<Vec<usize>>(), (100..103).collect()];
        let played = in_turns(&lists, &mut Random::new(7));
        assert_eq!(played, in_turns(&lists, &mut Random::new(7)));
        assert_ne!(played, in_turns(&lists, &mut Random::new(8)));
        assert!(
            played[..6]
                .chunks(2)
                .all(|two| two[0] < 100 && two[1] >= 100)
        );
        let mut all = played;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..103));
    }
}
