//! The stream log: what a command wrote on its two streams, in order of arrival.
//!
//! A sequence of canonical items `[1, bytes]` (standard output) and `[2, bytes]` (standard error),
//! none of them empty or longer than [`MAX_CHUNK`]; an empty log has no bytes. Adjacent pieces of
//! one stream are merged up to that length, so the same log comes of many small writes or one.
//! Neither writing nor reading ever holds a whole log in memory: a writer spools to a file without
//! a name beyond 256 KiB, and a reader takes item after item (hazard G5).

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use crate::digest::encoding::{DecodeError, Decoder, Encoder};
use crate::fs::{IoContext as _, PathError, unnamed_file};

/// The most bytes of one item.
pub const MAX_CHUNK: usize = 64 * 1024;

/// The most bytes of a log that stay in memory.
const IN_MEMORY: usize = 256 * 1024;

/// The most bytes of an encoded item: heads of an array, a number and a byte string before it.
const MAX_ITEM: usize = 1 + 1 + 5 + MAX_CHUNK;

/// One of a command's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    const fn number(self) -> u64 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// Writes a stream log.
#[derive(Debug)]
pub struct StreamLog {
    dir: PathBuf,
    pending: Option<(Stream, Vec<u8>)>,
    /// Encoded and not in the file.
    encoded: Vec<u8>,
    file: Option<File>,
    /// Bytes in the file.
    filed: u64,
}

impl StreamLog {
    /// Starts an empty log; `dir` is where its file is made should it outgrow memory.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            pending: None,
            encoded: Vec::new(),
            file: None,
            filed: 0,
        }
    }

    /// Appends what came on `stream`.
    pub fn append(&mut self, stream: Stream, mut bytes: &[u8]) -> Result<(), PathError> {
        while !bytes.is_empty() {
            let room = match &self.pending {
                Some((pending, chunk)) if *pending == stream => MAX_CHUNK - chunk.len(),
                _ => 0,
            };
            if room == 0 {
                self.encode_pending()?;
                self.pending = Some((stream, Vec::new()));
                continue;
            }
            let (taken, rest) = bytes.split_at(room.min(bytes.len()));
            if let Some((_, chunk)) = &mut self.pending {
                chunk.extend_from_slice(taken);
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Ends the log.
    pub fn finish(mut self) -> Result<SpooledLog, PathError> {
        self.encode_pending()?;
        if self.file.is_some() {
            self.spill()?;
        }
        let len = self.filed + self.encoded.len() as u64;
        Ok(SpooledLog {
            len,
            content: self
                .file
                .map_or(Content::Memory(self.encoded), Content::File),
        })
    }

    fn encode_pending(&mut self) -> Result<(), PathError> {
        let Some((stream, chunk)) = self.pending.take() else {
            return Ok(());
        };
        let mut item = Encoder::new();
        item.array(2).uint(stream.number()).bytes(&chunk);
        self.encoded.extend_from_slice(item.as_bytes());
        if self.encoded.len() > IN_MEMORY {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<(), PathError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(unnamed_file(&self.dir)?),
        };
        file.write_all(&self.encoded)
            .context("spool a stream log in", &self.dir)?;
        self.filed += self.encoded.len() as u64;
        self.encoded.clear();
        Ok(())
    }
}

/// A finished stream log, in memory or in a file without a name.
#[derive(Debug)]
pub struct SpooledLog {
    len: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Memory(Vec<u8>),
    File(File),
}

impl SpooledLog {
    /// Returns the length of the encoded log in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Says whether the command wrote nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads the encoded log from its start; any number of readers may do so.
    pub fn open(&self) -> LogReader<'_> {
        LogReader {
            log: self,
            offset: 0,
        }
    }

    /// Returns the file that the log outgrew memory into, if it did; its offset is anywhere.
    pub fn as_file(&self) -> Option<&File> {
        match &self.content {
            Content::Memory(_) => None,
            Content::File(file) => Some(file),
        }
    }
}

/// Reads an encoded log.
#[derive(Clone, Debug)]
pub struct LogReader<'a> {
    log: &'a SpooledLog,
    offset: u64,
}

impl Read for LogReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = match &self.log.content {
            Content::File(file) => file.read_at(buffer, self.offset)?,
            Content::Memory(bytes) => {
                let start = usize::try_from(self.offset).expect("the offset is within memory");
                (&bytes[start..]).read(buffer)?
            }
        };
        self.offset += n as u64;
        Ok(n)
    }
}

/// A stored log cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Its bytes cannot be read.
    #[error("cannot read the stream log")]
    Read(#[source] io::Error),
    /// Its bytes are not a stream log.
    #[error("not a stream log: {problem} at byte {offset}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
        /// Where, counted from the start of the log.
        offset: u64,
    },
}

