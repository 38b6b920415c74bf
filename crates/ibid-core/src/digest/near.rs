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
#[inline]
pub(crate) fn leading(name: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*name.first_chunk().expect("a name has 32 bytes"))
}

/// Returns about where `wanted` stands among `len` items from `first` to `last`, evenly spread.
#[inline]
pub(crate) fn guess(wanted: u64, (first, last): (u64, u64), len: usize) -> usize {
    let above = u128::from(wanted.saturating_sub(first));
    let about = above * len as u128 / (u128::from(last.saturating_sub(first)) + 1);
    usize::try_from(about).unwrap_or(usize::MAX)
}

/// Where names begin that have the same first bits, among many in ascending order: it stays in the
/// cache of a core and tells to a few places where one stands. Digests are spread evenly, but the
/// place of one among millions is uncertain by hundreds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    /// One for each value of the first [`BITS`] bits, and the number of all.
    starts: Vec<u32>,
}

/// So many leading bits are told apart.
const BITS: u32 = 16;

impl Starts {
    /// Notes where names begin, given what each leads with in ascending order.
    pub(crate) fn of(leading: impl ExactSizeIterator<Item = u64>) -> Self {
        let Ok(len) = u32::try_from(leading.len()) else {
            return Self::default();
        };
        let mut starts = Vec::with_capacity((1 << BITS) + 1);
        for (at, leading) in (0..len).zip(leading) {
            let slot = (leading >> (64 - BITS)) as usize;
            if slot >= starts.len() {
                starts.resize(slot + 1, at);
            }
        }
        starts.resize((1 << BITS) + 1, len);
        Self { starts }
    }

    /// Returns about where a name stands; `None` where nothing was noted, or of other names.
    #[inline]
    pub(crate) fn about(&self, leading: u64, len: usize) -> Option<usize> {
        let slot = (leading >> (64 - BITS)) as usize;
        let (from, to) = (*self.starts.get(slot)?, *self.starts.get(slot + 1)?);
        let within = (leading << BITS) >> 32;
        let about = u64::from(from) + ((within * u64::from(to - from)) >> 32);
        (*self.starts.last()? as usize == len).then_some(usize::try_from(about).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_where_their_first_bits_begin() {
        let mut leading: Vec<u64> = (0..3000_u64)
            .map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect();
        leading.extend([0, 1, 7 << 48, u64::MAX]);
        leading.sort_unstable();
        let starts = Starts::of(leading.iter().copied());
        for (at, wanted) in leading.iter().enumerate() {
            let about = starts.about(*wanted, leading.len()).unwrap();
            assert!(about.abs_diff(at) < 8, "{at} {about}");
        }
        assert_eq!(starts.about(7, 5), None);
        assert_eq!(Starts::default().about(7, 0), None);
        assert_eq!(Starts::of([].into_iter()).about(7, 0), Some(0));
    }

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
