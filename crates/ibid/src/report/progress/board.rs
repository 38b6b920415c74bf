//! `Board`: what goes on, and how that reads: a line for each running step and one for them all.
//!
//! Pure: the time and the size of the terminal are handed in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anstyle::Style;
use ibid_core::action::HumanDuration;
use ibid_core::exec::Interrupt;
use ibid_core::fs::Meter;

use super::super::people;
use super::screen::{Size, cut};

/// Nobody looks at a line that comes and goes sooner.
const PATIENCE: Duration = Duration::from_millis(500);

/// As many columns of a step's name are shown.
const NAME: usize = 40;

/// Columns of the bar.
const BAR: usize = 20;

const BOLD: Style = Style::new().bold();
const DIMMED: Style = Style::new().dimmed();

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// That of a single command.
    Sole,
    /// That of a step, by its number.
    Step(usize),
}

/// What goes on.
#[derive(Debug, Default)]
pub(crate) struct Board {
    rows: BTreeMap<Lane, Row>,
    tally: Option<Tally>,
}

#[derive(Debug)]
struct Row {
    name: String,
    began: Instant,
    doing: Doing,
    since: Instant,
}

/// What a step is at.
#[derive(Clone, Debug)]
enum Doing {
    /// Something short.
    Thinking,
    /// Work on bytes.
    Bytes(&'static str, Arc<Meter>),
    /// Its command runs.
    Running,
    /// Another process is waited for.
    Waiting(String),
}

#[derive(Debug)]
struct Tally {
    done: usize,
    of: usize,
    failed: usize,
    began: Instant,
    interrupt: Interrupt,
}

impl Board {
    /// Says whether there is nothing to be drawn, not even later.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.tally.is_none()
    }

    /// Work on bytes of a command without a name begins.
    pub(crate) fn sole(&mut self, verb: &'static str, meter: &Arc<Meter>) {
        self.enter(Lane::Sole, String::new());
        self.bytes(Lane::Sole, verb, meter);
    }

    /// A step of this name is taken up.
    pub(crate) fn enter(&mut self, lane: Lane, name: String) {
        let now = Instant::now();
        let row = Row {
            name,
            began: now,
            doing: Doing::Thinking,
            since: now,
        };
        self.rows.insert(lane, row);
    }

    /// A step or a command is over.
    pub(crate) fn leave(&mut self, lane: Lane) {
        self.rows.remove(&lane);
    }

    /// A step is at work on bytes, such as `hashing`.
    pub(crate) fn bytes(&mut self, lane: Lane, verb: &'static str, meter: &Arc<Meter>) {
        self.does(lane, Doing::Bytes(verb, Arc::clone(meter)));
    }

    /// A step's work on bytes is over.
    pub(crate) fn thinks(&mut self, lane: Lane) {
        self.does(lane, Doing::Thinking);
    }

    /// A step's command runs.
    pub(crate) fn runs(&mut self, lane: Lane) {
        self.does(lane, Doing::Running);
    }

    /// A step waits for somebody.
    pub(crate) fn waits(&mut self, lane: Lane, holder: String) {
        self.does(lane, Doing::Waiting(holder));
    }

    fn does(&mut self, lane: Lane, doing: Doing) {
        if let Some(row) = self.rows.get_mut(&lane) {
            row.doing = doing;
            row.since = Instant::now();
        }
    }

    /// A run of so many steps begins.
    pub(crate) fn began(&mut self, of: usize, interrupt: Interrupt) {
        self.tally = Some(Tally {
            done: 0,
            of,
            failed: 0,
            began: Instant::now(),
            interrupt,
        });
    }

    /// Counts a step that is over.
    pub(crate) fn count(&mut self, done: usize, failed: bool) {
        if let Some(tally) = &mut self.tally {
            tally.done = done;
            tally.failed += usize::from(failed);
        }
    }

    /// The run is over.
    pub(crate) fn ended(&mut self) {
        *self = Self::default();
    }

