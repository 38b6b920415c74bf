//! Folders of one user below a parent that everybody may write, such as `/var/tmp`.

use std::io;
use std::path::Path;

use rustix::fs::{FileType, Mode, RawMode};
use rustix::io::Errno;

use super::{IoContext as _, PathError};

/// Makes the folder `path` with mode 0700, or accepts what stands there if it is a folder (not a
/// link), belongs to `user` and is closed to everybody else.
///
/// Anybody could have made it first, so a folder that fails this must not be used at all.
pub fn make_private_dir(path: &Path, user: u32) -> Result<(), PathError> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).context("make the folder", path),
    }
    let stat = rustix::fs::lstat(path).context("look at", path)?;
    let refuse = |reason: &str| Err(io::Error::other(reason)).context("use the folder", path);
    if FileType::from_raw_mode(stat.st_mode as RawMode) != FileType::Directory {
        return refuse("not a folder");
    }
    if stat.st_uid != user {
        return refuse("it belongs to another user");
    }
    if stat.st_mode & 0o077 != 0 {
        return refuse("other users may enter it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ibid_testkit::TempDir;

    use super::*;

    #[test]
    fn only_an_own_closed_folder_is_used() {
        let temp = TempDir::new();
        let user = rustix::process::geteuid().as_raw();
        let dir = temp.join("private");
        make_private_dir(&dir, user).unwrap();
        make_private_dir(&dir, user).unwrap();
        assert!(make_private_dir(&dir, user + 1).is_err());

        let link = temp.join("link");
        rustix::fs::symlink(&dir, &link).unwrap();
        assert!(make_private_dir(&link, user).is_err());

        rustix::fs::chmod(&dir, Mode::from(0o710)).unwrap();
        assert!(make_private_dir(&dir, user).is_err());
    }
}
