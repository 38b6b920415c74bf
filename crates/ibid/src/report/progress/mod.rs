//! `Progress`: lines that move while a person waits, at the foot of a terminal.
//!
//! A thread of its own draws them, half a second after something began and ten times a second at
//! most, from counters that the library moves. Invariants: whoever writes anything else has the
//! lines taken away first; nothing is drawn behind an unfinished line; a terminal that went away
//! is no fault (hazard G7: nothing on the board can drive it).

mod board;
mod screen;

use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(crate) use self::board::{Board, Lane};
use self::screen::{Screen, Size};

const INTERVAL: Duration = Duration::from_millis(100);

/// Draws what goes on, if it takes long.
#[derive(Debug)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    color: bool,
}

#[derive(Debug, Default)]
struct State {
    board: Board,
    screen: Screen,
    /// Whether what was written last left its line unfinished.
    mid_line: bool,
    closed: bool,
}

impl Progress {
    /// Makes an empty board.
    pub(crate) fn new(color: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Condvar::new(),
                color,
            }),
            thread: Mutex::new(None),
        }
    }

    /// Changes what stands on the board; a board that has nothing left is taken away at once.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Board)) {
        let mut state = self.shared.state.lock().expect("no drawer panics");
        let was_empty = state.board.is_empty();
        change(&mut state.board);
        let is_empty = state.board.is_empty();
        if is_empty {
            emit(&state.screen.clear());
        }
        drop(state);
        if was_empty && !is_empty {
            self.start();
            self.shared.changed.notify_all();
        }
    }

    /// Writes something else to the terminal, above the board; `ends` says whether it ends a line.
    pub(crate) fn aside<R>(&self, ends: bool, write: impl FnOnce() -> R) -> R {
        let mut state = self.shared.state.lock().expect("no drawer panics");
        let stood = state.screen.is_drawn();
        emit(&state.screen.clear());
        let written = write();
        state.mid_line = !ends;
        if stood {
            state.draw(Instant::now(), self.shared.color);
        }
        written
    }

    fn start(&self) {
        let mut thread = self.thread.lock().expect("no drawer panics");
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            // Without a thread there are no lines, which is no loss.
            *thread = std::thread::Builder::new()
                .name("progress".to_owned())
                .spawn(move || shared.draw_until_closed())
                .ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.change(|board| *board = Board::default());
        let mut state = self.shared.state.lock().expect("no drawer panics");
        state.closed = true;
        drop(state);
        self.shared.changed.notify_all();
        let thread = self.thread.get_mut().expect("no drawer panics").take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn draw_until_closed(&self) {
        let mut state = self.state.lock().expect("no writer panics");
        while !state.closed {
            state = if state.board.is_empty() {
                self.changed.wait(state).expect("no writer panics")
            } else {
                state.draw(Instant::now(), self.color);
                let woken = self.changed.wait_timeout(state, INTERVAL);
                woken.expect("no writer panics").0
            };
        }
    }
}

impl State {
    fn draw(&mut self, now: Instant, color: bool) {
        if self.mid_line {
            return;
        }
        let size = Size::of_terminal();
        let lines = self.board.lines(now, size, color);
        emit(&self.screen.draw(&lines));
    }
}

/// Writes to the terminal. Where it is gone there is nobody to tell.
fn emit(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
