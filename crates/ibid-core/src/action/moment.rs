//! `Moment`: a point in time as records name it for people, exact to the nanosecond.
//!
//! Written as RFC 3339 in UTC with nine digits, and read in no other form, so that a moment has
//! one text.

use std::fmt;
use std::str::FromStr;

/// Days from 1 March of the year 0, so that leap days end their years, to 1970.
const TO_1970: i64 = 719_468;

const NANOS: u64 = 1_000_000_000;

/// Nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// A text that is not a moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time such as `2026-01-31T23:59:59.000000000Z`")]
pub struct ParseMomentError(String);

/// Returns year, month and day of a day that is counted from 1970.
pub(crate) fn date_of(day: i64) -> (i64, i64, i64) {
    let days = day + TO_1970;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

/// Returns the day, counted from 1970, of a date. One that does not exist gives some other day.
pub(crate) fn day_of(year: i64, month: i64, date: i64) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    let leaps = shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400);
    shifted * 365 + leaps + (month * 153 + 2) / 5 + date - 1 - TO_1970
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / NANOS, self.0 % NANOS);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let days = i64::try_from(days).expect("a count of nanoseconds spans 584 years");
        let (year, month, date) = date_of(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z"
        )
    }
}

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Self, ParseMomentError> {
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = text.get(range)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            all.then(|| digits.parse().ok()).flatten()
        };
        let read = || {
            let day = day_of(number(0..4)?, number(5..7)?, number(8..10)?);
            let second = number(11..13)? * 3_600 + number(14..16)? * 60 + number(17..19)?;
            let seconds = u64::try_from(day * 86_400 + second).ok()?;
            let nanos = u64::try_from(number(20..29)?).ok()?;
            let moment = Self(seconds.checked_mul(NANOS)?.checked_add(nanos)?);
            // Whatever does not read back is written otherwise, or is no date.
            (moment.to_string() == text).then_some(moment)
        };
        read().ok_or_else(|| ParseMomentError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_text() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_825_600 * NANOS + 1, "2000-02-29T12:00:00.000000001Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(Moment(nanos).to_string(), text);
            assert_eq!(text.parse(), Ok(Moment(nanos)));
        }
        for bad in [
            "",
            "2000-02-29T12:00:00Z",
            "2001-02-29T12:00:00.000000000Z",
            "2000-02-29 12:00:00.000000000Z",
            "2000-02-29T24:00:00.000000000Z",
            "1969-12-31T23:59:59.999999999Z",
            "2554-07-21T23:34:33.709551616Z",
            "+200-02-29T12:00:00.000000000Z",
        ] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }
}
