//! Durations as people write and read them.
//!
//! Reading is strict: a number without a unit is refused, because nobody knows whether `ttl = 30`
//! means seconds or days. A day is 24 hours; months and years are not durations.

use std::fmt;
use std::time::Duration;

/// Units from the longest to the shortest, in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// A number alone.
    #[error("`{0}` has no unit: write `{0}s` for seconds, or use `ms`, `m`, `h`, `d` or `w`")]
    NoUnit(String),
    /// A unit that is none of `w d h m s ms`.
    #[error("`{text}` has the unknown unit `{unit}`: use `ms`, `s`, `m`, `h`, `d` or `w`")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// What stands where a unit should.
        unit: String,
    },
    /// A unit twice, or after a shorter one.
    #[error("`{0}` does not go from longer units to shorter ones")]
    Order(String),
    /// Longer than 2^64 milliseconds.
    #[error("`{0}` is too long a time")]
    TooLong(String),
    /// Anything else.
    #[error("`{0}` is not a duration: write it like `90s`, `1h30m` or `30d`")]
    NotDuration(String),
}

/// Reads `30s`, `5m`, `2h`, `30d`, `1w`, `500ms` or a sum such as `1h30m`: whole numbers, units
/// from longer to shorter, no blanks. `0s` is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut next_unit = 0;
    loop {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, after) = after.split_at(letters.unwrap_or(after.len()));
        match (number, unit) {
            ("", _) => return Err(DurationError::NotDuration(text.to_owned())),
            (_, "") if digits == text.len() => return Err(DurationError::NoUnit(text.to_owned())),
            (_, "") => return Err(DurationError::NotDuration(text.to_owned())),
            _ => {}
        }
        let Some(index) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit {
                text: text.to_owned(),
                unit: unit.to_owned(),
            });
        };
        if index < next_unit {
            return Err(DurationError::Order(text.to_owned()));
        }
        next_unit = index + 1;
        let milliseconds = number.parse::<u64>().ok();
        total = milliseconds
            .and_then(|number| number.checked_mul(UNITS[index].1))
            .and_then(|part| part.checked_add(total))
            .ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
        rest = after;
        if rest.is_empty() {
            return Ok(Duration::from_millis(total));
        }
    }
}

/// Prints a duration for people: `80 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`, `30 d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each range ends where rounding would print a full next unit.
        let micros = self.0.as_micros();
        let millis = (micros + 500) / 1000;
        let tenths = (millis + 50) / 100;
        let seconds = (millis + 500) / 1000;
        let minutes = (seconds + 30) / 60;
        let hours = (minutes + 30) / 60;
        match () {
            () if micros == 0 => f.write_str("0 s"),
            () if millis == 0 => f.write_str("< 1 ms"),
            () if millis < 1000 => write!(f, "{millis} ms"),
            () if tenths < 100 => write!(f, "{}.{} s", tenths / 10, tenths % 10),
            () if seconds < 60 => write!(f, "{seconds} s"),
            () if seconds < 3600 => pair(f, (seconds / 60, "min"), (seconds % 60, "s")),
            () if minutes < 24 * 60 => pair(f, (minutes / 60, "h"), (minutes % 60, "min")),
            () => pair(f, (hours / 24, "d"), (hours % 24, "h")),
        }
    }
}

/// Prints two numbers with their units, the second only if it is not zero.
fn pair(f: &mut fmt::Formatter<'_>, more: (u128, &str), less: (u128, &str)) -> fmt::Result {
    write!(f, "{} {}", more.0, more.1)?;
    match less.0 {
        0 => Ok(()),
        number => write!(f, " {number} {}", less.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("0s", 0),
            ("30s", 30),
            ("5m", 300),
            ("2h", 7200),
            ("1h30m", 5400),
            ("30d", 2_592_000),
            ("1w", 604_800),
            ("1w1d", 691_200),
            ("90s", 90),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("1s500ms"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_no_duration_is_named() {
        let name = |text: &str| text.to_owned();
        assert_eq!(parse_duration("30"), Err(DurationError::NoUnit(name("30"))));
        for text in ["", "s", " 5s", "5s ", "-5s", "1.5h", "1h30", "5 m"] {
            let found = parse_duration(text);
            assert_eq!(found, Err(DurationError::NotDuration(name(text))), "{text}");
        }
        for text in ["1m1h", "1s1s", "1ms1s"] {
            assert_eq!(
                parse_duration(text),
                Err(DurationError::Order(name(text))),
                "{text}"
            );
        }
        for text in ["1y", "1min", "1M", "1S", "1h5x"] {
            let found = parse_duration(text);
            assert!(
                matches!(found, Err(DurationError::UnknownUnit { .. })),
                "{text}"
            );
        }
        for text in ["99999999999999999999s", "18446744073709551615w"] {
            assert_eq!(
                parse_duration(text),
                Err(DurationError::TooLong(name(text)))
            );
        }
    }

    #[test]
    fn durations_are_printed_for_people() {
        for (millis, text) in [
            (0, "0 s"),
            (1, "1 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (1234, "1.2 s"),
            (9949, "9.9 s"),
            (9950, "10 s"),
            (59_499, "59 s"),
            (59_500, "1 min"),
            (184_000, "3 min 4 s"),
            (3_599_600, "1 h"),
            (7_500_000, "2 h 5 min"),
            (86_399_000, "1 d"),
            (30 * 86_400_000, "30 d"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(
                HumanDuration(Duration::from_millis(millis)).to_string(),
                text
            );
        }
        assert_eq!(
            HumanDuration(Duration::from_micros(3)).to_string(),
            "< 1 ms"
        );
    }
}
