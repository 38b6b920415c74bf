//! `Mount`: file systems of a test's own: memory of a given size, images of ext4, XFS, btrfs, ext2.
//!
//! A mount lies in the mount namespace of the thread that made it, and of threads and processes
//! that this thread starts afterwards; other tests, and the machine, never see it. It is undone
//! on drop, and by the kernel where the process is killed. Loop devices clear themselves with the
//! last mount that uses them.

use std::cell::Cell;
use std::ffi::CString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::mount::{mount, mount_change, mount_remount, unmount};

use crate::{TempDir, component, skipped};

/// A mounted file system, unmounted on drop.
#[derive(Debug)]
pub struct Mount {
    /// Where it is mounted.
    path: PathBuf,
    /// Holds the folder that it covers, and its image.
    dir: TempDir,
    /// The image, if it has one.
    image: Option<PathBuf>,
}

/// Says whether the calling test may mount. Where not, the test is named as skipped.
///
/// # Panics
/// In CI (`CI=true`), where a missing right is a mistake of the set-up.
pub fn may_mount() -> bool {
    match own_mounts() {
        Ok(()) => true,
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none_or(|value| value != "true"),
                "tests of full disks mount file systems: {error}"
            );
            skipped("only root may mount");
            false
        }
    }
}

/// Mounts memory of `bytes`, with at most `inodes` files and folders. `None` where the test is to
/// return: `let Some(disk) = tmpfs(1 << 20, None) else { return };`.
///
/// # Panics
/// Where mounting fails for another reason than a missing right.
pub fn tmpfs(bytes: u64, inodes: Option<u64>) -> Option<Mount> {
    if !may_mount() {
        return None;
    }
    let dir = TempDir::new();
    let path = covered(&dir);
    let inodes = inodes.map_or(String::new(), |count| format!(",nr_inodes={count}"));
    let options = CString::new(format!("mode=0755,size={bytes}{inodes}")).expect("no NUL");
    mount("tmpfs", &path, "tmpfs", MountFlags::empty(), &*options).expect("root may mount memory");
    Some(Mount {
        path,
        dir,
        image: None,
    })
}

/// Makes an image of `megabytes` with the file system `fs` (`ext4`, `ext2`, `xfs`, `btrfs`) and
/// mounts it. XFS takes no less than 300, btrfs no less than 114. `None` where the test is to
/// return, since `mkfs.<fs>` or the right to mount is missing.
///
/// # Panics
/// Where the image cannot be made or mounted, and in CI where something is missing.
pub fn image(fs: &str, megabytes: u64) -> Option<Mount> {
    image_with(fs, megabytes, &[])
}

/// Like [`image`], with further arguments for `mkfs.<fs>`, as `["-N", "64"]`.
///
/// # Panics
/// As [`image`].
pub fn image_with(fs: &str, megabytes: u64, arguments: &[&str]) -> Option<Mount> {
    let program = component(&format!("mkfs.{fs}"))?;
    if !may_mount() {
        return None;
    }
    let dir = TempDir::new();
    let file = dir.join("image");
    let image = File::create(&file).expect("the temporary directory is writable");
    image
        .set_len(megabytes << 20)
        .expect("a file may have holes");
    let made = Command::new(program)
        .args(arguments)
        .arg("-q")
        .arg(&file)
        .output()
        .expect("mkfs can be started");
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "mkfs.{fs}: {told}");
    Some(mounted(dir, file, "").expect("a fresh image can be mounted"))
}

/// Mounts a copy of an image that lies somewhere, as a crash would have left it. `options` are
/// those of `mount -o`, such as `data=writeback`. `Err` says why it cannot be mounted, which is
/// the file system's own affair.
///
/// # Panics
/// Where the image cannot be copied or `mount` not be started. See [`may_mount`] first.
pub fn mount_image(image: &Path, options: &str) -> Result<Mount, String> {
    let dir = TempDir::new();
    let file = dir.join("image");
    std::fs::copy(image, &file).expect("the temporary directory is writable");
    mounted(dir, file, options)
}

fn mounted(dir: TempDir, image: PathBuf, options: &str) -> Result<Mount, String> {
    own_mounts().map_err(|error| error.to_string())?;
    let path = covered(&dir);
    attach(&image, &path, options)?;
    Ok(Mount {
        path,
        dir,
        image: Some(image),
    })
}

/// Mounts an image by a loop device that goes with the mount.
fn attach(image: &Path, path: &Path, options: &str) -> Result<(), String> {
    let with = ["loop", options]
        .map(str::to_owned)
        .into_iter()
        .filter(|option| !option.is_empty());
    let with: Vec<_> = with.collect();
    let tried = Command::new("mount")
        .arg("-o")
        .arg(with.join(","))
        .args([image, path])
        .output()
        .expect("mount can be started");
    if tried.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&tried.stderr).trim().to_owned())
    }
}

/// Returns a fresh folder for a mount to cover.
fn covered(dir: &TempDir) -> PathBuf {
    let path = dir.join("mounted");
    std::fs::create_dir(&path).expect("a fresh directory is writable");
    path
}

