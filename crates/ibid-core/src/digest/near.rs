//! Finding a name in an ordered list from a guess of where it stands.
//!
//! Digests are evenly spread, so a digest tells about where it stands among others: looking from
//! there touches far less memory than halving does. A bad guess costs no more than halving twice.

use std::cmp::Ordering;

/// Returns where the wanted item stands among `len` in ascending order, looking first near
/// `about`. `compare` says how the item of a place stands to the wanted one.
pub(crate) fn find_near(
    len: usize,
    about: usize,
    compare: impl Fn(usize) -> Ordering,
) -> Option<usize> {
    let about = about.min(len.checked_sub(1)?);
    // What is wanted lies at `from` or above, and below `to`.
    let (mut from, mut to, mut step) = (0, len, 4);
    match compare(about) {
        Ordering::Equal => return Some(about),
        Ordering::Less => {
            from = about + 1;
            while from + step < to {
                match compare(from + step) {
                    Ordering::Less => from += step + 1,
                    Ordering::Equal => return Some(from + step),
                    Ordering::Greater => to = from + step,
                }
                step *= 2;
            }
        }
        Ordering::Greater => {
            to = about;
            while from + step < to {
                match compare(to - step) {
                    Ordering::Greater => to -= step,
                    Ordering::Equal => return Some(to - step),
                    Ordering::Less => from = to - step + 1,
                }
                step *= 2;
            }
        }
    }
    while from < to {
        let middle = from.midpoint(to);
        match compare(middle) {
            Ordering::Less => from = middle + 1,
            Ordering::Equal => return Some(middle),
            Ordering::Greater => to = middle,
        }
    }
    None
}

/// Returns the first bytes of a name as a number, in the same order.
pub(crate) fn leading(name: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*name.first_chunk().expect("a name has 32 bytes"))
}

/// Returns about where `wanted` stands among `len` items from `first` to `last`, evenly spread.
pub(crate) fn guess(wanted: u64, (first, last): (u64, u64), len: usize) -> usize {
    let above = u128::from(wanted.saturating_sub(first));
    let about = above * len as u128 / (u128::from(last.saturating_sub(first)) + 1);
    usize::try_from(about).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_any_guess_everything_is_found_and_nothing_else() {
        for len in 0..70_usize {
            let items: Vec<usize> = (0..len).map(|it| 2 * it + 1).collect();
            for about in 0..len + 2 {
                for wanted in 0..2 * len + 2 {
                    let found = find_near(len, about, |at| items[at].cmp(&wanted));
                    assert_eq!(found, items.binary_search(&wanted).ok());
                }
            }
        }
    }

    #[test]
    fn a_guess_is_within_the_list_and_grows_with_what_is_wanted() {
        let guesses = [0, 10, 15, 19, 20].map(|wanted| guess(wanted, (10, 19), 100));
        assert_eq!(guesses, [0, 0, 50, 90, 100]);
        assert_eq!(guess(u64::MAX, (0, u64::MAX), 100), 99);
        assert_eq!(guess(7, (7, 7), 3), 0);
    }
}
