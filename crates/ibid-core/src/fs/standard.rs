//! The three standard streams, as a process inherits them.
//!
//! A caller may have closed one. The next file that is opened would get its number, and whatever
//! is printed would be written into it, so such a number is taken by `/dev/null`.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::{stderr, stdin, stdout};

/// Opens what of the standard streams is closed. To be called before anything else is opened.
pub fn hold_standard_streams() {
    let streams = [stdin(), stdout(), stderr()];
    for _ in 0..closed(streams) {
        // The lowest free number is given, so each call closes the first gap.
        std::mem::forget(null(OFlags::RDWR));
    }
}

/// Opens what a command reads that is given nothing.
pub fn open_nothing() -> std::io::Result<OwnedFd> {
    Ok(null(OFlags::RDONLY | OFlags::CLOEXEC)?)
}

fn null(flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open("/dev/null", flags, Mode::empty())
}

fn closed(streams: [BorrowedFd<'_>; 3]) -> usize {
    let mut asked = streams.map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::empty()));
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    loop {
        match poll(&mut asked, Some(&at_once)) {
            Ok(0) => return 0,
            Ok(_) => {
                let invalid = |stream: &&PollFd<'_>| stream.revents().contains(PollFlags::NVAL);
                return asked.iter().filter(invalid).count();
            }
            Err(Errno::INTR) => {}
            // Where fewer than three files may be open, each is asked about.
            Err(_) => {
                let is_bad = |stream: &&BorrowedFd<'_>| fcntl_getfd(stream) == Err(Errno::BADF);
                return streams.iter().filter(is_bad).count();
            }
        }
    }
}
