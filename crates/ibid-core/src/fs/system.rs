//! Facts about this host and about a file system: who it is, and what its timestamps are worth.
//!
//! Owns the magic numbers, and the two system calls that no library wraps: `FS_IOC_GETFSUUID`
//! and `cachestat(2)`. It decides nothing; [`crate::scan`] draws the conclusions. Whatever the
//! kernel does not tell is unknown, never an error.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::Path;
use std::sync::OnceLock;

use super::{IoContext as _, PathError, open_any, read_once, read_start};
use crate::digest::Digest;

/// Which machine this is, and since when it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The host's name.
    pub name: String,
    /// What the kernel drew at boot; empty where it does not tell.
    pub boot_id: String,
    /// What the installation drew; empty where there is none.
    pub machine_id: String,
}

impl Host {
    /// Asks the kernel and the installation.
    pub fn this() -> Self {
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            name,
            boot_id: boot_id().to_owned(),
            machine_id: machine_id().to_owned(),
        }
    }
}

/// Returns what the kernel drew at boot, or nothing where it does not tell. It is read once in the
/// life of a process, which no boot outlives.
pub fn boot_id() -> &'static str {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| first_line("/proc/sys/kernel/random/boot_id").unwrap_or_default())
}

/// Returns the id of this installation, or nothing where there is none. It is read once in the life
/// of a process, whose name for others hangs on it.
pub fn machine_id() -> &'static str {
    static MACHINE_ID: OnceLock<String> = OnceLock::new();
    MACHINE_ID.get_or_init(|| {
        let mut files = ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter();
        files.find_map(first_line).unwrap_or_default()
    })
}

/// Returns how many bytes of memory the processes of this control group may use together, if that
/// is known: what the machine has, or less where the group or one above it is limited.
pub fn memory_limit() -> Option<u64> {
    const CGROUPS: &str = "/sys/fs/cgroup";
    let groups = read_start(Path::new("/proc/self/cgroup"), 1 << 16).unwrap_or_default();
    let groups = String::from_utf8_lossy(&groups).into_owned();
    // The group of version 2; a container may see itself at the root.
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let limits = Path::new(own.unwrap_or_default())
        .ancestors()
        .map(|group| Path::new(CGROUPS).join(group).join("memory.max"))
        .filter_map(|path| first_line(&path.to_string_lossy())?.parse().ok());
    limits.chain(machine_memory()).min()
}

/// Returns how many files this process may have open at once, or `None` where there is no limit.
pub fn open_files_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

fn machine_memory() -> Option<u64> {
    let start = read_start(Path::new("/proc/meminfo"), 1 << 12).ok()?;
    memory_total(std::str::from_utf8(&start).ok()?)
}

/// Reads the line `MemTotal:       16303428 kB`.
fn memory_total(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let total = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes = total.trim().strip_suffix("kB")?.trim();
    kibibytes.parse::<u64>().ok()?.checked_mul(1024)
}

