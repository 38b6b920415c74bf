//! Entries of history, for people and for programs.

use std::time::Duration;

use ibid_core::action::{HumanDuration, Trigger};
use ibid_core::store::RunEntry;
use ibid_core::tree::Escaped;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::people;

/// How many changed components a line names.
const NAMED: usize = 3;

/// Prints nanoseconds since 1970 in the time zone of this machine, to the second.
pub(crate) fn local_time(nanos: u64) -> String {
    let zoned = timestamp(nanos).to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Prints a time of a file that another program may have written, RFC 3339, in the same way; `None`
/// if it is none.
pub(crate) fn local_time_of(text: &str) -> Option<String> {
    let zoned = text.parse::<Timestamp>().ok()?.to_zoned(TimeZone::system());
    Some(zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Prints nanoseconds since 1970 as RFC 3339 in UTC.
pub(crate) fn utc_time(nanos: u64) -> String {
    timestamp(nanos).to_string()
}

fn timestamp(nanos: u64) -> Timestamp {
    // The type ends in the year 9999, 64 bits of nanoseconds in 2554.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// Prints an entry in a line.
pub(crate) fn entry_line(entry: &RunEntry) -> String {
    let took = HumanDuration(Duration::from_nanos(entry.duration)).to_string();
    let ended = match (entry.exit_code, entry.signal) {
        (_, Some(signal)) => format!(", signal {signal}"),
        (Some(0) | None, None) => String::new(),
        (Some(code), None) => format!(", exit code {code}"),
    };
    let triggers: Vec<_> = entry
        .triggers
        .iter()
        .map(|trigger| trigger.word())
        .collect();
    let why = match (triggers.is_empty(), entry.changed.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!(" — {}", triggers.join(", ")),
        (false, false) => format!(
            " — {}: {}",
            triggers.join(", "),
            people::some_of(&entry.changed, NAMED)
        ),
    };
    let line = format!(
        "{}  {}  {:<11} {took:>9}  {}{ended}{why}",
        local_time(entry.time),
        entry.key.short(),
        entry.outcome.word(),
        entry.label,
    );
    format!("{}\n", Escaped(line.as_bytes()))
}

/// Returns what the look-up found, where components do not say why the step ran.
pub(crate) fn found(entry: &RunEntry) -> Option<Escaped<'_>> {
    let beyond_components = [Trigger::Ttl, Trigger::Forced, Trigger::Outputs];
    let says_more = |trigger: &Trigger| beyond_components.contains(trigger);
    let told = entry.triggers.iter().any(says_more) && !entry.reason.is_empty();
    told.then_some(Escaped(entry.reason.as_bytes()))
}

/// Returns an entry as JSON.
pub(crate) fn entry_json(entry: &RunEntry) -> serde_json::Value {
    let triggers: Vec<_> = entry
        .triggers
        .iter()
        .map(|trigger| trigger.word())
        .collect();
    json!({
        "time": utc_time(entry.time),
        "label": entry.label,
        "key": entry.key.to_string(),
        "result": entry.result.map(|result| result.to_string()),
        "outcome": entry.outcome.word(),
        "triggers": triggers,
        "reason": entry.reason,
        "changed": entry.changed,
        "compared_to": entry.compared_to.map(|key| key.to_string()),
        "exit_code": entry.exit_code,
        "signal": entry.signal,
        "duration_ns": entry.duration,
        "saved_ns": entry.saved,
        "root": entry.root,
        "host": entry.host,
    })
}
