//! `Budget`: how large a store may become.
//!
//! Owns how a budget is written and what `auto` comes to; what goes when it is exceeded belongs to
//! maintenance.

use std::fmt;
use std::path::Path;

use crate::fs::Space;

/// Units from the largest to the smallest, as powers of two.
const UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

/// How large a store may become, in bytes of disk with everything that belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    /// A tenth of the file system that the store lies on, at least 1 GiB and at most 100 GiB.
    #[default]
    Auto,
    /// So many bytes.
    Bytes(u64),
    /// As many as there are.
    Unlimited,
}

impl Budget {
    /// The least that [`Budget::Auto`] comes to.
    pub const AUTO_LEAST: u64 = 1 << 30;

    /// The most that [`Budget::Auto`] comes to.
    pub const AUTO_MOST: u64 = 100 << 30;

    /// What [`Budget::parse`] takes: continues "expected …".
    pub const EXPECTED: &'static str = "`auto`, `none` or a size such as `500M` or `50G`";

    /// Reads `auto`, `none`, or a whole number with `K`, `M`, `G` or `T`, in steps of 1024.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => return Some(Self::Auto),
            "none" => return Some(Self::Unlimited),
            // Nothing is as much in every unit.
            "0" => return Some(Self::Bytes(0)),
            _ => {}
        }
        let unit = text.chars().next_back()?;
        let (_, power) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let digits = text.strip_suffix(unit)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u64 = digits.parse().ok()?;
        number.checked_mul(1 << power).map(Self::Bytes)
    }

    /// Returns the number of bytes for a store in `dir`, which need not exist; `None` for as many
    /// as there are, and where a file system does not say how large it is.
    pub fn bytes(self, dir: &Path) -> Option<u64> {
        match self {
            Self::Auto => Some(Self::share_of(Space::around(dir).ok()?.total)),
            Self::Bytes(bytes) => Some(bytes),
            Self::Unlimited => None,
        }
    }

    /// Returns the budget if `size` is more than a tenth of it. The file system is only asked
    /// where that is possible.
    pub fn if_largely_taken_by(self, size: u64, dir: &Path) -> Option<u64> {
        if self == Self::Auto && size <= Self::AUTO_LEAST / 10 {
            return None;
        }
        self.bytes(dir).filter(|budget| size > budget / 10)
    }

    /// Returns what [`Budget::Auto`] comes to on a file system of so many bytes.
    const fn share_of(total: u64) -> u64 {
        match total / 10 {
            share if share < Self::AUTO_LEAST => Self::AUTO_LEAST,
            share if share > Self::AUTO_MOST => Self::AUTO_MOST,
            share => share,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Auto => f.write_str("auto"),
            Self::Unlimited => f.write_str("none"),
            Self::Bytes(bytes) => {
                let whole = |power: u32| bytes > 0 && bytes.trailing_zeros() >= power;
                match UNITS.into_iter().find(|(_, power)| whole(*power)) {
                    Some((unit, power)) => write!(f, "{}{unit}", bytes >> power),
                    None => write!(f, "{}K", bytes >> 10),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for (text, budget) in [
            ("auto", Budget::Auto),
            ("none", Budget::Unlimited),
            ("0K", Budget::Bytes(0)),
            ("3K", Budget::Bytes(3 << 10)),
            ("500M", Budget::Bytes(500 << 20)),
            ("50G", Budget::Bytes(50 << 30)),
            ("2T", Budget::Bytes(2 << 40)),
        ] {
            assert_eq!(Budget::parse(text), Some(budget), "{text}");
            assert_eq!(budget.to_string(), text);
        }
        assert_eq!(Budget::parse("1024K"), Budget::parse("1M"));
        assert_eq!(Budget::parse("0"), Budget::parse("0G"));
        for text in [
            "",
            "4",
            "G",
            "4g",
            "4GB",
            "-1G",
            "+1G",
            "1.5G",
            "Auto",
            "99999999T",
        ] {
            assert_eq!(Budget::parse(text), None, "{text}");
        }
    }

    #[test]
    fn auto_is_a_tenth_within_its_bounds() {
        assert_eq!(Budget::share_of(5 << 30), 1 << 30);
        assert_eq!(Budget::share_of(200 << 30), 20 << 30);
        assert_eq!(Budget::share_of(40 << 40), 100 << 30);
    }

    #[test]
    fn a_tenth_of_the_budget_is_not_much_and_more_is() {
        let dir = Path::new("/");
        let budget = Budget::Bytes(1000 << 10);
        assert_eq!(budget.if_largely_taken_by(100 << 10, dir), None);
        assert_eq!(
            budget.if_largely_taken_by((100 << 10) + 1, dir),
            Some(1000 << 10)
        );
        assert_eq!(Budget::Unlimited.if_largely_taken_by(u64::MAX, dir), None);
    }
}
