//! `Tail`: the end of what a step printed, in bounded memory.

use std::collections::VecDeque;

use ibid_core::tree::Escaped;

use super::super::people;

/// As many characters of a line are shown.
const LINE: usize = 1000;

/// The last bytes of both streams, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    most: usize,
    left_out: u64,
}

/// The last lines of a [`Tail`], made safe for a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LastLines {
    pub(super) lines: Vec<String>,
    /// Whether there was more before them.
    pub(super) cut: bool,
}

impl Tail {
    /// Makes one that keeps at most so many bytes.
    pub(super) fn keeping(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Takes bytes, and drops the first ones where there are too many.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.most)..];
        let beyond = (self.bytes.len() + kept.len()).saturating_sub(self.most);
        self.bytes.drain(..beyond);
        self.bytes.extend(kept);
        let lost = beyond + bytes.len() - kept.len();
        self.left_out += u64::try_from(lost).unwrap_or(u64::MAX);
    }

    /// Forgets everything, as for another attempt.
    pub(super) fn clear(&mut self) {
        *self = Self::keeping(self.most);
    }

    /// Returns how many bytes came before those that are kept.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Returns the bytes that are kept.
    pub(super) fn bytes(&mut self) -> &[u8] {
        self.bytes.make_contiguous()
    }

    /// Returns the last lines, at most so many. Blank ones at the end are left out, of a line that
    /// was written over and over (a progress bar) the last state is taken, and colours go.
    pub(super) fn last_lines(&mut self, most: usize) -> LastLines {
        let cut = self.left_out > 0;
        let bytes = self.bytes();
        let lines: Vec<&[u8]> = bytes
            .trim_ascii_end()
            .split(|byte| *byte == b'\n')
            .collect();
        let first = lines.len().saturating_sub(most);
        let shown = lines[first..].iter().map(|line| printable(line)).collect();
        LastLines {
            lines: if bytes.trim_ascii_end().is_empty() {
                Vec::new()
            } else {
                shown
            },
            cut: cut || first > 0,
        }
    }
}

fn printable(line: &[u8]) -> String {
    let states = line.rsplit(|byte| *byte == b'\r');
    let last = states.into_iter().find(|state| !state.is_empty());
    let text = String::from_utf8_lossy(last.unwrap_or_default());
    let plain = anstream::adapter::strip_str(&text).to_string();
    let spaced = plain.replace('\t', "    ");
    people::cut(&Escaped(spaced.as_bytes()).to_string(), LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(most: usize, pieces: &[&[u8]]) -> LastLines {
        let mut tail = Tail::keeping(64);
        for piece in pieces {
            tail.append(piece);
        }
        tail.last_lines(most)
    }

    #[test]
    fn the_last_lines_are_shown_and_more_before_them_is_told() {
        let shown = lines(2, &[b"one\ntwo\n", b"thr", b"ee\n\n"]);
        assert_eq!(
            (shown.lines, shown.cut),
            (vec!["two".into(), "three".into()], true)
        );
        let shown = lines(3, &[b"one\ntwo\nthree"]);
        assert_eq!((shown.lines.len(), shown.cut), (3, false));
        assert_eq!(lines(3, &[b"\n \n"]).lines, Vec::<String>::new());
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let mut tail = Tail::keeping(8);
        tail.append(b"0123456789");
        assert_eq!(tail.bytes(), b"23456789");
        assert_eq!(tail.left_out(), 2);
        tail.append(b"ab");
        assert_eq!(tail.bytes(), b"456789ab");
        assert_eq!(tail.left_out(), 4);
        let mut none = Tail::keeping(0);
        none.append(b"abc");
        assert_eq!(none.bytes(), b"");
        assert_eq!(none.left_out(), 3);
    }

    #[test]
    fn output_cannot_drive_the_terminal() {
        let shown = lines(
            9,
            &[
                b"\x1b[31mred\x1b[0m\n",
                b"10%\r50%\r100%\r\n",
                b"a\tb\x07\xff\n",
            ],
        );
        assert_eq!(shown.lines, ["red", "100%", "a    b\u{fffd}"]);
        assert_eq!(lines(9, &["\u{202e}x".as_bytes()]).lines, ["\\u{202e}x"]);
    }
}
