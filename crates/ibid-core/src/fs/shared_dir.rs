//! Directories that several users write in, from the first moment on.
//!
//! A directory gets its group and its mode before it gets its name, by calls on its handle: the
//! umask has no say (hazard U1), nobody meets it half made, and no link that somebody put there
//! meanwhile is followed (hazard G2).

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags};
use rustix::io::Errno;

use super::{Dir, Facts, IoContext as _, PathError, random_name, rename_new};

/// What a shared directory looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirPolicy {
    /// Its permission bits, exactly.
    pub mode: u32,
    /// Its group, where it is to have another than what the system gives it.
    pub group: Option<u32>,
}

/// Makes the directory `path`; one that is there is left as it is. It is prepared in `stage_in`,
/// on the same file system; without that, others may meet it before they may enter it.
pub fn create_shared_dir(
    path: &Path,
    policy: DirPolicy,
    stage_in: Option<&Path>,
) -> Result<(), PathError> {
    let staged = stage_in.map(|dir| dir.join(random_name()));
    let Some(staged) = staged else {
        return prepare(path, policy).map(drop);
    };
    match prepare(&staged, policy) {
        Ok(_) => {}
        // There is no such place, or not for us.
        Err(_) => return prepare(path, policy).map(drop),
    }
    let renamed = rename_new(&staged, path);
    if !matches!(renamed, Ok(true)) {
        let _ = rustix::fs::rmdir(&staged);
    }
    match renamed {
        Err(error) if error.is_absent() => Err(error),
        // NFS renames directories only with replacement.
        Err(_) => prepare(path, policy).map(drop),
        Ok(_) => Ok(()),
    }
}

/// Makes a directory and gives it its group and its mode. Says whether it is new.
fn prepare(path: &Path, policy: DirPolicy) -> Result<bool, PathError> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(false),
        Err(error) => return Err(error).context("create the directory", path),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty()).context("open", path)?;
    let dir = std::fs::File::from(dir);
    let group = Facts::of_open(&dir, path)?.group;
    give((dir.as_fd(), path), group, policy)?;
    Ok(true)
}

/// Gives an open directory its group and its mode.
pub fn set_policy(dir: &Dir, policy: DirPolicy) -> Result<(), PathError> {
    let group = dir.own_facts()?.group;
    give((dir.handle(), dir.path()), group, policy)
}

fn give(
    (dir, path): (BorrowedFd<'_>, &Path),
    found: u32,
    policy: DirPolicy,
) -> Result<(), PathError> {
    if let Some(group) = policy.group.filter(|group| *group != found) {
        // Who is no member cannot give it away, and then it is nobody's but its owner's.
        let _ = rustix::fs::fchown(dir, None, Some(Gid::from_raw(group)));
    }
    // After the group: changing that takes the bit away that hands it down.
    rustix::fs::fchmod(dir, Mode::from_raw_mode(policy.mode)).context("set the mode of", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Signature, list_dir};
    use ibid_testkit::TempDir;

    const POLICY: DirPolicy = DirPolicy {
        mode: 0o2770,
        group: None,
    };

    #[test]
    fn a_shared_directory_has_its_mode_and_leaves_nothing_beside_it() {
        let dir = TempDir::new();
        for stage_in in [None, Some(dir.path())] {
            let path = dir.join("made");
            for _ in 0..2 {
                create_shared_dir(&path, POLICY, stage_in).unwrap();
                assert_eq!(Signature::of(&path).unwrap().mode & 0o7777, 0o2770);
            }
            assert_eq!(list_dir(dir.path()).unwrap().len(), 1);
            rustix::fs::rmdir(&path).unwrap();
        }
        let far = create_shared_dir(&dir.join("a/b"), POLICY, Some(dir.path())).unwrap_err();
        assert!(far.is_absent());
        assert!(list_dir(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn a_link_that_has_the_name_is_left_alone() {
        let dir = TempDir::new();
        let target = dir.join("target");
        create_shared_dir(
            &target,
            DirPolicy {
                mode: 0o700,
                ..POLICY
            },
            None,
        )
        .unwrap();
        rustix::fs::symlink(&target, dir.join("link")).unwrap();
        create_shared_dir(&dir.join("link"), POLICY, Some(dir.path())).unwrap();
        assert_eq!(Signature::of(&target).unwrap().mode & 0o7777, 0o700);
    }
}
