//! Which entries history has, by label: what a process that runs many steps looks at instead of
//! listing the folder for each.
//!
//! Built by one listing; what this process appends is added. Entries of other processes are seen
//! with the next listing, which comes after as many looks as make its cost negligible: history
//! explains, it decides nothing. Only names are kept: an entry's file is read when it is asked for.

use std::collections::HashMap;

/// So many looks, and so many for each entry divided by [`SHARE`], are answered by one listing.
const LOOKS: usize = 64;
const SHARE: usize = 8;

/// Digits of the time in a name, of the label's hash, and of the random part.
const TIME: usize = 20;
const HASH: usize = 8;
const RANDOM: usize = 16;

/// Characters of a name.
const LENGTH: usize = TIME + 1 + HASH + 1 + RANDOM;

/// The name of an entry's file: `<20 digits>-<8 hex>-<16 hex>`. In order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunName {
    /// When the run ended, in nanoseconds since 1970.
    pub time: u64,
    /// The start of the hash of its label.
    pub label: LabelHash,
    /// What no other name of the same time and label has.
    pub random: u64,
}

/// The start of the hash of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelHash(pub u32);

impl RunName {
    /// Reads a name; `None` if it is none of an entry.
    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        let (time, rest) = name.split_at_checked(TIME)?;
        let (label, random) = rest.strip_prefix(b"-")?.split_at_checked(HASH)?;
        let random = random.strip_prefix(b"-")?;
        if random.len() != RANDOM {
            return None;
        }
        Some(Self {
            time: number(time, 10)?,
            label: LabelHash(u32::try_from(number(label, 16)?).ok()?),
            random: number(random, 16)?,
        })
    }

    /// Returns the name.
    pub(super) fn bytes(&self) -> [u8; LENGTH] {
        let mut name = [b'-'; LENGTH];
        let mut put = |place: std::ops::Range<usize>, mut rest: u64, base: u64| {
            for digit in name[place].iter_mut().rev() {
                let least = u32::try_from(rest % base).expect("a digit is small");
                *digit = char::from_digit(least, 16).map_or(b'0', |digit| digit as u8);
                rest /= base;
            }
        };
        put(0..TIME, self.time, 10);
        put(TIME + 1..TIME + 1 + HASH, self.label.0.into(), 16);
        put(LENGTH - RANDOM..LENGTH, self.random, 16);
        name
    }
}

/// Reads a number that is all digits.
fn number(text: &[u8], base: u32) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(base)?;
        number.checked_mul(base.into())?.checked_add(digit.into())
    })
}

impl std::fmt::Display for RunName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            time,
            label: LabelHash(label),
            random,
        } = self;
        write!(f, "{time:0TIME$}-{label:0HASH$x}-{random:0RANDOM$x}")
    }
}

/// The names of a listing, and of what was appended since.
#[derive(Debug, Default)]
pub(super) struct RunIndex {
    by_label: HashMap<LabelHash, Vec<RunName>>,
    /// Looks that are answered before the next listing.
    left: usize,
}

impl RunIndex {
    pub(super) fn new(names: Vec<RunName>) -> Self {
        let mut index = Self {
            by_label: HashMap::new(),
            left: LOOKS + names.len() / SHARE,
        };
        for name in names {
            index.add(name);
        }
        index
    }

    pub(super) fn add(&mut self, name: RunName) {
        self.by_label.entry(name.label).or_default().push(name);
    }

    /// Returns the names of one label, the newest first; `None` when it is time to list again.
    pub(super) fn look(&mut self, label: LabelHash) -> Option<Vec<RunName>> {
        self.left = self.left.checked_sub(1)?;
        let mut names = self.by_label.get(&label).cloned().unwrap_or_default();
        names.sort_unstable_by(|a, b| b.cmp(a));
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_entries_are_entries() {
        let name = "00000000000000000007-0a1b2c3d-00000000000000ff";
        let parsed = RunName::parse(name.as_bytes()).unwrap();
        assert_eq!((parsed.time, parsed.label.0), (7, 0x0a1b_2c3d));
        assert_eq!(parsed.to_string(), name);
        assert_eq!(parsed.bytes(), name.as_bytes());
        for bad in [&name[1..], &name.replace('-', "_"), "", "\u{e9}-a-b"] {
            assert_eq!(RunName::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
