//! Hashing open files: by reading, never by mapping.
//!
//! A mapped file that somebody cuts short ends in SIGBUS, so everything goes through `pread`.
//! Large files are cut into subtrees that BLAKE3 itself defines; threads take them in turn, in the
//! order of the file, each into a buffer that stays in the cache of one core and is hashed there,
//! so reading is parallel too. A buffer begins with a page: copying and hashing are slower where
//! each of their wide steps touches two lines of the cache.
//!
//! Where pieces are copied as well, they are written one at a time: file systems let one thread write to
//! a file, and the kernel lets the others turn round in circles until it is their turn.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use blake3::hazmat::{self, ChainingValue, HasherExt as _};

use super::{IoContext as _, Meter, PathError};
use crate::digest::Digest;

/// From this size on, several threads are worth their start.
pub(super) const PARALLEL_FROM: u64 = 1 << 20;

/// What one thread reads and hashes at a time: a power of two, so that it is a whole subtree.
const PIECE: u64 = 512 << 10;

/// What is read at a time of a file that one thread hashes beside others.
const ALONE: u64 = 128 << 10;

/// Where buffers begin.
const PAGE: usize = 4096;

/// Threads stay within one window, so that a disk sees nearly sequential reads.
const WINDOW: u64 = 1 << 30;

/// How many threads may hash one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The calling one, because others hash other files.
    One,
    /// All of the pool, if the file is large enough.
    Many,
}

/// A file could not be hashed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] PathError),
    /// It grew or shrank meanwhile.
    #[error("`{}` changed its size while it was read", .0.as_os_str().as_bytes().escape_ascii())]
    SizeChanged(PathBuf),
}

/// Hashes the `size` bytes of an open regular file, from its start, whatever its offset.
/// `size` is that of a signature taken after opening; more or fewer bytes are an error.
pub fn hash_open(
    file: &File,
    path: &Path,
    size: u64,
    threads: Threads,
    meter: &Meter,
) -> Result<Digest, HashError> {
    let source = Source {
        file,
        path,
        meter,
        copy: None,
    };
    meter.go_on(path)?;
    if threads == Threads::Many && size >= PARALLEL_FROM {
        let digest = source.root(size)?;
        source.expect_end(size)?;
        return Ok(digest);
    }
    if size < ALONE {
        return source.small(size);
    }
    let mut hasher = blake3::Hasher::new();
    let mut done = 0;
    // One byte more than is expected: a short count is the end of a regular file.
    while done <= size {
        let want = (size + 1 - done).min(ALONE);
        let got = with_buffer(want, |buffer| {
            let got = file.read_at(buffer, done).context("read", path)?;
            hasher.update(&buffer[..got]);
            Ok(got as u64)
        })?;
        done += got;
        meter.add_done(got);
        meter.go_on(path)?;
        if got == 0 || (got < want && done == size) {
            break;
        }
    }
    if done != size {
        return Err(HashError::SizeChanged(path.to_owned()));
    }
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

/// Hashes the `size` bytes of an open regular file by all threads of the pool, and writes each
/// piece to the same place in another as it was hashed. The file must be of at least
/// [`PARALLEL_FROM`] bytes.
pub(super) fn hash_copying(
    source: (&File, &Path),
    size: u64,
    copy: (&File, &Path),
    meter: &Meter,
) -> Result<Digest, HashError> {
    let (file, path) = source;
    let source = Source {
        file,
        path,
        meter,
        copy: Some(Target {
            to: copy,
            turn: Mutex::new(()),
        }),
    };
    let digest = source.root(size)?;
    source.expect_end(size)?;
    Ok(digest)
}

struct Source<'a> {
    file: &'a File,
    path: &'a Path,
    meter: &'a Meter,
    /// Where the bytes go that were hashed.
    copy: Option<Target<'a>>,
}

struct Target<'a> {
    to: (&'a File, &'a Path),
    /// Held while a piece is written.
    turn: Mutex<()>,
}

impl Target<'_> {
    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), PathError> {
        let (file, path) = self.to;
        let _turn = self.turn.lock().expect("nobody panics while holding this");
        file.write_all_at(bytes, offset).context("write", path)
    }
}

