//! `Points`: a long list of points, of which as many are played as a plan allows, by as many
//! workers as the machine has processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::random::Random;
use super::{Plan, Report};

/// Plays points until all are played, or the time is over; returns how many were.
///
/// Where not all are allowed, those that are lie evenly in the list. Their order is drawn, so
/// that a time that is over cuts off no end of it.
pub(super) fn play<P: Copy + Sync>(
    points: &[P],
    plan: &Plan,
    report: &mut Report,
    one: impl Fn(P, &mut Report) + Sync,
) -> usize {
    let mut random = Random::new(plan.seed);
    let mut chosen = sample(points, plan.times, &mut random);
    random.shuffle(&mut chosen);
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

/// Picks at most so many, at equal distances.
fn sample<P: Copy>(points: &[P], most: usize, random: &mut Random) -> Vec<P> {
    if points.len() <= most {
        return points.to_vec();
    }
    let from = random.below(points.len());
    (0..most)
        .map(|at| points[(from + at * points.len() / most) % points.len()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_evenly_and_repeated_by_its_seed() {
        let points: Vec<usize> = (0..1000).collect();
        let mut picked = sample(&points, 10, &mut Random::new(7));
        assert_eq!(picked, sample(&points, 10, &mut Random::new(7)));
        picked.sort_unstable();
        assert!(picked.windows(2).all(|two| two[1] - two[0] == 100));
    }

    #[test]
    fn all_points_are_played_where_they_may_be() {
        let points: Vec<usize> = (0..10).collect();
        assert_eq!(sample(&points, 10, &mut Random::new(7)), points);
    }
}