impl Mount {
    /// Returns where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a path below it.
    pub fn join(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path.join(below)
    }

    /// Returns the image that it lies on, if it has one.
    pub fn image(&self) -> Option<&Path> {
        self.image.as_deref()
    }

    /// Returns a folder that goes with the mount and does not lie on it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Lets nobody write any more.
    ///
    /// # Panics
    /// Where a file is still open for writing.
    pub fn read_only(&self) {
        mount_remount(&self.path, MountFlags::RDONLY, c"").expect("nobody is writing");
    }

    /// Takes [`Self::read_only`] back.
    ///
    /// # Panics
    /// Where the file system has found itself damaged.
    pub fn read_write(&self) {
        mount_remount(&self.path, MountFlags::empty(), c"").expect("it was writable before");
    }

    /// Writes `fill` until not even one byte more fits. Removing that file makes room again.
    ///
    /// # Panics
    /// Where not even an empty file can be made.
    pub fn fill(&self) -> PathBuf {
        let path = self.join("fill");
        let mut file = File::create(&path).expect("an empty file still fits");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![b'.'; size];
            while std::io::Write::write_all(&mut file, &piece).is_ok() {}
        }
        // Space that is only promised is taken when it is written back.
        let _ = file.sync_all();
        path
    }

    /// Unmounts it and mounts it again: what the kernel remembered of its files is gone.
    ///
    /// # Panics
    /// Where it has no image, or where a file on it is still in use.
    pub fn again(&self) {
        let image = self.image().expect("memory is gone once unmounted");
        unmount(&self.path, UnmountFlags::empty()).expect("nobody uses it");
        attach(image, &self.path, "").expect("it was mounted before");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Detached, so that a process that still has a file open does not keep it in its place.
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

thread_local! {
    static OWN_MOUNTS: Cell<bool> = const { Cell::new(false) };
}

/// Gives the calling thread a mount namespace of its own, once.
fn own_mounts() -> rustix::io::Result<()> {
    if OWN_MOUNTS.get() {
        return Ok(());
    }
    leave_shared_mounts()?;
    // A machine that shares its mounts with new namespaces would otherwise see those of the test.
    let kept = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", kept)?;
    OWN_MOUNTS.set(true);
    Ok(())
}

#[expect(unsafe_code, reason = "one call, safe for what it leaves")]
fn leave_shared_mounts() -> rustix::io::Result<()> {
    // SAFETY: only the table of mounts and the current folder are left, no table of descriptors:
    // what other threads opened stays usable here and there.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loop devices that images of this process use.
    fn loops(dir: &Path) -> usize {
        let devices = std::fs::read_dir("/sys/block").into_iter().flatten();
        let files = devices.flatten().filter_map(|device| {
            std::fs::read_to_string(device.path().join("loop/backing_file")).ok()
        });
        let dir = dir.to_string_lossy().into_owned();
        files.filter(|file| file.starts_with(&dir)).count()
    }

    #[test]
    fn memory_ends_where_it_is_told_to_and_goes_on_drop() {
        let Some(disk) = tmpfs(1 << 20, Some(4)) else {
            return;
        };
        let path = disk.path().to_owned();
        let fill = disk.fill();
        let size = std::fs::metadata(&fill).expect("it was made").len();
        assert_eq!(size, 1 << 20);
        std::fs::remove_file(fill).expect("it was made");
        for name in ["a", "b", "c"] {
            File::create(disk.join(name)).expect("three files and the root fit");
        }
        assert!(File::create(disk.join("d")).is_err());
        disk.read_only();
        assert!(File::create(disk.join("a")).is_err());
        disk.read_write();
        File::create(disk.join("a")).expect("writable again");
        drop(disk);
        assert!(!path.exists());
    }

    #[test]
    fn images_of_each_file_system_mount_again_and_leave_no_loop_device() {
        for (fs, megabytes) in [("ext4", 16), ("ext2", 16), ("xfs", 300), ("btrfs", 128)] {
            let Some(disk) = image(fs, megabytes) else {
                return;
            };
            std::fs::write(disk.join("kept"), fs).expect("a fresh image is writable");
            disk.again();
            let kept = std::fs::read_to_string(disk.join("kept"));
            assert_eq!(kept.expect("it was written"), fs);
            let dir = disk
                .path()
                .parent()
                .expect("it lies in a folder")
                .to_owned();
            assert_eq!(loops(&dir), 1, "{fs}");
            // As a power cut would leave it.
            let cut = TempDir::new();
            std::fs::copy(disk.image().expect("it has one"), cut.join("image"))
                .expect("an image can be copied");
            drop(disk);
            let copy = mount_image(&cut.join("image"), "").expect("it recovers");
            let kept = std::fs::read_to_string(copy.join("kept"));
            assert_eq!(kept.expect("it was written"), fs);
            assert_eq!(loops(&dir), 0, "{fs}");
        }
    }
}
