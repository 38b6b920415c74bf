//! Which of several runs a word means: `3f9c2a`, `-1`, `2026-11-20`, `yesterday`, `2h ago`.

use ibid_core::action::parse_duration;
use ibid_core::store::RunEntry;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::named::FEWEST_DIGITS;

/// What was typed behind the `@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The run whose key starts so.
    Key(String),
    /// So many runs before the newest.
    Back(usize),
    /// The newest run at or before this time, in nanoseconds since 1970.
    Until(u64),
}

/// Reads what stands behind the `@`; a point in time counts to the end of what is given: the day,
/// the minute, the second.
pub(super) fn parse(text: &str, now: &Zoned) -> Option<Moment> {
    if let Some(back) = text.strip_prefix('-') {
        return back.parse().ok().map(Moment::Back);
    }
    let digits = text.strip_prefix("blake3:").unwrap_or(text);
    if digits.len() >= FEWEST_DIGITS && digits.bytes().all(is_digit) {
        return Some(Moment::Key(digits.to_owned()));
    }
    let until = match text {
        "now" | "today" => now.timestamp(),
        "yesterday" => end_of(now.date().yesterday().ok()?, now.time_zone())?,
        _ => ago(text, now).or_else(|| point(text, now.time_zone()))?,
    };
    let nanos = u64::try_from(until.as_nanosecond().max(0)).ok()?;
    Some(Moment::Until(nanos))
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// Reads `2h ago`.
fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let span = parse_duration(text.strip_suffix("ago")?.trim_end()).ok()?;
    now.timestamp().checked_sub(span).ok()
}

/// Reads a day, or a day and a time, in `zone` unless it names its own.
fn point(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(day) = text.parse::<Date>()
        && !text.contains([':', 'T', ' '])
    {
        return end_of(day, zone);
    }
    // A civil time would be read without regard to an offset behind it.
    let civil = || {
        let time = text.parse::<DateTime>().ok()?;
        Some(time.to_zoned(zone.clone()).ok()?.timestamp())
    };
    let start = text.parse::<Timestamp>().ok().or_else(civil)?;
    let clock = text.split_once(['T', ' '])?.1;
    let clock = clock.trim_end_matches('Z');
    let clock = clock.split(['+', '-', '[']).next().unwrap_or(clock);
    let unit = match (clock.split(':').count(), clock.contains('.')) {
        (_, true) => Span::new().nanoseconds(1),
        (1, _) => Span::new().hours(1),
        (2, _) => Span::new().minutes(1),
        _ => Span::new().seconds(1),
    };
    let last = Span::new().nanoseconds(1);
    start.checked_add(unit).ok()?.checked_sub(last).ok()
}

fn end_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
    let last = Span::new().nanoseconds(1);
    next.timestamp().checked_sub(last).ok()
}

/// Chooses among entries of history, the newest first. Counted, and looked for by time, are those
/// that gave a result; a row of entries with one result is one.
pub(super) fn choose<'a>(entries: &'a [RunEntry], moment: &Moment) -> Option<&'a RunEntry> {
    match moment {
        Moment::Key(start) => entries
            .iter()
            .find(|entry| entry.key.hex().starts_with(start)),
        Moment::Back(back) => with_results(entries).get(*back).copied(),
        Moment::Until(time) => {
            let mut given = entries.iter().filter(|entry| entry.result.is_some());
            given.find(|entry| entry.time <= *time)
        }
    }
}

/// Returns the entries that gave a result, without those that only used the one before again.
pub(super) fn with_results(entries: &[RunEntry]) -> Vec<&RunEntry> {
    let mut given: Vec<&RunEntry> = entries.iter().filter(|e| e.result.is_some()).collect();
    given.dedup_by_key(|entry| entry.result);
    given
}

#[cfg(test)]
mod tests {
    use ibid_core::digest::{BlobId, Digest, Key};
    use ibid_core::store::RunOutcome;

    use super::*;