fn first_line(path: &str) -> Option<String> {
    let mut buffer = [0; 256];
    let start = read_once(Path::new(path), &mut buffer).ok()?;
    let line = std::str::from_utf8(start).ok()?.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Identifies a file system: 16 bytes of a hash of its uuid, or of its device and the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileSystemId([u8; 16]);

impl FileSystemId {
    /// Hashes what identifies the file system.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        let digest = Digest::of(&bytes);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.as_bytes()[..16]);
        Self(id)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What sort of file system it is, seen from what `stat` may be believed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileSystemKind {
    /// ext2 to ext4, XFS: kept on this host, and `cachestat` tells its dirty pages.
    Local,
    /// btrfs: as `Local`, and several trees may share one uuid.
    Btrfs,
    /// Kept on this host; whether `cachestat` tells its dirty pages is not known.
    LocalOther,
    /// Layers over others: `cachestat` is blind here.
    Overlay,
    /// Kept in memory only: a store through a mapping moves no timestamp, ever.
    Memory,
    /// Kept elsewhere or by a process: attributes may be old.
    Network,
    /// Nobody knows.
    Unknown,
}

impl FileSystemKind {
    /// Asks what sort of file system `path` lies on; links are followed, and nothing is opened.
    pub fn of(path: &Path) -> Result<Self, PathError> {
        let facts = rustix::fs::statfs(path).context("look at the file system of", path)?;
        Ok(Self::from_facts(&facts))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "magic numbers have 32 bits, in words of several widths"
    )]
    fn from_facts(facts: &rustix::fs::StatFs) -> Self {
        Self::from_magic(facts.f_type as u32)
    }

    /// Classifies the magic number that `statfs` returns.
    pub const fn from_magic(magic: u32) -> Self {
        match magic {
            // ext2 to ext4 share one number; then XFS.
            0xef53 | 0x5846_5342 => Self::Local,
            0x9123_683e => Self::Btrfs,
            // f2fs, ZFS, bcachefs, JFS.
            0xf2f5_2010 | 0x2fc1_2fc1 | 0xca45_1a4e | 0x3153_464a => Self::LocalOther,
            0x794c_7630 => Self::Overlay,
            // tmpfs, ramfs, hugetlbfs.
            0x0102_1994 | 0x8584_58f6 | 0x9584_58f6 => Self::Memory,
            // NFS, CIFS, SMB, SMB2, Lustre, FUSE, 9p, GPFS, BeeGFS, Ceph, AFS, kAFS, Coda, PanFS,
            // OrangeFS, OCFS2, GFS2, VirtualBox and VMware shares.
            0x6969 | 0xff53_4d42 | 0x517b | 0xfe53_4d42 | 0x0bd0_0bd0 | 0x6573_5546
            | 0x0102_1997 | 0x4750_4653 | 0x1983_0326 | 0x00c3_6400 | 0x5346_414f | 0x6b41_4653
            | 0x7375_7245 | 0xaad7_aaea | 0x2003_0528 | 0x7461_636f | 0x0116_1970 | 0x786f_4256
            | 0xbacb_acbc => Self::Network,
            _ => Self::Unknown,
        }
    }

    /// Says whether this very kernel stamps files here, and keeps a folder's stamps with its names.
    pub const fn is_stamped_here(self) -> bool {
        matches!(self, Self::Local | Self::Btrfs)
    }

    /// Says whether `close` does nothing here that can fail: the kernel asks no such file system, and
    /// what has no room was refused when it was written.
    pub const fn closes_silently(self) -> bool {
        matches!(self, Self::Local | Self::Btrfs | Self::Memory)
    }

    /// Says whether `cachestat` is known to tell dirty pages here.
    pub const fn tells_dirty_pages(self) -> bool {
        matches!(self, Self::Local | Self::Btrfs)
    }

    /// Says whether a uuid and an inode number name one file.
    const fn has_own_inodes(self) -> bool {
        matches!(self, Self::Local | Self::Btrfs | Self::LocalOther)
    }

    /// Says whether timestamps may be believed without asking the user.
    pub const fn keeps_stamps(self) -> bool {
        matches!(
            self,
            Self::Local | Self::Btrfs | Self::LocalOther | Self::Overlay
        )
    }
}

/// Timestamps of a kernel that counts in clock ticks lie at most this far apart.
const TICK_NANOS: u64 = 10_000_000;

/// FAT counts in two seconds; nothing in use is coarser.
pub const COARSEST_NANOS: u64 = 2_000_000_000;

/// What is known of one mounted file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Which one it is, across reboots where it has a uuid.
    pub id: FileSystemId,
    /// The device number of the files on it, while it is mounted.
    pub device: u64,
    /// What sort it is.
    pub kind: FileSystemKind,
    /// How far apart two stamps may lie that look the same, in nanoseconds.
    pub granularity: u64,
}

impl FileSystem {
    /// Looks at the file system that the open `file` lies on; `device` is that of its signature.
    pub fn of_open(file: impl AsFd, path: &Path, device: u64) -> Result<Self, PathError> {
        let facts = rustix::fs::fstatfs(&file).context("look at the file system of", path)?;
        let kind = match FileSystemKind::from_facts(&facts) {
            _ if is_exchangeable(&facts, device) => FileSystemKind::Unknown,
            kind => kind,
        };
        // Layers of an overlay number their inodes each for itself, so a device counts there.
        let uuid = uuid(&file).filter(|_| kind.has_own_inodes());
        let id = match uuid {
            Some(uuid) => FileSystemId::of(&[b"uuid", &uuid, &subvolume(&file, kind)]),
            None => FileSystemId::of(&[b"device", &device.to_le_bytes(), boot_id().as_bytes()]),
        };
        let granularity = match kind {
            FileSystemKind::Local | FileSystemKind::Btrfs => TICK_NANOS,
            _ => COARSEST_NANOS,
        };
        Ok(Self {
            id,
            device,
            kind,
            granularity,
        })
    }

    /// Looks at the file system of `path`, a regular file or directory that the caller may read;
    /// links are followed.
    pub fn of(path: &Path) -> Result<Self, PathError> {
        let (file, signature) = open_any(path)?;
        Self::of_open(&file, path, signature.device)
    }
}

