//! `Screen`: what a terminal has to be told to put lines at its foot, and to take them away.
//!
//! Knows how many of its lines stand there; makes texts and writes nothing.

use std::fmt::Write as _;

use rustix::termios::tcgetwinsize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Size {
    /// Asks the terminal behind standard error; one that does not say is of the usual size.
    pub(super) fn of_terminal() -> Self {
        let asked = tcgetwinsize(rustix::stdio::stderr());
        let (columns, rows) = asked.map_or((0, 0), |size| (size.ws_col, size.ws_row));
        let or = |given: u16, usual| match given {
            0 => usual,
            given => usize::from(given),
        };
        Self {
            columns: or(columns, 80),
            rows: or(rows, 24),
        }
    }
}

/// The lines that stand at the foot of a terminal. The cursor stays behind the last one.
#[derive(Debug, Default)]
pub(super) struct Screen {
    drawn: usize,
}

impl Screen {
    /// Says whether any line stands there.
    pub(super) fn is_drawn(&self) -> bool {
        self.drawn > 0
    }

    /// Returns what puts `lines`, each cut to the width already, in the place of those that stand.
    pub(super) fn draw(&mut self, lines: &[String]) -> String {
        if lines.is_empty() {
            return self.clear();
        }
        let mut text = self.to_first();
        for (index, line) in lines.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            // Each line is cleared behind its own text: cleared first, it would flicker.
            let _ = write!(text, "{gap}{line}\x1b[K");
        }
        text.push_str("\x1b[J");
        self.drawn = lines.len();
        text
    }

    /// Returns what takes the lines away and leaves the cursor where the first one stood.
    pub(super) fn clear(&mut self) -> String {
        if self.drawn == 0 {
            return String::new();
        }
        let text = self.to_first() + "\x1b[J";
        self.drawn = 0;
        text
    }

    fn to_first(&self) -> String {
        match self.drawn {
            0 => String::new(),
            1 => "\r".to_owned(),
            lines => format!("\r\x1b[{}A", lines - 1),
        }
    }
}

/// Cuts a text to a number of columns. Wide characters take two.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used + 1 > columns {
            break;
        }
        kept.push(letter);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_columns_not_by_letters() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("数据清洗", 8), "数据清洗");
        assert_eq!(cut("数据清洗", 7), "数据清…");
        assert_eq!(cut("数据清洗", 6), "数据…");
        assert_eq!(cut("ab", 0), "");
    }

    #[test]
    fn lines_replace_one_another_and_leave_nothing() {
        let mut terminal = vt100::Parser::new(6, 20, 0);
        let mut screen = Screen::default();
        let mut show = |text: &str| {
            terminal.process(text.replace('\n', "\r\n").as_bytes());
            terminal.screen().contents()
        };
        let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();

        assert_eq!(show("above\n"), "above");
        let drawn = screen.draw(&lines(&["first line", "second", "third"]));
        assert_eq!(show(&drawn), "above\nfirst line\nsecond\nthird");
        let drawn = screen.draw(&lines(&["1st", "2nd"]));
        assert_eq!(show(&drawn), "above\n1st\n2nd");
        let cleared = screen.clear();
        assert_eq!(show(&cleared), "above");
        assert!(!screen.is_drawn());
        assert_eq!(show("below\n"), "above\nbelow");
        let drawn = screen.draw(&lines(&["x"])) + &screen.draw(&[]);
        assert_eq!(show(&drawn), "above\nbelow");
    }
}
