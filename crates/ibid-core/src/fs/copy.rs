//! Copying file content: hashed on the way, holes kept, never whole in memory.
//!
//! The digest is of the bytes as they were copied, not of what the source holds before or after
//! (hazard A8). Positions of the descriptors do not matter and are not kept. Errors name the side
//! that failed.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::SeekFrom;

use super::hash::{HashError, PARALLEL_FROM, hash_copying};
use super::{IoContext as _, Meter, PathError};
use crate::digest::{Digest, Hasher};

/// As much is read at once.
const BUFFER: usize = 256 * 1024;

/// As much is set aside at least. More only where a file has it: each page that is cleared in vain
/// costs a small file as much as its own.
const LEAST: usize = 4096;

/// Copies all of `src` to the start of the empty file `dst` and returns the digest and the number
/// of the bytes copied. Holes stay holes. A source that is cut short or grows meanwhile gives
/// what was read.
pub fn copy_hashing(
    (src, src_path): (&File, &Path),
    (dst, dst_path): (&File, &Path),
    meter: &Meter,
) -> Result<(Digest, u64), PathError> {
    if let Some(copied) = copy_by_all((src, src_path), (dst, dst_path), meter)? {
        return Ok(copied);
    }
    thread_local! {
        // A fresh one for each of ten thousand small files costs more than their bytes.
        static BUFFER_HERE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER_HERE.with_borrow_mut(|buffer| {
        if buffer.len() < LEAST {
            buffer.resize(LEAST, 0);
        }
        copy_through(buffer, (src, src_path), (dst, dst_path), meter)
    })
}

/// Copies a large file without holes by all threads: hashing takes a third of the time that
/// writing takes, and one thread writes while another hashes. `None` where that is nothing for
/// this file, or if it did not keep its size; what was written then is of no account.
fn copy_by_all(
    (src, src_path): (&File, &Path),
    (dst, dst_path): (&File, &Path),
    meter: &Meter,
) -> Result<Option<(Digest, u64)>, PathError> {
    let (data, end) = next_data(src, 0).context("read", src_path)?;
    if data > 0 || !(PARALLEL_FROM..u64::MAX).contains(&end) {
        return Ok(None);
    }
    let size = rustix::fs::seek(src, SeekFrom::End(0)).context("read", src_path)?;
    if size != end {
        return Ok(None);
    }
    match hash_copying((src, src_path), size, (dst, dst_path), meter) {
        Ok(digest) => Ok(Some((digest, size))),
        Err(HashError::Io(error)) => Err(error),
        Err(_) => {
            rustix::fs::ftruncate(dst, 0).context("write", dst_path)?;
            Ok(None)
        }
    }
}

fn copy_through(
    buffer: &mut Vec<u8>,
    (src, src_path): (&File, &Path),
    (dst, dst_path): (&File, &Path),
    meter: &Meter,
) -> Result<(Digest, u64), PathError> {
    let mut hasher = Hasher::new();
    let mut at = 0;
    let mut ends_in_hole = false;
    loop {
        let (data, end) = next_data(src, at).context("read", src_path)?;
        if data > at {
            hash_zeros(&mut hasher, data - at, buffer, meter);
            (at, ends_in_hole) = (data, true);
        }
        let before = at;
        while at < end {
            let room = usize::try_from(end - at).map_or(BUFFER, |left| left.min(BUFFER));
            if buffer.len() < room {
                buffer.resize(room, 0);
            }
            let count = read_at(src, &mut buffer[..room], at).context("read", src_path)?;
            if count == 0 {
                break;
            }
            hasher.update_here(&buffer[..count]);
            dst.write_all_at(&buffer[..count], at)
                .context("write", dst_path)?;
            at += count as u64;
            meter.add_done(count as u64);
            ends_in_hole = false;
        }
        if at == before {
            break;
        }
    }
    if ends_in_hole {
        rustix::fs::ftruncate(dst, at).context("write", dst_path)?;
    }
    Ok((hasher.finish(), at))
}

/// Makes `dst` share the content of `src`. Fails where the file system cannot do it, or where the
/// two lie on different ones.
pub fn reflink(src: &File, dst: &File) -> io::Result<()> {
    rustix::fs::ioctl_ficlone(dst, src).map_err(Into::into)
}

/// Returns where data starts at or after `at`, and where that data ends at the earliest. At the
/// end of the file both are its end.
fn next_data(file: &File, at: u64) -> io::Result<(u64, u64)> {
    use rustix::io::Errno;
    let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data,
        Err(Errno::NXIO) => {
            let end = rustix::fs::seek(file, SeekFrom::End(0))?.max(at);
            return Ok((end, end));
        }
        // A file system that knows no holes: everything is data, until reading ends.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok((at, u64::MAX)),
        Err(error) => return Err(error.into()),
    };
    match rustix::fs::seek(file, SeekFrom::Hole(data)) {
        Ok(hole) => Ok((data, hole)),
        Err(Errno::NXIO) => Ok((data, data)),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok((data, u64::MAX)),
        Err(error) => Err(error.into()),
    }
}