/// Hands the pieces of an encoded log to `sink` in their order. What came before a damage has been
/// handed out when the error is returned, so a caller that must not show half a log verifies its
/// digest first.
pub fn replay(mut reader: impl Read, mut sink: impl FnMut(Stream, &[u8])) -> Result<(), LogError> {
    let mut buffer = Vec::with_capacity(4 * MAX_ITEM);
    let mut consumed = 0;
    loop {
        let wanted = (buffer.capacity() - buffer.len()) as u64;
        let read = reader
            .by_ref()
            .take(wanted)
            .read_to_end(&mut buffer)
            .map_err(LogError::Read)?;
        let at_end = (read as u64) < wanted;
        // Short of the end an item is only begun when the whole of any item is in the buffer.
        let least = if at_end { 1 } else { MAX_ITEM };
        let done = items(&buffer, least, consumed, &mut sink)?;
        if at_end {
            return Ok(());
        }
        consumed += done as u64;
        buffer.drain(..done);
    }
}

/// The same of a log that is in memory.
pub fn replay_bytes(log: &[u8], mut sink: impl FnMut(Stream, &[u8])) -> Result<(), LogError> {
    items(log, 1, 0, &mut sink).map(drop)
}

/// Hands out the items of a piece of a log, which begins at `start`, while `least` bytes are left,
/// and returns how many bytes they took.
fn items(
    piece: &[u8],
    least: usize,
    start: u64,
    sink: &mut impl FnMut(Stream, &[u8]),
) -> Result<usize, LogError> {
    let mut decoder = Decoder::new(piece);
    while piece.len() - decoder.offset() >= least {
        let (stream, bytes) = item(&mut decoder).map_err(|error| LogError::Malformed {
            problem: error.problem,
            offset: start + error.offset as u64,
        })?;
        sink(stream, bytes);
    }
    Ok(decoder.offset())
}

fn item<'a>(decoder: &mut Decoder<'a>) -> Result<(Stream, &'a [u8]), DecodeError> {
    decoder.array_of(2)?;
    let at = decoder.clone();
    let stream = match decoder.uint()? {
        1 => Stream::Stdout,
        2 => Stream::Stderr,
        _ => return at.fail("unknown stream"),
    };
    let at = decoder.clone();
    match decoder.bytes()? {
        [] => at.fail("empty piece"),
        bytes if bytes.len() > MAX_CHUNK => at.fail("piece that is too long"),
        bytes => Ok((stream, bytes)),
    }
}

#[cfg(test)]
mod tests {
    use ibid_testkit::TempDir;
    use proptest::prelude::*;

    use super::*;

    type Pieces = Vec<(Stream, Vec<u8>)>;

    /// Joins adjacent pieces of one stream: what a reader of the streams can tell.
    fn joined(pieces: impl IntoIterator<Item = (Stream, Vec<u8>)>) -> Pieces {
        let mut joined = Pieces::new();
        for (stream, bytes) in pieces {
            match joined.last_mut() {
                _ if bytes.is_empty() => {}
                Some((last, all)) if *last == stream => all.extend(bytes),
                _ => joined.push((stream, bytes)),
            }
        }
        joined
    }

    fn written(dir: &TempDir, pieces: &Pieces) -> SpooledLog {
        let mut log = StreamLog::new(dir.path().to_owned());
        for (stream, bytes) in pieces {
            log.append(*stream, bytes).unwrap();
        }
        log.finish().unwrap()
    }

    fn replayed(reader: impl Read) -> Result<Pieces, LogError> {
        let mut pieces = Pieces::new();
        replay(reader, |stream, bytes| {
            pieces.push((stream, bytes.to_vec()));
        })?;
        Ok(pieces)
    }

