//! A temporary file without a name: it cannot outlive the process, whatever ends it.

use std::fs::File;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::{IoContext as _, PathError, random_name};

/// Opens an empty file in `dir`, for reading and writing, that has no name any more.
pub fn unnamed_file(dir: &Path) -> Result<File, PathError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(CWD, dir, flags | OFlags::TMPFILE, mode) {
        Ok(file) => Ok(file.into()),
        // NFS, overlays and old kernels do not know it. Which errno says so differs among them.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NOENT) => {
            named_then_unlinked(dir, flags, mode)
        }
        Err(error) => Err(error).context("make a temporary file in", dir),
    }
}

fn named_then_unlinked(dir: &Path, flags: OFlags, mode: Mode) -> Result<File, PathError> {
    let path = dir.join(format!("spool-{}", random_name()));
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(CWD, &path, flags, mode).context("create", &path)?;
    rustix::fs::unlinkat(CWD, &path, rustix::fs::AtFlags::empty()).context("remove", &path)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};

    use ibid_testkit::TempDir;

    use super::*;

    fn is_writable_and_leaves_no_name(dir: &TempDir, mut file: File) {
        file.write_all(b"kept").unwrap();
        file.rewind().unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"kept");
        let names = rustix::fs::Dir::read_from(
            rustix::fs::openat(CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap(),
        )
        .unwrap()
        .count();
        assert_eq!(names, 2, "only `.` and `..`");
    }

    #[test]
    fn an_unnamed_file_has_content_and_no_name() {
        let dir = TempDir::new();
        is_writable_and_leaves_no_name(&dir, unnamed_file(dir.path()).unwrap());
    }

    #[test]
    fn where_the_kernel_cannot_the_name_is_removed_at_once() {
        let dir = TempDir::new();
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let file = named_then_unlinked(dir.path(), flags, Mode::RUSR | Mode::WUSR).unwrap();
        is_writable_and_leaves_no_name(&dir, file);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = TempDir::new();
        let error = unnamed_file(&dir.join("absent")).unwrap_err();
        assert!(error.is_absent());
        assert!(error.path.starts_with(dir.join("absent")));
    }
}