    fn now() -> Zoned {
        let now: DateTime = "2026-11-21T10:00:00".parse().unwrap();
        now.to_zoned(TimeZone::UTC).unwrap()
    }

    /// The moment as RFC 3339, or the other ways as they are typed.
    fn read(text: &str) -> String {
        match parse(text, &now()) {
            None => "none".to_owned(),
            Some(Moment::Key(start)) => start,
            Some(Moment::Back(back)) => format!("-{back}"),
            Some(Moment::Until(nanos)) => Timestamp::from_nanosecond(i128::from(nanos))
                .unwrap()
                .to_string(),
        }
    }

    #[test]
    fn a_point_in_time_counts_to_the_end_of_what_is_given() {
        for (text, until) in [
            ("2026-11-20", "2026-11-20T23:59:59.999999999Z"),
            ("yesterday", "2026-11-20T23:59:59.999999999Z"),
            ("today", "2026-11-21T10:00:00Z"),
            ("2026-11-20T10:30", "2026-11-20T10:30:59.999999999Z"),
            ("2026-11-20 10:30:05", "2026-11-20T10:30:05.999999999Z"),
            ("2026-11-20T10:30:05.25", "2026-11-20T10:30:05.25Z"),
            (
                "2026-11-20T10:30:05+02:00",
                "2026-11-20T08:30:05.999999999Z",
            ),
            ("2026-11-20T10:30:05Z", "2026-11-20T10:30:05.999999999Z"),
            ("2h ago", "2026-11-21T08:00:00Z"),
            ("1d2h ago", "2026-11-20T08:00:00Z"),
        ] {
            assert_eq!(read(text), until, "{text}");
        }
    }

    #[test]
    fn keys_and_counts_are_read_and_nothing_else() {
        for (text, read_as) in [
            ("3f9c", "3f9c"),
            ("blake3:3f9c2a", "3f9c2a"),
            ("20261120", "20261120"),
            ("-1", "-1"),
            ("-12", "-12"),
        ] {
            assert_eq!(read(text), read_as);
        }
        for text in [
            "",
            "-",
            "-x",
            "3f9",
            "3F9C",
            "tomorrow",
            "2h",
            "ago",
            "2026-13-01",
            "Adelie",
        ] {
            assert_eq!(read(text), "none", "{text}");
        }
    }

    fn entry(time: u64, key: u8, result: Option<u8>) -> RunEntry {
        let digest = |byte| Digest::from_bytes([byte; 32]);
        RunEntry {
            time,
            label: "l".to_owned(),
            key: Key::new(digest(key)),
            record: BlobId::new(digest(0)),
            result: result.map(|byte| BlobId::new(digest(byte))),
            outcome: RunOutcome::Ran,
            triggers: Vec::new(),
            reason: String::new(),
            changed: Vec::new(),
            compared_to: None,
            exit_code: Some(0),
            signal: None,
            duration: 0,
            saved: 0,
            root: String::new(),
            host: String::new(),
        }
    }

    #[test]
    fn counted_are_results_in_a_row_once_and_failures_never() {
        let entries = [
            entry(60, 0xcc, None),
            entry(50, 0xbb, Some(2)),
            entry(40, 0xbb, Some(2)),
            entry(30, 0xaa, Some(1)),
            entry(20, 0xbb, Some(2)),
        ];
        let chosen = |moment| choose(&entries, &moment).map(|entry| entry.time);
        assert_eq!(chosen(Moment::Back(0)), Some(50));
        assert_eq!(chosen(Moment::Back(1)), Some(30));
        assert_eq!(chosen(Moment::Back(2)), Some(20));
        assert_eq!(chosen(Moment::Back(3)), None);
        assert_eq!(chosen(Moment::Until(65)), Some(50));
        assert_eq!(chosen(Moment::Until(40)), Some(40));
        assert_eq!(chosen(Moment::Until(39)), Some(30));
        assert_eq!(chosen(Moment::Until(19)), None);
        assert_eq!(chosen(Moment::Key("cccc".to_owned())), Some(60));
    }
}