impl Source<'_> {
    /// Hashes a file that takes one call: one byte more than is expected tells its end.
    fn small(&self, size: u64) -> Result<Digest, HashError> {
        with_buffer(size + 1, |buffer| {
            let mut done = 0;
            loop {
                let rest = self.file.read_at(&mut buffer[done..], done as u64);
                let got = rest.context("read", self.path)?;
                done += got;
                if got == 0 || done as u64 >= size {
                    break;
                }
            }
            self.meter.add_done(done as u64);
            if done as u64 != size {
                return Err(HashError::SizeChanged(self.path.to_owned()));
            }
            Ok(Digest::of(&buffer[..done]))
        })
    }

    /// Hashes a file of more than one piece.
    fn root(&self, size: u64) -> Result<Digest, HashError> {
        let left = hazmat::left_subtree_len(size);
        let (left, right) = if size > WINDOW {
            (self.subtree(0, left)?, self.subtree(left, size - left)?)
        } else {
            let values = self.window(0, size)?;
            let (one, other) = values.split_at(pieces_in(left));
            (merged(one, left), merged(other, size - left))
        };
        let root = hazmat::merge_subtrees_root(&left, &right, hazmat::Mode::Hash);
        Ok(Digest::from_bytes(*root.as_bytes()))
    }

    /// Hashes a subtree; the depth of this recursion is the logarithm of the size.
    fn subtree(&self, offset: u64, len: u64) -> Result<ChainingValue, HashError> {
        if len <= WINDOW {
            return Ok(merged(&self.window(offset, len)?, len));
        }
        let left = hazmat::left_subtree_len(len);
        let one = self.subtree(offset, left)?;
        let other = self.subtree(offset + left, len - left)?;
        Ok(hazmat::merge_subtrees_non_root(
            &one,
            &other,
            hazmat::Mode::Hash,
        ))
    }

    /// Hashes the pieces of a part by all threads of the pool that have nothing else to do.
    fn window(&self, offset: u64, len: u64) -> Result<Vec<ChainingValue>, HashError> {
        let count = pieces_in(len);
        let next = AtomicUsize::new(0);
        let values = Mutex::new(Ok(vec![ChainingValue::default(); count]));
        let take = || {
            let mut own = Vec::new();
            let failed = loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break None;
                }
                let start = number as u64 * PIECE;
                match self.piece(offset + start, PIECE.min(len - start)) {
                    Ok(value) => own.push((number, value)),
                    Err(error) => break Some(error),
                }
            };
            let mut values = values.lock().expect("nobody panics while holding this");
            if let Some(error) = failed {
                next.store(count, Ordering::Relaxed);
                *values = Err(error);
            } else if let Ok(values) = values.as_mut() {
                for (number, value) in own {
                    values[number] = value;
                }
            }
        };
        rayon::scope(|scope| {
            for _ in 1..rayon::current_num_threads().min(count) {
                scope.spawn(|_| take());
            }
            take();
        });
        values
            .into_inner()
            .expect("nobody panics while holding this")
    }

    fn piece(&self, offset: u64, len: u64) -> Result<ChainingValue, HashError> {
        self.meter.go_on(self.path)?;
        with_buffer(len, |buffer| {
            let mut done = 0;
            while done < buffer.len() {
                let at = offset + done as u64;
                let got = self
                    .file
                    .read_at(&mut buffer[done..], at)
                    .context("read", self.path)?;
                if got == 0 {
                    return Err(HashError::SizeChanged(self.path.to_owned()));
                }
                done += got;
            }
            self.meter.add_done(len);
            let mut hasher = blake3::Hasher::new();
            hasher.set_input_offset(offset);
            hasher.update(buffer);
            if let Some(copy) = &self.copy {
                copy.write(buffer, offset)?;
            }
            Ok(hasher.finalize_non_root())
        })
    }

    fn expect_end(&self, size: u64) -> Result<(), HashError> {
        let more = self
            .file
            .read_at(&mut [0], size)
            .context("read", self.path)?;
        if more > 0 {
            return Err(HashError::SizeChanged(self.path.to_owned()));
        }
        Ok(())
    }
}

fn pieces_in(len: u64) -> usize {
    usize::try_from(len.div_ceil(PIECE)).expect("a window has few pieces")
}

/// Joins neighbours that are `len` bytes together.
fn merged(values: &[ChainingValue], len: u64) -> ChainingValue {
    if let [value] = values {
        return *value;
    }
    let left = hazmat::left_subtree_len(len);
    let (one, other) = values.split_at(pieces_in(left));
    let (one, other) = (merged(one, left), merged(other, len - left));
    hazmat::merge_subtrees_non_root(&one, &other, hazmat::Mode::Hash)
}

/// Lends `len` bytes of this thread's buffer, from the start of a page.
fn with_buffer<T>(
    len: u64,
    use_it: impl FnOnce(&mut [u8]) -> Result<T, HashError>,
) -> Result<T, HashError> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let len = usize::try_from(len).expect("a piece fits in memory");
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < len + PAGE {
            buffer.resize(len + PAGE, 0);
        }
        let start = buffer.as_ptr().align_offset(PAGE).min(PAGE);
        use_it(&mut buffer[start..start + len])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ibid_testkit::TempDir;

    fn file_of(dir: &TempDir, bytes: &[u8]) -> (File, PathBuf) {
        let path = dir.join("file");
        #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
        std::fs::write(&path, bytes).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test opens its own files")]
        let file = File::open(&path).unwrap();
        (file, path)
    }

    #[test]
    fn every_size_and_thread_count_gives_the_plain_hash() {
        let dir = TempDir::new();
        let bytes: Vec<u8> = (0..5_000_003_u32).map(|i| (i * 31 % 251) as u8).collect();
        for size in [
            0,
            1,
            1024,
            131_071,
            131_073,
            262_143,
            262_144,
            262_145,
            1 << 20,
            (1 << 20) + 1,
            (3 << 19) - 1,
            3 << 19,
            5_000_003,
        ] {
            let (file, path) = file_of(&dir, &bytes[..size]);
            for threads in [Threads::One, Threads::Many] {
                let meter = Meter::new();
                let digest = hash_open(&file, &path, size as u64, threads, &meter).unwrap();
                assert_eq!(digest, Digest::of(&bytes[..size]), "{size} {threads:?}");
                assert_eq!(meter.done(), size as u64);
            }
        }
    }

    #[test]
    fn a_file_that_grew_or_shrank_is_noticed() {
        let dir = TempDir::new();
        let (file, path) = file_of(&dir, &vec![1; 3 << 20]);
        for size in [0, 5, (3 << 20) - 1, (3 << 20) + 1, 1 << 30] {
            for threads in [Threads::One, Threads::Many] {
                let outcome = hash_open(&file, &path, size, threads, &Meter::new());
                assert!(matches!(outcome, Err(HashError::SizeChanged(_))), "{size}");
            }
        }
    }
}