    fn encoded(log: &SpooledLog) -> Vec<u8> {
        let mut bytes = Vec::new();
        log.open().read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Gives one byte at a time, as a slow network would.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = buffer.len().min(1);
            (&mut self.0).take(n as u64).read(buffer)
        }
    }

    fn pieces() -> impl Strategy<Value = Pieces> {
        let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
        let len = prop_oneof![4 => 0_usize..40, 1 => 60_000_usize..140_000];
        let piece = (stream, len, any::<u8>()).prop_map(|(stream, len, seed)| {
            let bytes = (0..=250).map(|i| seed.wrapping_add(i)).cycle();
            (stream, bytes.take(len).collect())
        });
        prop::collection::vec(piece, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn replaying_gives_what_was_appended(pieces in pieces()) {
            let dir = TempDir::new();
            let log = written(&dir, &pieces);
            let bytes = encoded(&log);
            prop_assert_eq!(bytes.len() as u64, log.len());
            prop_assert_eq!(log.is_empty(), pieces.iter().all(|(_, bytes)| bytes.is_empty()));
            let replayed = replayed(log.open()).unwrap();
            prop_assert!(replayed.iter().all(|(_, bytes)| (1..=MAX_CHUNK).contains(&bytes.len())));
            prop_assert_eq!(joined(replayed), joined(pieces.clone()));
            let mut at_once = Pieces::new();
            replay_bytes(&bytes, |stream, bytes| at_once.push((stream, bytes.to_vec()))).unwrap();
            prop_assert_eq!(joined(at_once), joined(pieces));
        }

        #[test]
        fn how_a_write_is_cut_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 1..300),
                                              cut in 1_usize..50) {
            let dir = TempDir::new();
            let whole = vec![(Stream::Stderr, bytes.clone())];
            let cut = bytes.chunks(cut).map(|part| (Stream::Stderr, part.to_vec())).collect();
            prop_assert_eq!(encoded(&written(&dir, &whole)), encoded(&written(&dir, &cut)));
        }

        #[test]
        fn a_cut_log_is_refused_or_ends_between_items(cut in 0_usize..30) {
            let dir = TempDir::new();
            let pieces = vec![(Stream::Stdout, vec![7; 12]), (Stream::Stderr, vec![8; 11])];
            let bytes = encoded(&written(&dir, &pieces));
            prop_assume!(cut < bytes.len());
            let whole_items = [0, 15];
            prop_assert_eq!(replayed(&bytes[..cut]).is_ok(), whole_items.contains(&cut));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = replayed(&bytes[..]);
        }
    }

    #[test]
    fn a_reader_that_gives_little_at_a_time_is_read_whole() {
        let dir = TempDir::new();
        let pieces = vec![
            (Stream::Stdout, vec![1; 150_000]),
            (Stream::Stderr, vec![2; 150_000]),
        ];
        let bytes = encoded(&written(&dir, &pieces));
        assert_eq!(joined(replayed(Dribble(&bytes)).unwrap()), pieces);
    }

    #[test]
    fn a_small_log_stays_in_memory_and_a_large_one_does_not() {
        let dir = TempDir::new();
        let small = written(&dir, &vec![(Stream::Stdout, vec![0; IN_MEMORY / 2])]);
        assert!(small.as_file().is_none());
        let large = written(&dir, &vec![(Stream::Stdout, vec![0; 2 * IN_MEMORY])]);
        assert!(large.as_file().is_some());
    }

    #[test]
    fn a_spool_that_cannot_be_made_is_an_error_that_names_the_folder() {
        let dir = TempDir::new();
        let mut log = StreamLog::new(dir.join("absent"));
        let error = log
            .append(Stream::Stdout, &vec![0; 2 * IN_MEMORY])
            .unwrap_err();
        assert!(error.path.starts_with(dir.join("absent")));
    }

    #[test]
    fn what_is_not_a_log_is_refused_with_its_place() {
        let cases: [(&[u8], &str, u64); 9] = [
            (
                &[0x82, 0x01, 0x41, b'x', 0x82, 0x03, 0x41, b'x'],
                "unknown stream",
                5,
            ),
            (&[0x82, 0x00, 0x41, b'x'], "unknown stream", 1),
            (&[0x82, 0x01, 0x40, 0x00], "empty piece", 2),
            (
                &[0x82, 0x18, 0x01, 0x41, b'x'],
                "integer that is not in its shortest form",
                1,
            ),
            (
                &[0x82, 0x01, 0x58, 0x01, b'x'],
                "integer that is not in its shortest form",
                2,
            ),
            (&[0x82, 0x01, 0x61, b'x'], "expected a byte string", 2),
            (&[0x83, 0x01, 0x41, b'x'], "array of another length", 0),
            (
                &[0x82, 0x01, 0x5f, 0x41, b'x', 0xff],
                "indefinite or reserved length",
                2,
            ),
            (
                &[0x82, 0x01, 0x5a, 0xff, 0xff, 0xff, 0xff, 0],
                "length beyond the end",
                2,
            ),
        ];
        for (bytes, expected, at) in cases {
            match replayed(bytes) {
                Err(LogError::Malformed { problem, offset }) => {
                    assert_eq!((problem, offset), (expected, at), "{bytes:02x?}");
                }
                other => panic!("{bytes:02x?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn a_piece_over_the_limit_is_refused_at_any_place() {
        for before in [0, 3] {
            let mut bytes = Vec::new();
            for len in std::iter::repeat_n(MAX_CHUNK, before).chain([MAX_CHUNK + 1, 9]) {
                let mut item = Encoder::new();
                item.array(2).uint(1).bytes(&vec![0; len]);
                bytes.extend_from_slice(item.as_bytes());
            }
            assert!(matches!(
                replayed(&bytes[..]),
                Err(LogError::Malformed { .. })
            ));
        }
    }
}
