//! `AlsoNamed`: when something beside results last named a blob.
//!
//! By the blobs' numbers, a word each: in a store with history most are named, and whoever plans
//! asks of all. Invariant: of several times the newest counts.

/// The newest time at which something beside results named a blob, by the blob's number.
#[derive(Clone, Debug, Default)]
pub struct AlsoNamed {
    /// One more than the time, and zero for none.
    times: Vec<u64>,
}

impl AlsoNamed {
    /// Makes room for so many blobs at once.
    pub(super) fn reserve(&mut self, blobs: usize) {
        self.times.resize(blobs, 0);
    }

    /// Notes that a blob was named at a time, in nanoseconds since 1970.
    pub fn note(&mut self, blob: u32, time: u64) {
        let at = blob as usize;
        if at >= self.times.len() {
            self.times.resize(at + 1, 0);
        }
        self.times[at] = self.times[at].max(time.saturating_add(1));
    }

    /// Returns when a blob was named last.
    pub fn get(&self, blob: u32) -> Option<u64> {
        self.times.get(blob as usize)?.checked_sub(1)
    }

    /// Says whether a blob was named.
    pub fn has(&self, blob: u32) -> bool {
        self.get(blob).is_some()
    }

    /// Goes through the blobs that were named, in the order of their numbers, with the times.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        let times = (0..).zip(&self.times);
        times.filter_map(|(blob, time)| Some((blob, time.checked_sub(1)?)))
    }
}

impl FromIterator<(u32, u64)> for AlsoNamed {
    fn from_iter<I: IntoIterator<Item = (u32, u64)>>(named: I) -> Self {
        let mut all = Self::default();
        for (blob, time) in named {
            all.note(blob, time);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_time_counts_and_zero_is_one() {
        let named: AlsoNamed = [(3, 7), (3, 5), (1, 0)].into_iter().collect();
        assert_eq!(named.iter().collect::<Vec<_>>(), [(1, 0), (3, 7)]);
        assert_eq!(
            [0, 1, 2, 3, 9].map(|it| named.has(it)),
            [false, true, false, true, false]
        );
    }
}