    /// Returns the lines that are due, each within the width: the steps that run longest first.
    pub(super) fn lines(&self, now: Instant, size: Size, color: bool) -> Vec<String> {
        let since = |began: Instant| now.saturating_duration_since(began);
        let mut due: Vec<&Row> = self
            .rows
            .values()
            .filter(|row| since(row.shown_from()) >= PATIENCE)
            .collect();
        due.sort_by_key(|row| row.began);
        // The last column stays free: a terminal breaks the line there.
        let columns = size.columns.saturating_sub(1);
        let room = size.rows.saturating_sub(3).max(1);
        let hidden = due.len().saturating_sub(room);
        let shown = due.iter().take(room);
        let mut lines: Vec<String> = shown.map(|row| row.line(now, columns, color)).collect();
        if let Some(tally) = &self.tally
            && since(tally.began) >= PATIENCE
        {
            let text = cut(&tally.line(self.rows.len(), hidden, now), columns);
            lines.push(painted(DIMMED, &text, color));
        }
        lines
    }
}

impl Row {
    /// Steps stay on the board as long as they go on; of a single command only work on bytes is
    /// shown, since its own output tells the rest.
    fn shown_from(&self) -> Instant {
        if self.name.is_empty() {
            self.since
        } else {
            self.began
        }
    }

    fn line(&self, now: Instant, columns: usize, color: bool) -> String {
        let doing = self.doing(now);
        if self.name.is_empty() {
            return cut(&doing, columns);
        }
        let name = cut(&self.name, NAME.min(columns / 2));
        let used = unicode_width::UnicodeWidthStr::width(name.as_str()) + 2;
        let doing = cut(&doing, columns.saturating_sub(used));
        format!("{}  {doing}", painted(BOLD, &name, color))
    }

    fn doing(&self, now: Instant) -> String {
        let elapsed = now.saturating_duration_since(self.since);
        match &self.doing {
            Doing::Bytes(verb, meter) => bytes_line(verb, meter.done(), meter.total(), elapsed),
            Doing::Running => format!("running {}", in_tenths(elapsed)),
            Doing::Waiting(holder) => format!("waiting for {holder}, {}", in_tenths(elapsed)),
            Doing::Thinking => "…".to_owned(),
        }
    }
}

impl Tally {
    /// Says how far a run is: `[=========>          ] 3/12, 2 running, 1 failed, 12 s`.
    fn line(&self, running: usize, hidden: usize, now: Instant) -> String {
        let Self { done, of, .. } = *self;
        let filled = (BAR * done).checked_div(of).unwrap_or(BAR).min(BAR);
        let mut bar = "=".repeat(filled);
        if filled < BAR {
            bar.push('>');
        }
        let mut text = format!("[{bar:BAR$}] {done}/{of}");
        if self.interrupt.signal().is_some() {
            let _ = write!(
                text,
                ", interrupted: waiting for {} to end; Ctrl-C again ends all at once",
                people::count(running, "step")
            );
            return text;
        }
        let _ = write!(text, ", {running} at work");
        if hidden > 0 {
            let _ = write!(text, " ({hidden} not shown)");
        }
        if self.failed > 0 {
            let _ = write!(text, ", {} failed", self.failed);
        }
        let elapsed = now.saturating_duration_since(self.began);
        let _ = write!(text, ", {}", in_tenths(elapsed));
        text
    }
}

/// Prints a time that moves: digits that nobody can read would only flicker.
fn in_tenths(elapsed: Duration) -> HumanDuration {
    let tenths = u64::try_from(elapsed.as_millis() / 100).unwrap_or(u64::MAX / 100);
    HumanDuration(Duration::from_millis(tenths * 100))
}

