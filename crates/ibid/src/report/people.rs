//! Sizes, counts and names as people read them. Exact numbers are for `--json`.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use ibid_core::tree::Escaped;

/// Whether data for people is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// No.
    Plain,
    /// Yes: a terminal shows it.
    Colored,
}

impl Paint {
    /// Colours a line of a difference by its first character.
    pub(crate) fn line_of_diff(self, line: &str) -> String {
        let style = match line.as_bytes().first() {
            _ if self == Self::Plain => return line.to_owned(),
            Some(b'+') => AnsiColor::Green.on_default(),
            Some(b'-') => AnsiColor::Red.on_default(),
            Some(b'@') => AnsiColor::Cyan.on_default(),
            _ => Style::new().dimmed(),
        };
        format!("{style}{line}{style:#}")
    }
}

/// Prints a number of bytes in decimal units: `0 B`, `999 B`, `1.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let rounded = |parts: u128, unit: u128| (u128::from(bytes) * parts + unit / 2) / unit;
    let mut unit = 1000;
    let mut names = UNITS.iter();
    let mut name = names.next();
    // A number that rounds to a thousand is one of the next unit.
    while rounded(1, unit) >= 1000 {
        unit *= 1000;
        name = names.next();
    }
    let name = name.expect("64 bits end in exabytes");
    match rounded(10, unit) {
        tenths @ 0..1000 => format!("{}.{} {name}", tenths / 10, tenths % 10),
        _ => format!("{} {name}", rounded(1, unit)),
    }
}

/// Prints a count with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Prints the first few of many: `a, b, c and 4 more`.
pub(crate) fn some_of(names: &[String], most: usize) -> String {
    let mut text = names[..names.len().min(most)].join(", ");
    if names.len() > most {
        let _ = write!(text, " and {} more", names.len() - most);
    }
    text
}

/// Cuts a text that is too long for a line.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Cuts two texts that differ so that the difference is seen.
pub(crate) fn cut_apart(one: &str, other: &str, most: usize) -> (String, String) {
    /// As much of what they share is shown before the difference.
    const SHARED: usize = 15;
    let shared = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
    let skipped = shared.count().saturating_sub(SHARED);
    let fits = |text: &str| text.chars().count() <= most;
    if skipped == 0 || (fits(one) && fits(other)) {
        return (cut(one, most), cut(other, most));
    }
    let rest = |text: &str| {
        let rest: String = text.chars().skip(skipped).collect();
        cut(&format!("…{rest}"), most)
    };
    (rest(one), rest(other))
}

/// Prints a path without anything a terminal would interpret.
pub(crate) fn path(path: &Path) -> String {
    os(path.as_os_str())
}

/// Prints a word of the system without anything a terminal would interpret.
pub(crate) fn os(word: &OsStr) -> String {
    Escaped(word.as_bytes()).to_string()
}

/// Prints a command line that a shell would take, but for what is escaped.
pub(crate) fn command_line<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> String {
    let words: Vec<_> = words
        .into_iter()
        .map(|word| {
            let text = Escaped(word).to_string();
            shell_words::quote(&text).into_owned()
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_at_most_and_the_right_unit() {
        let shown = |bytes| size(bytes);
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(999), "999 B");
        assert_eq!(shown(1000), "1.0 kB");
        assert_eq!(shown(1_234_567), "1.2 MB");
        assert_eq!(shown(123_456_789), "123 MB");
        assert_eq!(shown(999_999), "1.0 MB");
        assert_eq!(shown(u64::MAX), "18.4 EB");
    }

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(path(Path::new("a\x1b[2Jb")), "a\\u{1b}[2Jb");
        assert_eq!(command_line([b"cc".as_slice(), b"a b.c"]), "cc 'a b.c'");
    }
}
