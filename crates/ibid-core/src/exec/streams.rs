//! The two pipes that a command writes to, and where their bytes go.
//!
//! Each stream is exact: bytes are neither decoded nor split into lines. Order across the two is
//! the order in which they are found readable. A log that cannot be kept is given up, and the
//! bytes still go to the sink.

use std::cell::Cell;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::log::MAX_CHUNK;
use super::{ExecError, SpooledLog, Stream, StreamLog};
use crate::fs::{PathError, read_link};

thread_local! {
    /// What the next command of this thread is read into.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Both read ends, and the log and the sink behind them.
pub(super) struct Streams<'a> {
    pipes: [(Stream, Option<OwnedFd>); 2],
    buffer: Vec<u8>,
    spool_dir: PathBuf,
    log: Result<StreamLog, PathError>,
    sink: &'a mut dyn FnMut(Stream, &[u8]),
}

impl Drop for Streams<'_> {
    fn drop(&mut self) {
        // A thread that ends keeps nothing.
        let _ = BUFFER.try_with(|kept| kept.set(std::mem::take(&mut self.buffer)));
    }
}

impl<'a> Streams<'a> {
    /// Takes the ends of a child's standard output and standard error.
    pub(super) fn new(
        (stdout, stderr): (OwnedFd, OwnedFd),
        spool_dir: PathBuf,
        sink: &'a mut dyn FnMut(Stream, &[u8]),
    ) -> Self {
        Self {
            pipes: [
                (Stream::Stdout, Some(stdout)),
                (Stream::Stderr, Some(stderr)),
            ],
            buffer: BUFFER.take(),
            log: Ok(StreamLog::new(spool_dir.clone())),
            spool_dir,
            sink,
        }
    }

    /// Makes reading never wait. The write ends are other open files: the command's own writes
    /// still block.
    pub(super) fn unblock(&self) -> Result<(), ExecError> {
        for pipe in self.open() {
            rustix::io::ioctl_fionbio(pipe, true)
                .map_err(|error| ExecError::system("read a pipe without waiting", error))?;
        }
        Ok(())
    }

    /// Returns the pipes that are open.
    pub(super) fn open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes
            .iter()
            .filter_map(|(_, pipe)| pipe.as_ref().map(|pipe| pipe.as_fd()))
    }

    /// Says whether nobody can write any more.
    pub(super) fn is_closed(&self) -> bool {
        self.open().next().is_none()
    }

    /// Says whether anybody has a write end open. Reads nothing.
    pub(super) fn are_held(&self) -> bool {
        self.open().any(|pipe| {
            let mut polled = [PollFd::from_borrowed_fd(pipe, PollFlags::empty())];
            let looked = poll(&mut polled, Some(&Timespec::default()));
            // The kernel tells of the last writer's end whether or not it is asked to.
            looked.is_err() || !polled[0].revents().contains(PollFlags::HUP)
        })
    }

    /// Takes all that is left in pipes that nobody holds any more.
    pub(super) fn finish(&mut self) {
        while !self.is_closed() {
            self.drain();
        }
    }

    /// Takes at most one buffer from each pipe.
    pub(super) fn read(&mut self) {
        for index in 0..self.pipes.len() {
            self.read_one(index, MAX_CHUNK);
        }
    }

    /// Takes what is in the pipes at this moment, and no more: whoever goes on writing does not
    /// hold up the end.
    pub(super) fn drain(&mut self) {
        for index in 0..self.pipes.len() {
            let held = match &self.pipes[index].1 {
                Some(pipe) => rustix::io::ioctl_fionread(pipe).unwrap_or(0),
                None => continue,
            };
            let mut left = usize::try_from(held).expect("a pipe holds less than memory");
            while left > 0 {
                match self.read_one(index, left) {
                    0 => break,
                    taken => left -= taken,
                }
            }
            // One more to see the end of the stream, which counts as no bytes.
            if held == 0 {
                self.read_one(index, MAX_CHUNK);
            }
        }
    }

    /// Reads at most `limit` bytes and returns how many it was; closes a pipe at its end.
    fn read_one(&mut self, index: usize, limit: usize) -> usize {
        let (stream, pipe) = &mut self.pipes[index];
        let Some(open) = pipe else { return 0 };
        // Zeroed once for all commands that this thread runs.
        self.buffer.resize(MAX_CHUNK, 0);
        let limit = limit.min(self.buffer.len());
        let read = match rustix::io::read(&*open, &mut self.buffer[..limit]) {
            Err(Errno::AGAIN | Errno::INTR) => return 0,
            // No other error is known of a pipe; there is nothing left to read from it.
            Ok(0) | Err(_) => {
                *pipe = None;
                return 0;
            }
            Ok(read) => read,
        };
        let bytes = &self.buffer[..read];
        if let Ok(log) = &mut self.log
            && let Err(error) = log.append(*stream, bytes)
        {
            self.log = Err(error);
        }
        (self.sink)(*stream, bytes);
        read
    }

    /// Returns the names by which `/proc` shows the open pipes.
    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.open()
            .filter_map(|pipe| {
                let link = format!("/proc/self/fd/{}", pipe.as_raw_fd());
                read_link(Path::new(&link)).ok()
            })
            .collect()
    }

    /// Ends the log and returns it; what comes afterwards would begin another.
    pub(super) fn take_log(&mut self) -> Result<SpooledLog, PathError> {
        let empty = StreamLog::new(std::mem::take(&mut self.spool_dir));
        std::mem::replace(&mut self.log, Ok(empty)).and_then(StreamLog::finish)
    }
}
