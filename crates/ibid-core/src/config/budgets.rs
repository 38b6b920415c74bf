//! The settings that bound a store: how they are written, and what holds where nobody says so.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::time::Duration;

use super::value::SettingValue;
use crate::action::parse_duration;
use crate::store::Budget;

/// How long a result stays after its last use; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeLimit(pub Option<Duration>);

/// How long what nothing names stays, and the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(pub Duration);

impl Default for AgeLimit {
    fn default() -> Self {
        Self(Some(Duration::from_hours(180 * 24)))
    }
}

impl Default for Grace {
    fn default() -> Self {
        Self(Duration::from_hours(24))
    }
}

impl AgeLimit {
    /// What [`AgeLimit::parse`] takes: continues "expected …".
    pub const EXPECTED: &'static str = "`none` or a time such as `180d` or `12h`";

    /// Reads `none` or a duration.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self(None)),
            text => Some(Self(Some(parse_duration(text).ok()?))),
        }
    }
}

impl SettingValue for Budget {
    const EXPECTED: &'static str = Self::EXPECTED;

    fn from_text(text: &OsStr) -> Option<Self> {
        Self::parse(text.to_str()?)
    }

    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for AgeLimit {
    const EXPECTED: &'static str = Self::EXPECTED;

    fn from_text(text: &OsStr) -> Option<Self> {
        Self::parse(text.to_str()?)
    }

    fn to_text(&self) -> String {
        self.0.map_or_else(|| "none".to_owned(), written)
    }
}

impl SettingValue for Grace {
    const EXPECTED: &'static str = "a time such as `24h` or `3d`";

    fn from_text(text: &OsStr) -> Option<Self> {
        Some(Self(parse_duration(text.to_str()?).ok()?))
    }

    fn to_text(&self) -> String {
        written(self.0)
    }
}

/// Writes a duration as it would be read.
fn written(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, millis) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        if left >= millis {
            let _ = write!(text, "{}{unit}", left / millis);
            left %= millis;
        }
    }
    if text.is_empty() {
        return "0s".to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: SettingValue>(text: &str) -> Option<String> {
        T::from_text(OsStr::new(text)).map(|value| value.to_text())
    }

    #[test]
    fn limits_are_shown_as_they_would_be_read() {
        for text in ["none", "180d", "1d12h", "90d1h30m5s7ms", "0s"] {
            assert_eq!(back::<AgeLimit>(text).as_deref(), Some(text));
        }
        for text in ["", "180", "1y", "None"] {
            assert_eq!(back::<AgeLimit>(text), None, "{text}");
        }
        assert_eq!(back::<Grace>("24h").as_deref(), Some("1d"));
        assert_eq!(back::<Grace>("none"), None, "what is used must come back");
        assert_eq!(back::<Budget>("50G").as_deref(), Some("50G"));
    }
}
