//! Reading what was just listed: files of an open directory by their one name, in as few calls as
//! that takes.
//!
//! Invariants: no link is followed, and nothing is waited for. Whether what was opened is a regular
//! file is not asked where its size was listed: whoever gets other bytes than are expected looks at
//! it with care.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::list::entries;
use super::{Dir, Facts, FileKind, IoContext as _, PathError, witness};

/// Opened without following and without waiting.
const QUIETLY: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

impl Dir {
    /// Goes through the names in the directory, in no order, and looks at none of them.
    pub fn each_name(&self, mut visit: impl FnMut(&[u8])) -> Result<(), PathError> {
        witness::unlike_any(self.path());
        let listed = rustix::fs::Dir::read_from(self.handle()).context("list", self.path())?;
        for entry in entries(listed, self.path()) {
            visit(entry?.file_name().to_bytes());
        }
        Ok(())
    }

    fn open_quietly(&self, name: &[u8]) -> Option<OwnedFd> {
        witness::unlike_any(self.path());
        rustix::fs::openat(self.handle(), name, QUIETLY, Mode::empty()).ok()
    }

    /// Reads a file of the directory that was listed with this size; `None` where it has another
    /// by now, or cannot be read.
    pub fn read_listed(&self, name: &[u8], size: u64) -> Option<Vec<u8>> {
        let file = self.open_quietly(name)?;
        read_whole(&file, size)
    }

    /// Looks at a file of the directory and reads it, at most `limit` bytes; nothing there, or
    /// something else than a regular file of such a size, is `None`.
    pub fn read_looked_at(&self, name: &[u8], limit: u64) -> Option<(Vec<u8>, Facts)> {
        let file = self.open_quietly(name)?;
        let wanted = StatxFlags::BASIC_STATS;
        let stat = rustix::fs::statx(&file, c"", AtFlags::EMPTY_PATH, wanted).ok()?;
        let facts = Facts::from_statx(&stat);
        let size = facts.signature.size;
        if facts.signature.kind() != FileKind::File || size > limit {
            return None;
        }
        read_whole(&file, size).map(|bytes| (bytes, facts))
    }
}

/// Reads so many bytes and the end of the file, in one call as a rule.
fn read_whole(file: impl std::os::fd::AsFd, size: u64) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok()?;
    let mut bytes = vec![0; size.checked_add(1)?];
    let mut done = 0;
    while done <= size {
        match rustix::io::read(&file, &mut bytes[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        // A regular file gives less than was asked for only at its end.
        if done == size {
            break;
        }
    }
    bytes.truncate(done);
    (done == size).then_some(bytes)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
mod tests {
    use ibid_testkit::TempDir;

    use super::*;

    #[test]
    fn only_a_file_of_the_listed_size_is_read() {
        let dir = TempDir::new();
        std::fs::write(dir.join("file"), b"content").unwrap();
        std::fs::write(dir.join("empty"), b"").unwrap();
        std::fs::create_dir(dir.join("folder")).unwrap();
        std::os::unix::fs::symlink("file", dir.join("link")).unwrap();
        let opened = Dir::open(dir.path()).unwrap();
        assert_eq!(opened.read_listed(b"file", 7).unwrap(), b"content");
        assert_eq!(opened.read_listed(b"empty", 0).unwrap(), b"");
        for (name, size) in [
            ("file", 6),
            ("file", 8),
            ("folder", 7),
            ("link", 7),
            ("none", 0),
        ] {
            assert_eq!(
                opened.read_listed(name.as_bytes(), size),
                None,
                "{name} {size}"
            );
        }
        let (bytes, facts) = opened.read_looked_at(b"file", 7).unwrap();
        assert_eq!((&*bytes, facts.signature.size), (b"content".as_slice(), 7));
        for (name, limit) in [("file", 6), ("folder", 99), ("link", 99), ("none", 99)] {
            assert_eq!(
                opened.read_looked_at(name.as_bytes(), limit),
                None,
                "{name} {limit}"
            );
        }
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let dir = TempDir::new();
        let path = dir.join("fifo");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, Mode::RUSR, 0).unwrap();
        let opened = Dir::open(dir.path()).unwrap();
        assert_eq!(opened.read_listed(b"fifo", 7), None);
        assert_eq!(opened.read_looked_at(b"fifo", 7), None);
    }
}
