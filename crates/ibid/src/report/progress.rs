//! `Progress`: one line that moves while a person waits for bytes.
//!
//! A thread of its own draws it, half a second after the work began and ten times a second at
//! most, from a meter that the library counts up. Whoever writes anything else pauses it first.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ibid_core::action::HumanDuration;

use super::people;

/// Nobody looks at a line that comes and goes sooner.
const PATIENCE: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_millis(100);
const CLEAR: &str = "\r\x1b[2K";

/// Reads bytes done and bytes expected.
pub(crate) type Gauge = Box<dyn Fn() -> (u64, u64) + Send>;

/// Draws the work that goes on, if it takes long.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
}

/// What is being done, and whether it stands on the terminal.
#[derive(Default)]
pub(crate) struct Board {
    work: Option<Work>,
    drawn: bool,
    closed: bool,
}

struct Work {
    verb: &'static str,
    gauge: Gauge,
    began: Instant,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board")
            .field("drawn", &self.drawn)
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// Watches a piece of work, such as `hashing`, in the place of the last one.
    pub(crate) fn begin(&self, verb: &'static str, gauge: Gauge) {
        let mut board = self.pause();
        board.work = Some(Work {
            verb,
            gauge,
            began: Instant::now(),
        });
        drop(board);
        let mut thread = self.thread.lock().expect("no drawer panics");
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            // Without a thread there is no line, which is no loss.
            *thread = std::thread::Builder::new()
                .name("progress".to_owned())
                .spawn(move || shared.draw_until_closed())
                .ok();
        }
        self.shared.changed.notify_all();
    }

    /// The work is over.
    pub(crate) fn end(&self) {
        self.pause().work = None;
    }

    /// Takes the line away; it comes back some time after the guard is dropped.
    pub(crate) fn pause(&self) -> MutexGuard<'_, Board> {
        let mut board = self.shared.board.lock().expect("no drawer panics");
        board.clear();
        board
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut board = self.pause();
        board.work = None;
        board.closed = true;
        drop(board);
        self.shared.changed.notify_all();
        let thread = self.thread.get_mut().expect("no drawer panics").take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn draw_until_closed(&self) {
        let mut board = self.board.lock().expect("no writer panics");
        while !board.closed {
            let pause = board.draw(Instant::now());
            board = match pause {
                Some(pause) => {
                    let woken = self.changed.wait_timeout(board, pause);
                    woken.expect("no writer panics").0
                }
                None => self.changed.wait(board).expect("no writer panics"),
            };
        }
    }
}

impl Board {
    /// Draws what is due; returns when to look again, or `None` until something changes.
    fn draw(&mut self, now: Instant) -> Option<Duration> {
        let work = self.work.as_ref()?;
        let elapsed = now.duration_since(work.began);
        if let Some(early) = PATIENCE.checked_sub(elapsed).filter(|left| !left.is_zero()) {
            return Some(early);
        }
        let (done, total) = (work.gauge)();
        let text = line(work.verb, done, total, elapsed);
        let _ = std::io::stderr()
            .lock()
            .write_all(format!("{CLEAR}{text}").as_bytes());
        self.drawn = true;
        Some(INTERVAL)
    }

    fn clear(&mut self) {
        if self.drawn {
            let _ = std::io::stderr().lock().write_all(CLEAR.as_bytes());
            self.drawn = false;
        }
    }
}

/// Says how far it is: `hashing 1.2 GB of 4.0 GB, 1.1 GB/s, 3 s left`.
fn line(verb: &str, done: u64, total: u64, elapsed: Duration) -> String {
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

    #[test]
    fn the_line_tells_bytes_rate_and_time_left() {
        let text = line("hashing", 12 * GB / 10, 4 * GB, Duration::from_secs(1));
        assert_eq!(text, "hashing 1.2 GB of 4.0 GB, 1.2 GB/s, 3 s left");
    }

    #[test]
    fn an_unknown_or_passed_total_is_left_out() {
        let text = line("storing", GB, 0, Duration::from_secs(2));
        assert_eq!(text, "storing 1.0 GB, 500 MB/s");
        let text = line("storing", GB, GB, Duration::from_secs(2));
        assert_eq!(text, "storing 1.0 GB, 500 MB/s");
    }

    #[test]
    fn nothing_is_drawn_for_half_a_second() {
        let began = Instant::now();
        let mut board = Board {
            work: Some(Work {
                verb: "hashing",
                gauge: Box::new(|| (1, 2)),
                began,
            }),
            ..Board::default()
        };
        let pause = board.draw(began + Duration::from_millis(200));
        assert_eq!(pause, Some(Duration::from_millis(300)));
        assert!(!board.drawn);
    }
}