fn hash_zeros(hasher: &mut Hasher, mut count: u64, buffer: &mut [u8], meter: &Meter) {
    buffer.fill(0);
    while count > 0 {
        let part = usize::try_from(count).map_or(buffer.len(), |count| count.min(buffer.len()));
        hasher.update_here(&buffer[..part]);
        meter.add_done(part as u64);
        count -= part as u64;
    }
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Staged, open_file};
    use ibid_testkit::TempDir;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_copy_has_the_bytes_the_digest_and_the_holes() {
        let dir = TempDir::new();
        let body: Vec<u8> = (0..700_000_u32).map(|i| (i % 251) as u8).collect();
        for (hole_before, hole_after) in [(0, 0), (8 << 20, 0), (0, 8 << 20), (4 << 20, 4 << 20)] {
            let source = Staged::create(dir.path()).unwrap();
            source.file().write_all_at(&body, hole_before).unwrap();
            let size = hole_before + 700_000 + hole_after;
            source.file().set_len(size).unwrap();
            let target = Staged::create(dir.path()).unwrap();
            let from = open_file(source.path()).unwrap();
            let meter = Meter::new();
            let (digest, copied) = copy_hashing(
                (&from, source.path()),
                (target.file(), target.path()),
                &meter,
            )
            .unwrap();
            assert_eq!((copied, meter.done()), (size, size));
            let mut whole = vec![0; usize::try_from(size).unwrap()];
            whole[usize::try_from(hole_before).unwrap()..][..body.len()].copy_from_slice(&body);
            assert_eq!(digest, Digest::of(&whole));
            let copy = open_file(target.path()).unwrap();
            let read = crate::fs::read_limited((&copy, target.path()), size, size).unwrap();
            assert_eq!(read, whole);
            let blocks = |file: &File| file.metadata().unwrap().blocks();
            assert!(blocks(&copy) <= blocks(&from).max(2_000));
        }
    }

    #[test]
    fn a_large_file_is_copied_by_all_threads_to_the_same_bytes() {
        let dir = TempDir::new();
        for size in [(1 << 20) - 1, 1 << 20, 5_000_003] {
            let body: Vec<u8> = (0..size).map(|i: u32| (i * 31 % 251) as u8).collect();
            let source = Staged::create(dir.path()).unwrap();
            source.file().write_all_at(&body, 0).unwrap();
            let target = Staged::create(dir.path()).unwrap();
            let (from, meter) = (open_file(source.path()).unwrap(), Meter::new());
            let to = (target.file(), target.path());
            let copied = copy_hashing((&from, source.path()), to, &meter).unwrap();
            assert_eq!(copied, (Digest::of(&body), u64::from(size)));
            assert_eq!(meter.done(), u64::from(size));
            let copy = open_file(target.path()).unwrap();
            let limit = u64::from(size);
            let read = crate::fs::read_limited((&copy, target.path()), limit, limit);
            assert_eq!(read.unwrap(), body);
        }
    }

    #[test]
    fn an_empty_file_is_copied() {
        let dir = TempDir::new();
        let (a, b) = (
            Staged::create(dir.path()).unwrap(),
            Staged::create(dir.path()).unwrap(),
        );
        let from = open_file(a.path()).unwrap();
        let copied = copy_hashing((&from, a.path()), (b.file(), b.path()), &Meter::new());
        assert_eq!(copied.unwrap(), (Digest::of(b""), 0));
    }
}