fn painted(style: Style, text: &str, color: bool) -> String {
    if color {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// Says how far it is: `hashing 1.2 GB of 4.0 GB, 1.1 GB/s, 3 s left`.
fn bytes_line(verb: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let rate = u128::from(done) * 1000 / elapsed.as_millis().max(1);
    let rate = u64::try_from(rate).unwrap_or(u64::MAX);
    let mut text = format!("{verb} {}", people::size(done));
    if total > done {
        let _ = write!(text, " of {}", people::size(total));
    }
    let _ = write!(text, ", {}/s", people::size(rate));
    if total > done && rate > 0 {
        let left = Duration::from_secs((total - done).div_ceil(rate));
        let left = HumanDuration(left).to_string().replace(".0 s", " s");
        let _ = write!(text, ", {left} left");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;
    const WIDE: Size = Size {
        columns: 100,
        rows: 24,
    };

    fn later(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    fn run(of: usize) -> Board {
        let mut board = Board::default();
        board.began(of, Interrupt::new());
        board
    }

    #[test]
    fn the_line_tells_bytes_rate_and_time_left() {
        let text = bytes_line("hashing", 12 * GB / 10, 4 * GB, Duration::from_secs(1));
        assert_eq!(text, "hashing 1.2 GB of 4.0 GB, 1.2 GB/s, 3 s left");
    }

    #[test]
    fn an_unknown_or_passed_total_is_left_out() {
        let text = bytes_line("storing", GB, 0, Duration::from_secs(2));
        assert_eq!(text, "storing 1.0 GB, 500 MB/s");
        let text = bytes_line("storing", GB, GB, Duration::from_secs(2));
        assert_eq!(text, "storing 1.0 GB, 500 MB/s");
    }

    #[test]
    fn nothing_is_shown_for_half_a_second() {
        let mut board = run(2);
        board.enter(Lane::Step(0), "clean".to_owned());
        board.runs(Lane::Step(0));
        let soon = Instant::now() + Duration::from_millis(400);
        assert!(board.lines(soon, WIDE, false).is_empty());
        assert_eq!(board.lines(later(1), WIDE, false).len(), 2);
    }

    #[test]
    fn a_running_step_has_a_line_and_the_last_one_counts() {
        let mut board = run(12);
        board.enter(Lane::Step(7), "fit@Adelie".to_owned());
        board.runs(Lane::Step(7));
        board.enter(Lane::Step(3), "clean".to_owned());
        let meter = Arc::new(Meter::new());
        meter.add_done(3 * GB);
        board.bytes(Lane::Step(3), "storing", &meter);
        board.count(3, true);
        let lines = board.lines(later(20), WIDE, false);
        assert_eq!(lines[0], "fit@Adelie  running 20 s");
        assert!(lines[1].starts_with("clean  storing 3.0 GB, "), "{lines:?}");
        let last = "[=====>              ] 3/12, 2 at work, 1 failed, 20 s";
        assert_eq!(lines[2], last);
        board.leave(Lane::Step(7));
        assert_eq!(board.lines(later(20), WIDE, false).len(), 2);
    }

    #[test]
    fn lines_fit_a_small_terminal_whatever_the_names() {
        let mut board = run(50);
        for step in 0..50 {
            board.enter(Lane::Step(step), format!("数据清洗-{}", "长".repeat(step)));
            board.runs(Lane::Step(step));
        }
        let small = Size {
            columns: 30,
            rows: 8,
        };
        for color in [false, true] {
            let lines = board.lines(later(20), small, color);
            assert_eq!(lines.len(), 6);
            let mut terminal = vt100::Parser::new(8, 30, 0);
            let mut screen = super::super::screen::Screen::default();
            for _ in 0..2 {
                let drawn = screen.draw(&lines).replace('\n', "\r\n");
                terminal.process(drawn.as_bytes());
            }
            let contents = terminal.screen().contents();
            assert_eq!(contents.lines().count(), 6, "{contents}");
            assert!(contents.contains("running 20 s"), "{contents}");
        }
        let wide = board.lines(later(20), Size { rows: 8, ..WIDE }, false);
        assert!(wide[5].contains("50 at work (45 not shown)"), "{wide:?}");
    }

    #[test]
    fn an_interrupt_says_what_is_waited_for() {
        let interrupt = Interrupt::new();
        let mut board = Board::default();
        board.began(3, interrupt.clone());
        board.enter(Lane::Step(0), "a".to_owned());
        interrupt.raise(2);
        let lines = board.lines(later(1), WIDE, false);
        let words = "interrupted: waiting for 1 step to end; Ctrl-C again ends all at once";
        assert!(lines[1].ends_with(words), "{lines:?}");
    }
}
