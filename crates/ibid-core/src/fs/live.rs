//! What a running command printed last, where another process of the same user can read it.
//!
//! A file in memory without a place in any file system: it costs no disk, and whatever ends its
//! owner ends it. It is found by its name among the descriptors of the owner, so it exists where
//! `/proc` does, and elsewhere nobody can look on.
//!
//! ```text
//! 0     bytes that came on the first stream, on the second: 8 bytes each, little-endian
//! 4096  the last MiB of the first stream, as a ring; the last MiB of the second behind it
//! ```
//!
//! The owner writes the bytes first and the counts last; a reader looks at the counts again after
//! reading, and leaves out what was overwritten meanwhile. Nothing is decided by it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{numbers_in, open_file, read_link};

/// So many bytes of each stream are kept.
const KEPT: u64 = 1 << 20;

/// Where the first ring starts.
const RINGS: u64 = 4096;

/// So many bytes are read at once.
const PIECE: usize = 64 * 1024;

/// How many streams there are.
const STREAMS: usize = 2;

/// Writes what a command prints.
#[derive(Debug)]
pub struct LiveOutput {
    /// `None` where there are no such files, or one failed.
    file: Option<File>,
    counts: [u64; STREAMS],
}

impl LiveOutput {
    /// Makes an empty one under a name that readers know. Where that is not possible, what is
    /// written goes nowhere.
    pub fn new(name: &str) -> Self {
        Self {
            file: make(name),
            counts: [0; STREAMS],
        }
    }

    /// Appends what came on a stream: the first is 0, the second 1.
    pub fn append(&mut self, stream: usize, bytes: &[u8]) {
        let Some(file) = &self.file else { return };
        let count = &mut self.counts[stream];
        let written = write_ring(file, stream, *count, bytes);
        *count += bytes.len() as u64;
        let head = file.write_all_at(&count.to_le_bytes(), 8 * stream as u64);
        if written.and(head).is_err() {
            self.file = None;
        }
    }
}

fn write_ring(file: &File, stream: usize, from: u64, bytes: &[u8]) -> std::io::Result<()> {
    let mut at = from;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (place, room) = place(stream, at);
        let (now, later) = rest.split_at(rest.len().min(room));
        file.write_all_at(now, place)?;
        at += now.len() as u64;
        rest = later;
    }
    Ok(())
}

/// Returns where the byte of this number stands, and how many fit behind it.
fn place(stream: usize, number: u64) -> (u64, usize) {
    let within = number % KEPT;
    let room = usize::try_from(KEPT - within).expect("a ring fits into memory");
    (RINGS + KEPT * stream as u64 + within, room)
}

#[cfg(target_os = "linux")]
fn make(name: &str) -> Option<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let file = memfd_create(name, MemfdFlags::CLOEXEC).ok()?;
    Some(File::from(file))
}

#[cfg(not(target_os = "linux"))]
fn make(_name: &str) -> Option<File> {
    None
}

/// Reads what another process writes.
#[derive(Debug)]
pub struct LiveReader {
    file: File,
    /// Where the owner has it open.
    link: PathBuf,
    name: Vec<u8>,
    read: [u64; STREAMS],
}

impl LiveReader {
    /// Looks for it among the open files of a process of this machine.
    pub fn find(pid: u32, name: &str) -> Option<Self> {
        let fds = PathBuf::from(format!("/proc/{pid}/fd"));
        let name = shown(name);
        let links = numbers_in(&fds).ok()?.into_iter();
        let mut links = links.map(|number| fds.join(number.to_string()));
        let link = links.find(|link| leads_to(link, &name))?;
        let file = open_file(&link).ok()?;
        // The number may have become another file's between the two.
        leads_to(&link, &name).then_some(Self {
            file,
            link,
            name,
            read: [0; STREAMS],
        })
    }

    /// Says whether the owner still has it open. What is read after that is all there is.
    pub fn is_open(&self) -> bool {
        leads_to(&self.link, &self.name)
    }

