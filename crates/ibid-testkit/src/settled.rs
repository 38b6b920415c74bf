//! Waiting until files are old enough to be believed by their status.
//!
//! Owns one wait by the clock: what it waits for is time itself, since no file can be made older
//! than it is (nobody sets ctime).

use std::time::{Duration, SystemTime};

/// Two seconds, after which a file whose pages are clean counts as settled, and some ticks of the
/// clock that stamps files.
const WINDOW: Duration = Duration::from_millis(2_050);

/// Waits until whatever was written before this call is older than the window in which a file counts
/// as racy. Its pages have to be on the disk besides (`fsync`), or it has to be two minutes old.
pub fn until_settled() {
    let then = SystemTime::now() + WINDOW;
    while let Ok(rest) = then.duration_since(SystemTime::now()) {
        std::thread::sleep(rest);
    }
}
