//! Whether words drive the terminal that they are printed on.

/// Returns the first line with a control character other than the end of the line, escaped: of C0,
/// of C1, DEL, and what turns the direction of text.
pub(super) fn control_in(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let drives = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    // A line that something planted began: nothing of ibid's own is called so.
    let is_forged = |line: &str| line.starts_with("ibid: forged");
    let line = text
        .split('\n')
        .find(|line| line.contains(drives) || is_forged(line))?;
    Some(format!("`{}`", line.escape_debug()))
}

/// Says whether data holds what no JSON may: a control character of C0 but the end of a line.
pub(super) fn has_raw(said: &[u8]) -> bool {
    said.iter().any(|byte| *byte < 0x20 && *byte != b'\n')
}

#[cfg(test)]
mod tests {
    use super::control_in;

    #[test]
    fn what_drives_a_terminal_is_found() {
        for bad in [
            "a\u{1b}[1m",
            "a\rb",
            "\u{9b}2J",
            "\u{202e}",
            "x\nibid: forged",
        ] {
            assert!(control_in(bad.as_bytes()).is_some(), "{bad:?}");
        }
        assert_eq!(control_in("a\nb \\u{1b} ü\n".as_bytes()), None);
    }
}