/// Says whether what is mounted here later may differ in nothing but bytes: an image that is only
/// read. Builds that give the same image each time fix its uuid, the order of its inodes and their
/// stamps, and a loop device shows one after the other under one number.
#[expect(
    clippy::cast_sign_loss,
    reason = "flags are bits, in words of several widths"
)]
fn is_exchangeable(facts: &rustix::fs::StatFs, device: u64) -> bool {
    const LOOP: u32 = 7;
    let read_only = rustix::fs::StatVfsMountFlags::RDONLY.bits();
    rustix::fs::major(device) == LOOP && facts.f_flags as u64 & read_only != 0
}

/// Tells the subvolumes and snapshots of one btrfs apart, which share its uuid and their inode
/// numbers; what other local file systems return here may change at each boot.
fn subvolume(file: impl AsFd, kind: FileSystemKind) -> Vec<u8> {
    match (kind, rustix::fs::fstatvfs(file)) {
        (FileSystemKind::Btrfs, Ok(facts)) => facts.f_fsid.to_le_bytes().to_vec(),
        _ => Vec::new(),
    }
}

/// What the kernel's `struct fsuuid2` looks like.
#[repr(C)]
#[derive(Clone, Copy)]
struct FsUuid {
    length: u8,
    bytes: [u8; 16],
}

/// Asks for the uuid of the file system (Linux 6.9).
#[expect(unsafe_code, reason = "no library wraps FS_IOC_GETFSUUID")]
fn uuid(file: impl AsFd) -> Option<Vec<u8>> {
    const GET_UUID: rustix::ioctl::Opcode = rustix::ioctl::opcode::read::<FsUuid>(0x15, 0);
    // SAFETY: the opcode names exactly the size of `FsUuid`, all of whose bit patterns are valid,
    // and the kernel writes nothing beyond it.
    let answer = unsafe {
        let getter = rustix::ioctl::Getter::<GET_UUID, FsUuid>::new();
        rustix::ioctl::ioctl(file, getter)
    };
    let FsUuid { length, bytes } = answer.ok()?;
    let uuid = bytes.get(..usize::from(length))?;
    uuid.iter().any(|byte| *byte != 0).then(|| uuid.to_vec())
}

/// What the page cache holds of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedPages {
    /// Pages that differ from the disk.
    pub dirty: u64,
    /// Pages on their way to the disk.
    pub writeback: u64,
}

impl CachedPages {
    /// Says whether every page equals the disk, so that the next store moves mtime.
    pub const fn are_clean(self) -> bool {
        self.dirty == 0 && self.writeback == 0
    }
}

/// Asks `cachestat(2)` (Linux 6.5) about all pages of a file. `None` where the kernel does not
/// know the call or refuses it: it tells only of files that the caller may write.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[expect(unsafe_code, reason = "no library wraps cachestat(2)")]
pub fn cached_pages(file: &File) -> Option<CachedPages> {
    use std::ffi::{c_int, c_long, c_uint};
    const SYS_CACHESTAT: c_long = 451;
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    wait_for_writes(file);
    // Offset and length; a length of zero means to the end.
    let range = [0_u64; 2];
    // Cached, dirty, under write-back, evicted, recently evicted.
    let mut counts = [0_u64; 5];
    let descriptor: c_int = file.as_fd().as_raw_fd();
    // SAFETY: both arrays have the size and alignment of the kernel's structures and outlive the
    // call, which writes to the second one only.
    let status = unsafe {
        syscall(
            SYS_CACHESTAT,
            descriptor,
            range.as_ptr(),
            counts.as_mut_ptr(),
            0 as c_uint,
        )
    };
    (status == 0).then_some(CachedPages {
        dirty: counts[1],
        writeback: counts[2],
    })
}

/// Waits until no call that writes to the file is under way. Such a call stamps the file once, when
/// it begins, and may have to wait long for the bytes that it stores: until then no page is dirty,
/// and no stamp tells that one will be. It holds the inode, for which a search for data has to wait
/// on ext4 and btrfs, and reading on XFS.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn wait_for_writes(file: &File) {
    use rustix::fs::{SeekFrom, seek, tell};
    // Elsewhere nobody goes by the answer, and a search may ask a server.
    let facts = rustix::fs::fstatfs(file);
    if facts.is_ok_and(|facts| FileSystemKind::from_facts(&facts).tells_dirty_pages())
        && let Ok(at) = tell(file)
        && seek(file, SeekFrom::Data(0)).is_ok()
    {
        // Only its position was moved, and a position that was told can be gone to.
        let _ = seek(file, SeekFrom::Start(at));
    }
}