    /// Hands on what has come since the last call, and returns how many bytes were lost because
    /// they were overwritten before they were read.
    pub fn read(&mut self, mut take: impl FnMut(usize, &[u8])) -> u64 {
        let mut lost = 0;
        for stream in 0..STREAMS {
            let until = self.count(stream);
            while self.read[stream] < until {
                lost += self.skip(stream);
                let (bytes, from) = self.piece(stream, until);
                let overwritten = self.count(stream).saturating_sub(KEPT);
                let gone = overwritten.saturating_sub(from).min(bytes.len() as u64);
                lost += gone;
                self.read[stream] = from + bytes.len() as u64;
                if bytes.is_empty() {
                    return lost;
                }
                take(stream, &bytes[usize::try_from(gone).unwrap_or(0)..]);
            }
        }
        lost
    }

    /// Goes past what is overwritten already.
    fn skip(&mut self, stream: usize) -> u64 {
        let oldest = self.count(stream).saturating_sub(KEPT);
        let lost = oldest.saturating_sub(self.read[stream]);
        self.read[stream] += lost;
        lost
    }

    fn piece(&self, stream: usize, until: u64) -> (Vec<u8>, u64) {
        let from = self.read[stream];
        let (place, room) = place(stream, from);
        let wanted = usize::try_from(until.saturating_sub(from)).unwrap_or(PIECE);
        let mut bytes = vec![0; wanted.min(room).min(PIECE)];
        let read = self.file.read_at(&mut bytes, place).unwrap_or(0);
        bytes.truncate(read);
        (bytes, from)
    }

    fn count(&self, stream: usize) -> u64 {
        let mut bytes = [0; 8];
        // Before the first byte the file is empty.
        match self.file.read_exact_at(&mut bytes, 8 * stream as u64) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => 0,
        }
    }
}

/// Returns how `/proc` shows such a file.
fn shown(name: &str) -> Vec<u8> {
    format!("/memfd:{name} (deleted)").into_bytes()
}

fn leads_to(link: &Path, name: &[u8]) -> bool {
    read_link(link).is_ok_and(|text| text == name)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn pair(name: &str) -> (LiveOutput, LiveReader) {
        let writer = LiveOutput::new(name);
        let reader = LiveReader::find(std::process::id(), name).expect("it was just made");
        (writer, reader)
    }

    fn all(reader: &mut LiveReader) -> (Vec<u8>, Vec<u8>, u64) {
        let mut streams = [Vec::new(), Vec::new()];
        let lost = reader.read(|stream, bytes| streams[stream].extend_from_slice(bytes));
        let [first, second] = streams;
        (first, second, lost)
    }

    #[test]
    fn a_reader_gets_each_byte_once_and_what_came_before_it() {
        let (mut writer, mut reader) = pair("ibid-test-once");
        assert_eq!(all(&mut reader), (vec![], vec![], 0));
        writer.append(0, b"one");
        writer.append(1, b"err");
        writer.append(0, b" two");
        assert_eq!(all(&mut reader), (b"one two".to_vec(), b"err".to_vec(), 0));
        writer.append(1, b"or");
        assert_eq!(all(&mut reader), (vec![], b"or".to_vec(), 0));
        let late = LiveReader::find(std::process::id(), "ibid-test-once");
        assert_eq!(all(&mut late.expect("it is open")).0, b"one two");
    }

    #[test]
    fn what_was_overwritten_is_counted_and_the_rest_is_whole() {
        let (mut writer, mut reader) = pair("ibid-test-ring");
        let bytes: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        for piece in bytes.chunks(50_000) {
            writer.append(0, piece);
        }
        let (read, _, lost) = all(&mut reader);
        assert_eq!(lost + read.len() as u64, 3_000_000);
        assert_eq!(read, bytes[bytes.len() - usize::try_from(KEPT).unwrap()..]);
    }

    #[test]
    fn the_end_of_the_owner_is_seen_and_the_bytes_outlive_it() {
        let (mut writer, mut reader) = pair("ibid-test-end");
        assert!(reader.is_open());
        writer.append(0, b"last words");
        drop(writer);
        assert!(!reader.is_open());
        assert_eq!(all(&mut reader).0, b"last words");
        drop(reader);
        assert!(LiveReader::find(std::process::id(), "ibid-test-end").is_none());
    }
}
