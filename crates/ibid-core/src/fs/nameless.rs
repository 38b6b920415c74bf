//! Files that have no name before they are whole.
//!
//! Invariants: what is not linked by `link_open` is gone with its last descriptor, so nothing is
//! left behind and nothing has to be removed; a file is whole only if its writes and, where that can
//! fail, a `close` were checked (hazard E1), which a second descriptor is there for: the first is
//! needed for linking. Many network file systems know no such files.

use std::fs::File;
use std::io::{self, Write as _};

use rustix::fs::{Mode, OFlags, RawMode};

use super::{Dir, FileSystemKind, close_checked};

impl Dir {
    /// Makes a file without a name on the file system of the directory, for writing, with the
    /// permission bits that the umask leaves of `mode`.
    pub fn create_nameless(&self, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode as RawMode);
        let opened = rustix::fs::openat(self.handle(), c".", flags, mode);
        opened.map(File::from).map_err(io::Error::from)
    }
}

/// Writes the whole content of a new file, and has a file system of this kind check it as `close`
/// does.
pub fn write_whole(file: &mut File, bytes: &[u8], on: FileSystemKind) -> io::Result<()> {
    whole_by(file, bytes, on, close_checked)
}

fn whole_by(
    file: &mut File,
    bytes: &[u8],
    on: FileSystemKind,
    close: impl FnOnce(File) -> io::Result<()>,
) -> io::Result<()> {
    file.write_all(bytes)?;
    if on.closes_silently() {
        return Ok(());
    }
    close(file.try_clone()?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ibid_testkit::TempDir;
    use rustix::io::Errno;

    use super::*;
    use crate::fs::{Signature, link_open, list_dir};

    #[test]
    fn a_write_that_fails_when_the_file_is_closed_fails_where_closing_tells() {
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        let whole = |kind| {
            let mut file = dir.create_nameless(0o444).unwrap();
            whole_by(&mut file, b"content", kind, |_| Err(Errno::IO.into()))
        };
        for kind in [FileSystemKind::Unknown, FileSystemKind::Network] {
            assert!(whole(kind).is_err());
        }
        assert!(whole(FileSystemKind::Local).is_ok());
    }

    #[test]
    fn a_file_without_a_name_is_whole_once_it_has_one_and_gone_without() {
        for kind in [FileSystemKind::Local, FileSystemKind::Unknown] {
            is_whole_with_a_name_and_gone_without(kind);
        }
    }

    fn is_whole_with_a_name_and_gone_without(kind: FileSystemKind) {
        let temp = TempDir::new();
        let dir = Dir::open(temp.path()).unwrap();
        let mut file = dir.create_nameless(0o444).unwrap();
        write_whole(&mut file, b"content", kind).unwrap();
        assert_eq!(list_dir(temp.path()).unwrap(), []);
        link_open(&file, dir.handle(), Path::new("name")).unwrap();
        let seen = Signature::of_open(&file, temp.path()).unwrap();
        assert_eq!(Signature::of_link(&temp.join("name")).unwrap(), seen);
        assert_eq!((seen.mode & 0o7777, seen.size, seen.links), (0o444, 7, 1));
        let second = dir.create_nameless(0o444).unwrap();
        assert!(link_open(&second, dir.handle(), Path::new("name")).is_err());
        drop(second);
        assert_eq!(list_dir(temp.path()).unwrap().len(), 1);
    }
}