/// The call is known on Linux only.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub fn cached_pages(_file: &File) -> Option<CachedPages> {
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};

    use ibid_testkit::{SlowPage, TempDir};

    use super::*;

    #[test]
    fn only_file_systems_that_are_asked_nothing_close_silently() {
        let silent = |magic| FileSystemKind::from_magic(magic).closes_silently();
        // ext4, XFS, btrfs, tmpfs; then NFS, SMB2, FUSE, Lustre, layers and what nobody knows.
        assert!([0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994].map(silent) == [true; 4]);
        let others = [
            0x6969,
            0xfe53_4d42,
            0x6573_5546,
            0x0bd0_0bd0,
            0x794c_7630,
            7,
        ];
        assert!(others.map(silent) == [false; 6]);
    }

    #[test]
    fn the_memory_of_a_machine_is_read_in_kibibytes() {
        let text = "MemTotal:       16303428 kB\nMemFree:          131072 kB\n";
        assert_eq!(memory_total(text), Some(16_303_428 * 1024));
        assert_eq!(memory_total("MemFree: 1 kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_says_how_much_memory_there_is() {
        assert!(memory_limit().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn a_host_knows_its_boot_and_a_file_system_keeps_its_identity() {
        assert_eq!(boot_id().len(), 36);
        let dir = TempDir::new();
        let first = FileSystem::of(dir.path()).unwrap();
        assert_eq!(first, FileSystem::of(dir.path()).unwrap());
        assert_ne!(first.id, FileSystem::of(Path::new("/proc")).unwrap().id);
    }

    #[test]
    fn an_image_that_is_only_read_may_be_another_one_next_time() {
        let Some(mount) = ibid_testkit::disks::image("ext4", 16) else {
            return;
        };
        let kind = || FileSystem::of(mount.path()).unwrap().kind;
        assert_eq!(kind(), FileSystemKind::Local);
        mount.read_only();
        assert_eq!(kind(), FileSystemKind::Unknown);
    }

    #[test]
    fn kernel_file_systems_are_unknown_and_memory_is_memory() {
        let kind = |path: &str| FileSystem::of(Path::new(path)).unwrap().kind;
        assert_eq!(kind("/proc"), FileSystemKind::Unknown);
        assert_eq!(kind("/dev/shm"), FileSystemKind::Memory);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn fresh_writes_are_dirty_pages_until_they_are_synced() {
        let dir = TempDir::new();
        let path = dir.join("file");
        std::fs::write(&path, vec![7; 10_000]).unwrap();
        let file = File::open(&path).unwrap();
        let local = FileSystem::of(&path).unwrap().kind == FileSystemKind::Local;
        let Some(before) = cached_pages(&file).filter(|_| local) else {
            return;
        };
        // The kernel may have written it back already, but after a sync it must have.
        file.sync_all().unwrap();
        let after = cached_pages(&file).unwrap();
        assert!(after.are_clean(), "{before:?} {after:?}");
    }

    /// Waits until a thread of this process sleeps in the kernel, or `has_ended` says yes.
    #[expect(clippy::disallowed_methods, reason = "a test looks at its own threads")]
    fn wait_until_asleep(thread: rustix::thread::Pid, has_ended: &AtomicBool) {
        let status = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
        let sleeps = || {
            let text = std::fs::read_to_string(&status).unwrap();
            // The name of the thread, in parentheses, comes before its state.
            text.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with(['D', 'S']))
        };
        while !has_ended.load(Ordering::Acquire) && !sleeps() {
            std::thread::yield_now();
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn pages_are_not_clean_while_a_write_waits_for_its_bytes() {
        let dir = TempDir::new();
        let path = dir.join("file");
        std::fs::write(&path, [b'o'; 4096]).unwrap();
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        let known = FileSystem::of(&path).unwrap().kind.tells_dirty_pages();
        let Some(page) = SlowPage::new().filter(|_| known) else {
            return;
        };
        let stamp = || std::fs::metadata(&path).unwrap().modified().unwrap();
        let before = stamp();
        let (page, asker, has_asked) = (&page, rustix::thread::gettid(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let file = File::options().write(true).open(&path).unwrap();
                file.write_all_at(page.bytes(), 0).unwrap();
            });
            while stamp() == before {
                std::thread::yield_now();
            }
            scope.spawn(|| {
                wait_until_asleep(asker, &has_asked);
                page.fill(b'n');
            });
            let pages = cached_pages(&file);
            has_asked.store(true, Ordering::Release);
            let read = std::fs::read(&path).unwrap();
            assert!(read[0] == b'n' || !pages.is_some_and(CachedPages::are_clean));
        });
    }
}
